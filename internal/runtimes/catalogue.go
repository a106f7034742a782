// Package runtimes is the catalogue of managed runtimes: which are installed,
// what of them is mounted into an execution environment, which program starts
// there, and the environment variables that it sees.
//
// Vocabulary. A runtime is what a function names ("python3.12"): an interpreter
// at /var/lang and, at /var/runtime, the official runtime interface client with
// its bootstrap. The recipes in the folder runtimes/ build each once, as a
// directory with a runtime.json, which is the last file to be made. The
// provided.* runtimes have neither: the function brings its own bootstrap. A root
// is a runtime of the operator's: a directory that is the whole file system of its
// functions, and that runtime.json names.
//
// Life cycle. Open reads the directory. What is built, added or removed later is
// seen when it is next asked for; a runtime.json that is as it was is not read again.
//
// Concurrency: the methods of Catalogue may be called from many goroutines. A
// Runtime is a value that nobody changes.
package runtimes

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"thaw/internal/lambda"
)

// Mount is a directory of the host and its place inside an environment.
type Mount struct{ Source, Target string }

// Runtime is an installed runtime.
type Runtime struct {
	Name string
	// Mounts are read-only directories beside the function's own at /var/task.
	Mounts []Mount
	// Root is the host directory that is the root file system; empty for the
	// sandbox's own.
	Root string
	// Bootstrap is where the program to start may be, inside; the first that
	// exists is taken.
	Bootstrap []string
	// ExecutionEnv is the value of AWS_EXECUTION_ENV; empty for provided.*.
	ExecutionEnv string
	// Version and VersionARN are what INIT_START tells: "python:3.12.v1".
	Version    string
	VersionARN string
	// Interpreter and Client are for operators: "3.12.1", "awslambdaric 4.2.2".
	Interpreter string
	Client      string

	// defaults are variables that a function may set differently.
	defaults map[string]string
}

// NotInstalledError says that a runtime cannot be used on this machine.
type NotInstalledError struct {
	Runtime string
	// Command builds it; empty if there is no recipe for it, or none that this
	// machine has the interpreter for.
	Command string
	// Installed are the runtimes that can be used, by name.
	Installed []string
}

func (e *NotInstalledError) Error() string {
	if e.Command != "" {
		return fmt.Sprintf("runtime %s is not installed; build it with: %s", e.Runtime, e.Command)
	}
	advice := ""
	if isName(e.Runtime) {
		advice = "; a directory with its system can be added with: thaw runtimes add " + e.Runtime + " --root DIR"
	}
	return fmt.Sprintf("runtime %s is not installed and cannot be built on this machine, which has: %s%s",
		e.Runtime, strings.Join(e.Installed, ", "), advice)
}

// Options is what Open needs.
type Options struct {
	// Dir holds what the recipes have built. It need not exist.
	Dir string
	// Builder is the command that Command of NotInstalledError starts with.
	// Default: runtimes/build.sh.
	Builder string
	// CanBuild tells whether a recipe can work on this machine. By default it
	// does if the interpreter that it copies is there.
	CanBuild func(name string) bool
	// Scope gives partition and region of the version's ARNs.
	Scope  lambda.Scope
	Logger *slog.Logger
}

// Catalogue knows the runtimes of this machine.
type Catalogue struct {
	dir      string
	builder  string
	canBuild func(name string) bool
	scope    lambda.Scope

	builtin map[string]Runtime // always there, unless a root takes their place

	mu    sync.RWMutex
	found map[string]found
}

// found is a runtime and the runtime.json that it was read from.
type found struct {
	Runtime
	file fs.FileInfo
}

// isOf tells whether a runtime.json is still the one that was read.
func (f found) isOf(file fs.FileInfo) bool {
	return os.SameFile(f.file, file) && f.file.ModTime().Equal(file.ModTime()) && f.file.Size() == file.Size()
}

// Open reads the directory. A runtime in it that cannot be used is logged, and
// keeps none of the others from being used.
func Open(o Options) (*Catalogue, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("resolve %q: %w", o.Dir, err)
	}
	c := &Catalogue{
		dir:      dir,
		builder:  cmp.Or(o.Builder, "runtimes/build.sh"),
		canBuild: o.CanBuild,
		scope:    cmp.Or(o.Scope, lambda.DefaultScope),
		builtin:  make(map[string]Runtime, len(provided)),
		found:    make(map[string]found),
	}
	if c.canBuild == nil {
		c.canBuild = canBuild
	}
	for _, system := range provided {
		r := c.providedRuntime(system)
		c.builtin[r.Name] = r
	}
	names, err := c.built()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, err := c.Resolve(name); err != nil && o.Logger != nil {
			o.Logger.Warn("runtime cannot be used", slog.String("runtime", name), slog.Any("error", err))
		}
	}
	return c, nil
}

