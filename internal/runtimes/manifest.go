package runtimes

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// manifestName is the file that makes a directory a runtime.
const manifestName = "runtime.json"

// manifest is runtime.json, as the recipes write it, and Add.
type manifest struct {
	Name string `json:"name"`
	// Fingerprint is a digest of what the runtime was made from.
	Fingerprint string            `json:"fingerprint"`
	Version     string            `json:"version"`
	Interpreter string            `json:"interpreter,omitempty"`
	Client      string            `json:"client,omitempty"`
	Mounts      []manifestMount   `json:"mounts,omitempty"`
	Environment map[string]string `json:"environment,omitempty"`
	// Root and Bootstrap are those of a runtime of the operator's.
	Root      string   `json:"root,omitempty"`
	Bootstrap []string `json:"bootstrap,omitempty"`
}

type manifestMount struct {
	Source string `json:"source"` // relative to the runtime's directory
	Target string `json:"target"`
}

// maxManifest bounds runtime.json, in bytes.
const maxManifest = 64 << 10

// managedBootstrap is the only program that a managed runtime starts: a file
// named bootstrap in the function's own package has no meaning there.
const managedBootstrap = "/var/runtime/bootstrap"

func (c *Catalogue) manifestPath(name string) string {
	return filepath.Join(c.dir, name, manifestName)
}

func (c *Catalogue) readManifest(name string) (m manifest, err error) {
	f, err := os.Open(c.manifestPath(name))
	if err != nil {
		return m, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("%s: %w", manifestName, err)
	}
	if m.Name != name {
		return m, fmt.Errorf("%s is of %q", manifestName, m.Name)
	}
	return m, nil
}

// read reads and checks one runtime's directory.
func (c *Catalogue) read(name string) (Runtime, error) {
	m, err := c.readManifest(name)
	if err != nil {
		return Runtime{}, err
	}
	r := Runtime{
		Name:         name,
		Bootstrap:    []string{managedBootstrap},
		ExecutionEnv: "AWS_Lambda_" + name,
		Version:      m.Version,
		VersionARN:   c.versionARN(name, m.Fingerprint),
		Interpreter:  m.Interpreter,
		Client:       m.Client,
		defaults:     m.Environment,
	}
	if m.Root != "" {
		return r.rooted(m)
	}
	dir := filepath.Join(c.dir, name)
	for _, mount := range m.Mounts {
		// A mount point is opened as root: it must not be a link to elsewhere.
		source := filepath.Join(dir, mount.Source)
		info, err := os.Lstat(source)
		if err != nil {
			return Runtime{}, fmt.Errorf("mount %q: %w", mount.Target, errDamaged(err))
		}
		if !info.IsDir() || !filepath.IsLocal(mount.Source) || !filepath.IsAbs(mount.Target) {
			return Runtime{}, fmt.Errorf("mount %q from %q is not allowed", mount.Target, mount.Source)
		}
		r.Mounts = append(r.Mounts, Mount{Source: source, Target: filepath.Clean(mount.Target)})
	}
	return r, nil
}

// rooted makes it a runtime with a root file system of its own.
func (r Runtime) rooted(m manifest) (Runtime, error) {
	// It is opened as root: it must not have become a link to elsewhere.
	info, err := os.Lstat(m.Root)
	if err != nil {
		return Runtime{}, fmt.Errorf("root: %w", errDamaged(err))
	}
	if !info.IsDir() || !filepath.IsAbs(m.Root) || m.Root == "/" {
		return Runtime{}, fmt.Errorf("root %q is not allowed", m.Root)
	}
	r.Root = m.Root
	if len(m.Bootstrap) > 0 {
		r.Bootstrap = m.Bootstrap
	}
	if isProvided(r.Name) {
		r.ExecutionEnv = ""
	}
	return r, nil
}

// ownBootstraps are where a function or a layer brings the program to start.
var ownBootstraps = [...]string{"/var/task/bootstrap", "/opt/bootstrap"}

// errDamaged hides that something is missing: a runtime whose runtime.json is
// there counts as built.
func errDamaged(err error) error { return fmt.Errorf("damaged: %v", err) }

func (c *Catalogue) providedRuntime(system string) Runtime {
	name := "provided." + system
	return Runtime{
		Name:       name,
		Bootstrap:  ownBootstraps[:],
		Version:    "provided:" + system + ".v1",
		VersionARN: c.versionARN(name, "1"),
	}
}

func (c *Catalogue) versionARN(name, fingerprint string) string {
	sum := sha256.Sum256([]byte(name + "\n" + fingerprint))
	return "arn:" + c.scope.Partition + ":lambda:" + c.scope.Region + "::runtime:" + hex.EncodeToString(sum[:])
}
