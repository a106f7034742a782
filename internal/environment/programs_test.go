package environment_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/environment"
	"thaw/internal/lambda"
	"thaw/internal/runtimes"
)

// tree makes a directory of files; a name that ends in a slash is a directory, and
// one with an arrow a link.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range names {
		link, target, isLink := strings.Cut(name, " -> ")
		path := filepath.Join(root, link)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case isLink:
			err = os.Symlink(target, path)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o755)
		default:
			err = os.WriteFile(path, nil, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestExtensionsOfMergedLayers(t *testing.T) {
	outside := tree(t, "extensions/stranger")
	for name, c := range map[string]struct {
		layers []string
		root   string
		want   []string
	}{
		"none":                     {nil, "", nil},
		"files, sorted":            {[]string{tree(t, "extensions/b", "extensions/a", "other/c")}, "", []string{"a", "b"}},
		"of all layers":            {[]string{tree(t, "extensions/b"), tree(t, "extensions/a")}, "", []string{"a", "b"}},
		"once where two have it":   {[]string{tree(t, "extensions/a"), tree(t, "extensions/a")}, "", []string{"a"}},
		"directories are not":      {[]string{tree(t, "extensions/lib/x", "extensions/a")}, "", []string{"a"}},
		"a later directory hides":  {[]string{tree(t, "extensions/a"), tree(t, "extensions/a/")}, "", nil},
		"a later file wins":        {[]string{tree(t, "extensions/a/"), tree(t, "extensions/a")}, "", []string{"a"}},
		"no way out":               {[]string{tree(t, "extensions -> "+filepath.Join(outside, "extensions"))}, "", nil},
		"links are files":          {[]string{tree(t, "extensions/a -> ../bin/a")}, "", []string{"a"}},
		"of an operator's root":    {nil, tree(t, "opt/extensions/a"), []string{"a"}},
		"layers hide those of it":  {[]string{tree(t, "extensions/b")}, tree(t, "opt/extensions/a"), []string{"b"}},
		"a layer without any, too": {[]string{tree(t, "python/x")}, tree(t, "opt/extensions/a"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			e := environment.New(environment.Options{
				Version: &lambda.Version{}, CodeRoot: t.TempDir(), Layers: c.layers,
				Runtime: runtimes.Runtime{Root: c.root}, Logger: slog.New(slog.DiscardHandler),
			})
			if diff := cmp.Diff(c.want, e.FindExtensions()); diff != "" {
				t.Errorf("extensions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBootstrapOfMergedLayers(t *testing.T) {
	candidates := []string{"/var/task/bootstrap", "/opt/bootstrap"}
	for name, c := range map[string]struct {
		code   string
		layers []string
		want   string // empty for none
	}{
		"of the code":           {tree(t, "bootstrap"), []string{tree(t, "bootstrap")}, "/var/task/bootstrap"},
		"of the first layer":    {tree(t), []string{tree(t, "bootstrap"), tree(t, "x")}, "/opt/bootstrap"},
		"of the last layer":     {tree(t), []string{tree(t, "x"), tree(t, "bootstrap")}, "/opt/bootstrap"},
		"nowhere":               {tree(t), []string{tree(t, "x")}, ""},
		"nowhere, no layers":    {tree(t), nil, ""},
		"in a directory beside": {tree(t, "bin/bootstrap"), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := environment.New(environment.Options{
				Version: &lambda.Version{}, CodeRoot: c.code, Layers: c.layers,
				Runtime: runtimes.Runtime{Bootstrap: candidates}, Logger: slog.New(slog.DiscardHandler),
			})
			if got := e.FindBootstrap(); got != c.want {
				t.Errorf("bootstrap %q, want %q", got, c.want)
			}
		})
	}
}