// provided are the systems of the runtimes without interpreter and client. Both
// are the same here: the system that a function finds is the host's.
var provided = [...]string{"al2", "al2023"}

// recipes are the runtimes that the folder runtimes/ can build.
var recipes = [...]string{
	"java17", "java21", "java25",
	"nodejs20.x", "nodejs22.x", "nodejs24.x", "nodejs26.x",
	"python3.8", "python3.9", "python3.10", "python3.11", "python3.12", "python3.13", "python3.14",
}

// Resolve gives an installed runtime; errors.As finds a *NotInstalledError if
// there is none of that name.
func (c *Catalogue) Resolve(name string) (Runtime, error) {
	if !isName(name) {
		return Runtime{}, &NotInstalledError{Runtime: name, Installed: c.installed()}
	}
	file, err := os.Stat(c.manifestPath(name))
	if errors.Is(err, fs.ErrNotExist) {
		return c.withoutManifest(name)
	}
	if err != nil {
		return Runtime{}, fmt.Errorf("read runtime %q: %w", name, err)
	}
	c.mu.RLock()
	known, ok := c.found[name]
	c.mu.RUnlock()
	if ok && known.isOf(file) {
		return known.Runtime, nil
	}
	r, err := c.read(name)
	if err != nil {
		return Runtime{}, fmt.Errorf("read runtime %q: %w", name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.found[name] = found{r, file}
	return r, nil
}

// withoutManifest gives what needs none, and forgets what has been removed.
func (c *Catalogue) withoutManifest(name string) (Runtime, error) {
	c.mu.Lock()
	delete(c.found, name)
	c.mu.Unlock()
	if r, ok := c.builtin[name]; ok {
		return r, nil
	}
	return Runtime{}, &NotInstalledError{Runtime: name, Command: c.command(name), Installed: c.installed()}
}

// VersionARN names the version of a runtime: of the one that is installed, or
// of none in particular.
func (c *Catalogue) VersionARN(name string) string {
	if r, err := c.Resolve(name); err == nil {
		return r.VersionARN
	}
	return c.versionARN(name, "")
}

// Status is a runtime as an operator sees it.
type Status struct {
	Name        string
	Installed   bool
	Interpreter string
	Client      string
	// Root is the directory of a runtime of the operator's.
	Root string
	// Problem tells why a runtime that was built cannot be used.
	Problem string
	// Command builds a runtime that is not installed; empty where it cannot be.
	Command string
	// Recipe is set if there is a way to build it, here or elsewhere.
	Recipe bool
}

// List gives every runtime that is installed or could be built, by name.
func (c *Catalogue) List() []Status {
	names := append(c.installed(), recipes[:]...)
	if built, err := c.built(); err == nil {
		names = append(names, built...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	list := make([]Status, 0, len(names))
	for _, name := range names {
		r, err := c.Resolve(name)
		s := Status{Name: name, Installed: err == nil, Interpreter: r.Interpreter, Client: r.Client, Root: r.Root, Recipe: slices.Contains(recipes[:], name)}
		if missing, ok := errors.AsType[*NotInstalledError](err); ok {
			s.Command = missing.Command
		} else if err != nil {
			s.Problem, s.Command = err.Error(), c.command(name)
		}
		list = append(list, s)
	}
	return list
}

// installed names what has been found and what is always there.
func (c *Catalogue) installed() []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	names := slices.AppendSeq(slices.Collect(maps.Keys(c.found)), maps.Keys(c.builtin))
	slices.Sort(names)
	return slices.Compact(names)
}

// built lists the directories that may hold a runtime.
func (c *Catalogue) built() ([]string, error) {
	entries, err := os.ReadDir(c.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list runtimes: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && isName(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (c *Catalogue) command(name string) string {
	if !slices.Contains(recipes[:], name) || !c.canBuild(name) {
		return ""
	}
	return c.builder + " --only " + name + " " + c.dir
}

// isName keeps what a caller wrote from being a path, and the recipes' own
// hidden files from being runtimes.
func isName(s string) bool {
	if s == "" || len(s) > 64 || s[0] == '.' {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
	}) < 0
}
