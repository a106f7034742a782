package environment

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"thaw/internal/telemetry"
)

// Where things are inside.
const (
	taskDir       = "/var/task"
	layersDir     = "/opt"
	extensionsDir = layersDir + "/extensions"
)

// maxExtensions bounds the external and internal extensions of an environment;
// the service's quota.
const maxExtensions = 10

// bootstrap finds the program to start: the first of the runtime's candidates
// that is there.
func (e *Environment) bootstrap() (string, *failure) {
	candidates := e.opts.Runtime.Bootstrap
	for _, path := range candidates {
		for _, p := range e.hostPaths(path) {
			if p.exists() {
				return path, nil
			}
		}
	}
	return "", &failure{
		errorType: typeInvalidEntrypoint,
		message:   "Couldn't find valid bootstrap(s): [" + strings.Join(candidates, " ") + "]",
		status:    telemetry.Error,
	}
}

// hostPath is a place below a directory of the host. The directory's tree is made
// by strangers, and a link in it may point anywhere: it is never left.
type hostPath struct{ root, rel string }

// hostPaths tells where a path inside is looked for: below the mount that covers
// it, of several merged ones in the order in which they win.
func (e *Environment) hostPaths(inside string) []hostPath {
	below := func(target string) (string, bool) {
		rel, err := filepath.Rel(target, inside)
		return rel, err == nil && filepath.IsLocal(rel)
	}
	if rel, ok := below(taskDir); ok {
		return []hostPath{{e.opts.CodeRoot, rel}}
	}
	if rel, ok := below(layersDir); ok && len(e.opts.Layers) > 0 {
		var paths []hostPath
		for _, layer := range slices.Backward(e.opts.Layers) {
			paths = append(paths, hostPath{layer, rel})
		}
		return paths
	}
	for _, m := range e.opts.Runtime.Mounts {
		if rel, ok := below(m.Target); ok {
			return []hostPath{{m.Source, rel}}
		}
	}
	if root := e.opts.Runtime.Root; root != "" {
		return []hostPath{{root, strings.TrimPrefix(inside, "/")}}
	}
	return nil
}

func (p hostPath) exists() bool {
	dir, err := os.OpenRoot(p.root)
	if err != nil {
		return false
	}
	defer dir.Close()
	_, err = dir.Lstat(p.rel)
	return err == nil
}

// maxEntries bounds what is read of one directory of extensions: who has more
// than ten has too many.
const maxEntries = 256

// entries lists a directory by name; nil if there is none.
func (p hostPath) entries() []os.DirEntry {
	dir, err := os.OpenRoot(p.root)
	if err != nil {
		return nil
	}
	defer dir.Close()
	f, err := dir.Open(p.rel)
	if err != nil {
		return nil
	}
	defer f.Close()
	list, _ := f.ReadDir(maxEntries) // what could be read counts
	return list
}

// findExtensions names the external extensions: the files in /opt/extensions as
// the merged layers show it, sorted. One that cannot be executed is found out by
// trying.
func (e *Environment) findExtensions() []string {
	files := map[string]bool{}
	paths := e.hostPaths(extensionsDir)
	for _, p := range slices.Backward(paths) { // so that the winner has the last word
		for _, entry := range p.entries() {
			files[entry.Name()] = !entry.IsDir()
		}
	}
	var names []string
	for name, isFile := range files {
		if isFile {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
