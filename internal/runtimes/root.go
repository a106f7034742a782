package runtimes

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Root is a runtime of the operator's: a directory that is the whole root file
// system of its functions, such as an unpacked image.
type Root struct {
	Name string
	// Dir is the directory. Links in its path are followed when it is added, and
	// not later.
	Dir string
	// Bootstrap is where the program to start may be, inside. By default it is the
	// managed runtimes' own place; for provided.* it is the function's.
	Bootstrap []string
	// Environment are variables that a function may set differently.
	Environment map[string]string
	// Private is a directory that no function may see: neither in the root nor
	// around it. Empty: there is none.
	Private string
}

const (
	maxBootstraps = 8
	maxVariables  = 64
	// maxVariable bounds a name and its value together, in bytes.
	maxVariable = 4 << 10
)

// Add checks a root and puts it into the catalogue's directory, on the disk when
// it returns. A server that runs on the directory finds it when it is first asked
// for. The directory is used as it is: whoever changes it changes the runtime.
func (c *Catalogue) Add(root Root) (Runtime, error) {
	if !isName(root.Name) {
		return Runtime{}, fmt.Errorf("%q is no name of a runtime: small letters, digits and dots, at most 64", root.Name)
	}
	if err := c.checkAbsent(root.Name); err != nil {
		return Runtime{}, err
	}
	dir, err := resolvedDir(root.Dir)
	if err != nil {
		return Runtime{}, err
	}
	root.Dir = dir
	if len(root.Bootstrap) == 0 {
		root.Bootstrap = []string{managedBootstrap}
		if isProvided(root.Name) {
			root.Bootstrap = ownBootstraps[:]
		}
	}
	for _, check := range []func(Root) error{checkPlace, c.checkOwnPlace, checkReadable, checkMountPoints, checkBootstraps, checkEnvironment} {
		if err := check(root); err != nil {
			return Runtime{}, err
		}
	}
	if err := c.writeRoot(root); err != nil {
		return Runtime{}, fmt.Errorf("write runtime %q: %w", root.Name, err)
	}
	return c.Resolve(root.Name)
}

// Remove takes a root out of the catalogue. The directory that it names stays as
// it is. Environments that have it go on until they end.
func (c *Catalogue) Remove(name string) error {
	r, err := c.Resolve(name)
	missing, absent := errors.AsType[*NotInstalledError](err)
	switch {
	case absent:
		return missing
	case err == nil && r.Root == "":
		return fmt.Errorf("%s has no root of the operator's: it was built into %s, or needs nothing", name, c.dir)
	case err != nil && !c.isOperators(name):
		return err
	}
	dir := filepath.Join(c.dir, name)
	if err := os.Remove(filepath.Join(dir, manifestName)); err != nil {
		return fmt.Errorf("remove runtime %q: %w", name, err)
	}
	// Whatever else is in it is the operator's, and stays.
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		entries, readErr := os.ReadDir(dir)
		if readErr != nil || len(entries) == 0 {
			return fmt.Errorf("remove runtime %q: %w", name, err)
		}
	}
	return syncDir(c.dir)
}

// isOperators tells whether a runtime that cannot be used is one of the operator's,
// which can then be removed all the same.
func (c *Catalogue) isOperators(name string) bool {
	m, err := c.readManifest(name)
	return err == nil && m.Root != ""
}

func (c *Catalogue) checkAbsent(name string) error {
	r, err := c.Resolve(name)
	switch {
	case err == nil && r.Root != "":
		return fmt.Errorf("%s has the root %s already: remove it first", name, r.Root)
	case err == nil && len(r.Mounts) > 0:
		return fmt.Errorf("%s is built already, in %s", name, filepath.Join(c.dir, name))
	}
	if _, err := os.Lstat(c.manifestPath(name)); err == nil {
		return fmt.Errorf("%s is there already, in %s, and cannot be used: remove it first", name, filepath.Join(c.dir, name))
	}
	return nil
}

func resolvedDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", fmt.Errorf("root: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", fmt.Errorf("root: %w", err)
	}
	if !info.IsDir() {
		return "", fmt.Errorf("root %s is not a directory", dir)
	}
	return dir, nil
}

// checkPlace refuses directories that would show functions more than a root.
func checkPlace(root Root) error {
	if root.Dir == "/" {
		return errors.New("the root of this machine cannot be that of functions: they would see everything")
	}
	info, err := os.Stat(root.Dir)
	if err != nil {
		return fmt.Errorf("root: %w", err)
	}
	if info.Mode()&0o022 != 0 {
		return fmt.Errorf("root %s can be written by others than its owner (mode %04o): chmod go-w %s", root.Dir, info.Mode().Perm(), root.Dir)
	}
	if root.Private == "" {
		return nil
	}
	private, err := resolvedDir(root.Private)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if within(root.Dir, private) {
		return fmt.Errorf("root %s holds the data directory %s, which functions must not see", root.Dir, private)
	}
	return nil
}

