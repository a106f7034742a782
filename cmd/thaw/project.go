package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// project is what deploy finds out about the code it is given.
type project struct {
	Runtime string
	Handler string
	// Compile is set for Go and Java sources: the package is what is made of them.
	Compile bool
}

// The runtimes that are taken when neither the project nor the server names one.
const (
	customRuntime = "provided.al2023"
	defaultPython = "python3.13"
	defaultNode   = "nodejs22.x"
	defaultJava   = "java17"
)

// errUndetected is the advice for code in which nothing is recognised.
var errUndetected = errors.New("found no function in it: expected a bootstrap, Go sources with package main, " +
	"a Python file with lambda_handler or handler, index.mjs or index.js, or a Java class with handleRequest; otherwise name --runtime and --handler")

// detectors look for the marks of each language, the surest first. They are given
// the runtimes that the server has, to choose a version that is there.
func detectors() []func(fs.FS, []string) (project, bool) {
	return []func(fs.FS, []string) (project, bool){detectCustom, detectGo, detectNode, detectPython, detectJava}
}

// detectFor is detectProject where the runtime may have been named: then only code
// of its language counts, and that it is code of another is told.
func detectFor(runtime string, code fs.FS, runtimes []string) (project, error) {
	var other project
	for _, detect := range detectors() {
		found, ok := detect(code, runtimes)
		switch {
		case ok && (runtime == "" || family(found.Runtime) == family(runtime)):
			return found, nil
		case ok && other.Runtime == "":
			other = found
		}
	}
	if other.Runtime == "" {
		return project{}, errUndetected
	}
	return project{}, fmt.Errorf("it holds code for %s, which %s does not run: leave --runtime out, or name the --handler too", family(other.Runtime), runtime)
}

// family is a runtime without its version: "python3.12" is one of "python".
func family(runtime string) string {
	return runtime[:strings.IndexAny(runtime+"0", "0123456789.")]
}

func detectCustom(code fs.FS, _ []string) (project, bool) {
	return project{Runtime: customRuntime, Handler: "bootstrap"}, isFile(code, "bootstrap")
}

var packageMain = regexp.MustCompile(`(?m)^package main\b`)

func detectGo(code fs.FS, _ []string) (project, bool) {
	found := project{Runtime: customRuntime, Handler: "bootstrap", Compile: true}
	sources, _ := fs.Glob(code, "*.go")
	for _, name := range sources {
		if content, err := fs.ReadFile(code, name); err == nil && packageMain.Match(content) {
			return found, true
		}
	}
	return project{}, false
}

func detectNode(code fs.FS, runtimes []string) (project, bool) {
	runtime := newestRuntime(runtimes, "nodejs", defaultNode)
	if major := declaredVersion(code, ".nvmrc", ".node-version"); major != "" {
		runtime = "nodejs" + strings.SplitN(major, ".", 2)[0] + ".x"
	}
	candidates := []string{"index.mjs", "index.js", "index.cjs", "handler.mjs", "handler.js", "app.mjs", "app.js"}
	if main := packageMainFile(code); main != "" {
		candidates = slices.Insert(candidates, 0, main)
	}
	for _, name := range candidates {
		if isFile(code, name) {
			return project{Runtime: runtime, Handler: strings.TrimSuffix(name, path.Ext(name)) + ".handler"}, true
		}
	}
	return project{}, false
}

// packageMainFile is the "main" of package.json: where a project itself says that
// it starts.
func packageMainFile(code fs.FS) string {
	content, err := fs.ReadFile(code, "package.json")
	if err != nil {
		return ""
	}
	var manifest struct{ Main string }
	if json.Unmarshal(content, &manifest) != nil || manifest.Main == "" {
		return ""
	}
	return path.Clean(manifest.Main)
}

var pythonHandler = regexp.MustCompile(`(?m)^def (lambda_handler|handler)\(`)

func detectPython(code fs.FS, runtimes []string) (project, bool) {
	runtime := newestRuntime(runtimes, "python", defaultPython)
	if version := strings.Split(declaredVersion(code, ".python-version"), "."); len(version) >= 2 {
		runtime = "python" + version[0] + "." + version[1]
	}
	candidates := []string{"lambda_function.py", "handler.py", "main.py", "app.py", "index.py"}
	if all, _ := fs.Glob(code, "*.py"); len(all) == 1 {
		candidates = append(candidates, all...)
	}
	for _, name := range candidates {
		content, err := fs.ReadFile(code, name)
		if err != nil {
			continue
		}
		if match := pythonHandler.FindSubmatch(content); match != nil {
			return project{Runtime: runtime, Handler: strings.TrimSuffix(name, ".py") + "." + string(match[1])}, true
		}
	}
	return project{}, false
}

func isFile(code fs.FS, name string) bool {
	info, err := fs.Stat(code, name)
	return err == nil && info.Mode().IsRegular()
}

// declaredVersion reads the version that a project asks its tools for, from the
// first of the files that exists: "v20.11.0" and "20" both begin with 20.
func declaredVersion(code fs.FS, names ...string) string {
	for _, name := range names {
		content, err := fs.ReadFile(code, name)
		if err != nil {
			continue
		}
		version := strings.TrimPrefix(strings.TrimSpace(string(content)), "v")
		if version != "" && version[0] >= '0' && version[0] <= '9' {
			return version
		}
	}
	return ""
}

// newestRuntime picks the highest version of a family ("python3.12" of "python")
// among the runtimes that are there.
func newestRuntime(runtimes []string, family, otherwise string) string {
	newest, high := otherwise, -1
	for _, name := range runtimes {
		version, ok := strings.CutPrefix(name, family)
		if !ok {
			continue
		}
		version = strings.TrimPrefix(strings.TrimSuffix(version, ".x"), "3.")
		if n, err := strconv.Atoi(version); err == nil && n > high {
			newest, high = name, n
		}
	}
	return newest
}

// functionName makes a legal function name of a directory's or a zip's.
func functionName(source string) (string, error) {
	absolute, err := filepath.Abs(source)
	if err != nil {
		return "", err
	}
	base := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(absolute), ".zip"), ".jar")
	name := strings.Trim(regexp.MustCompile(`[^A-Za-z0-9_-]+`).ReplaceAllString(base, "-"), "-")
	if name == "" || len(name) > 64 {
		return "", usageError("cannot make a function's name of %q: give one with --name", base)
	}
	return name, nil
}

// sourceFS opens what deploy was given, for looking at it.
func sourceFS(source string) (code fs.FS, isDir bool, err error) {
	info, err := os.Stat(source)
	if err != nil {
		return nil, false, usageError("nothing to deploy: %w", err)
	}
	if info.IsDir() {
		return os.DirFS(source), true, nil
	}
	if !strings.HasSuffix(source, ".zip") && !strings.HasSuffix(source, ".jar") {
		return nil, false, usageError("%q is neither a directory nor a .zip or .jar file", source)
	}
	code, err = openZip(source)
	if err != nil {
		return nil, false, fmt.Errorf("read %q: %w", source, err)
	}
	return code, false, nil
}
