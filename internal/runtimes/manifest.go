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

// manifest is runtime.json, as the recipes write it.
type manifest struct {
	Name string `json:"name"`
	// Fingerprint is a digest of what the runtime was made from.
	Fingerprint string            `json:"fingerprint"`
	Version     string            `json:"version"`
	Interpreter string            `json:"interpreter"`
	Client      string            `json:"client"`
	Mounts      []manifestMount   `json:"mounts"`
	Environment map[string]string `json:"environment"`
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

// read reads and checks one runtime's directory.
func (c *Catalogue) read(name string) (Runtime, error) {
	dir := filepath.Join(c.dir, name)
	f, err := os.Open(filepath.Join(dir, "runtime.json"))
	if err != nil {
		return Runtime{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil {
		return Runtime{}, err
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return Runtime{}, fmt.Errorf("runtime.json: %w", err)
	}
	if m.Name != name {
		return Runtime{}, fmt.Errorf("runtime.json is of %q", m.Name)
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

// errDamaged hides that something is missing: a runtime whose runtime.json is
// there counts as built.
func errDamaged(err error) error { return fmt.Errorf("damaged: %v", err) }

func (c *Catalogue) providedRuntime(system string) Runtime {
	name := "provided." + system
	return Runtime{
		Name:       name,
		Bootstrap:  []string{"/var/task/bootstrap", "/opt/bootstrap"},
		Version:    "provided:" + system + ".v1",
		VersionARN: c.versionARN(name, "1"),
	}
}

func (c *Catalogue) versionARN(name, fingerprint string) string {
	sum := sha256.Sum256([]byte(name + "\n" + fingerprint))
	return "arn:" + c.scope.Partition + ":lambda:" + c.scope.Region + "::runtime:" + hex.EncodeToString(sum[:])
}