// checkOwnPlace keeps roots out of the data directory, where a server removes what
// it does not know; the catalogue's own directory may be in there.
func (c *Catalogue) checkOwnPlace(root Root) error {
	own, err := filepath.EvalSymlinks(c.dir)
	if err != nil {
		own = c.dir // it is yet to be made
	}
	if within(root.Dir, own) {
		return fmt.Errorf("root %s holds the directory of the runtimes, %s", root.Dir, own)
	}
	if root.Private == "" || within(own, root.Dir) {
		return nil
	}
	private, err := filepath.EvalSymlinks(root.Private)
	if err == nil && within(private, root.Dir) {
		return fmt.Errorf("root %s is in the data directory %s, which is the server's own", root.Dir, private)
	}
	return nil
}

// checkReadable refuses a root that only its owner can enter.
func checkReadable(root Root) error {
	info, err := os.Stat(root.Dir)
	if err != nil {
		return fmt.Errorf("root: %w", err)
	}
	if info.Mode()&0o005 != 0o005 {
		return fmt.Errorf("root %s can be read by its owner only (mode %04o): functions run as a user of their own: chmod go+rx %s", root.Dir, info.Mode().Perm(), root.Dir)
	}
	return nil
}

// within tells whether a path is a directory or below it.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// mountPoints of a root are where its sandbox mounts something. Those that a root
// lacks are added; a link would lead the mount elsewhere.
var mountPoints = [...]string{"dev", "proc", "tmp", "var", "var/task", "var/runtime", "var/lang", "opt", "etc"}

// mountParents are those below which there are others, or files that are mounted.
var mountParents = [...]string{"var", "etc"}

// searchable tells whether everybody may look for what is in a directory: inside,
// the owner of the root's files is nobody.
func searchable(dir fs.FileInfo) bool { return dir.Mode()&0o001 != 0 }

func errNotSearchable(name string, dir fs.FileInfo) error {
	return fmt.Errorf("the directory /%s cannot be searched by everybody (mode %04o): functions run as a user of their own", name, dir.Mode().Perm())
}

func checkMountPoints(root Root) error {
	for _, name := range mountPoints {
		info, err := os.Lstat(filepath.Join(root.Dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return fmt.Errorf("root: %w", err)
		}
		if !info.IsDir() {
			return fmt.Errorf("root %s has no directory at /%s but %s: something is to be mounted there", root.Dir, name, kind(info.Mode()))
		}
		if slices.Contains(mountParents[:], name) && !searchable(info) {
			return fmt.Errorf("root %s: %w", root.Dir, errNotSearchable(name, info))
		}
	}
	return nil
}

func kind(mode fs.FileMode) string {
	if mode&fs.ModeSymlink != 0 {
		return "a link"
	}
	return "a file"
}

func checkEnvironment(root Root) error {
	if len(root.Environment) > maxVariables {
		return fmt.Errorf("there are %d variables, and at most %d are allowed", len(root.Environment), maxVariables)
	}
	for name, value := range root.Environment {
		switch {
		case name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0):
			return fmt.Errorf("%q cannot be a variable", name)
		case slices.Contains(reserved[:], name):
			return fmt.Errorf("the variable %s is set by the service: a runtime cannot", name)
		case len(name)+len(value) > maxVariable:
			return fmt.Errorf("the variable %s has more than %d bytes", name, maxVariable)
		}
	}
	return nil
}

// writeRoot makes runtime.json, whole or not at all, and only if there is none.
func (c *Catalogue) writeRoot(root Root) error {
	bootstraps := strings.Join(root.Bootstrap, "\n")
	sum := sha256.Sum256([]byte(root.Dir + "\n" + bootstraps))
	m := manifest{
		Name: root.Name, Fingerprint: hex.EncodeToString(sum[:8]), Version: versionOf(root.Name),
		Root: root.Dir, Bootstrap: root.Bootstrap, Environment: maps.Clone(root.Environment),
	}
	content, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Join(c.dir, root.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".runtime-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(content, '\n'))
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), c.manifestPath(root.Name)); err != nil {
		return err
	}
	return errors.Join(syncDir(dir), syncDir(c.dir), syncDir(filepath.Dir(c.dir)))
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// versionOf is what INIT_START tells of a runtime: "ruby:3.4.v1" of ruby3.4.
func versionOf(name string) string {
	i := strings.IndexAny(name, "0123456789.")
	if i <= 0 {
		return name + ".v1"
	}
	return name[:i] + ":" + strings.TrimSuffix(strings.TrimPrefix(name[i:], "."), ".x") + ".v1"
}

// isProvided tells the runtimes that start a program of the function's.
func isProvided(name string) bool { return strings.HasPrefix(name, "provided.") }

// insideFunction tells whether a path inside is one that a function or a layer
// fills, and not the root.
func insideFunction(inside string) bool {
	return within("/var/task", inside) || within("/opt", inside)
}

// checkInside refuses what is no absolute path without detours.
func checkInside(inside string) error {
	if !path.IsAbs(inside) || path.Clean(inside) != inside || inside == "/" {
		return fmt.Errorf("bootstrap %q is not an absolute path inside the root", inside)
	}
	return nil
}
