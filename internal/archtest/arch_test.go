package archtest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "thaw"

// listed is what go list tells about a package.
type listed struct {
	Dir        string
	ImportPath string
	Name       string
	Standard   bool
	GoFiles    []string
	Imports    []string
}

func (p listed) folder() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// packages lists the module's packages. The files of another platform are not in
// it; there are none.
func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=Dir,ImportPath,Name,Standard,GoFiles,Imports", "./...")
	cmd.Dir = moduleRoot(t)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 {
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		t.Fatal("go list found no package: nothing would be tested")
	}
	return all
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return root
}

// rowOf finds the row with the longest folder that a package is in.
func rowOf(folder string) (row, bool) {
	var best row
	found := false
	for _, r := range house {
		if within(folder, r.folder) && (!found || len(r.folder) > len(best.folder)) {
			best, found = r, true
		}
	}
	return best, found
}

func within(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// forbidden tells why a folder may not import a package; empty if it may. The
// standard library has no dot in the first element of its paths.
func forbidden(r row, path string) string {
	first, _, _ := strings.Cut(path, "/")
	if first == module {
		return forbiddenFolder(r, strings.TrimPrefix(path, module+"/"))
	}
	if !strings.Contains(first, ".") {
		return ""
	}
	for _, allowed := range r.modules {
		if allowed == everything || within(path, allowed) {
			return ""
		}
	}
	return fmt.Sprintf("%s may not import the third-party package %s: %s", r.folder, path, r.why)
}

func forbiddenFolder(r row, folder string) string {
	allowed := slices.Concat([]string{r.folder}, r.imports)
	if !slices.ContainsFunc(free, func(f string) bool { return within(r.folder, f) }) {
		allowed = append(allowed, free...)
	}
	if r.folder == "internal/telemetry" {
		allowed = append(allowed, "internal/lambda")
	}
	for _, a := range allowed {
		if exact, ok := strings.CutPrefix(a, "="); ok && folder == exact || a == everything || within(folder, a) {
			return ""
		}
	}
	return fmt.Sprintf("%s may not import %s: %s", r.folder, folder, r.why)
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		r, ok := rowOf(p.folder())
		if !ok {
			t.Errorf("%s has no row in the import table", p.ImportPath)
			continue
		}
		if strings.HasSuffix(p.Name, "test") {
			r.modules = slices.Concat(r.modules, suiteModules)
		}
		for _, path := range p.Imports {
			if why := forbidden(r, path); why != "" {
				t.Errorf("%s: %s", p.ImportPath, why)
			}
		}
	}
}

// TestForbidden shows that the rule of TestImports can fail.
func TestForbidden(t *testing.T) {
	tests := []struct {
		folder, path string
		allowed      bool
	}{
		{"internal/invoke", "thaw/internal/pool", true},
		{"internal/invoke", "thaw/internal/lambda", true},
		{"internal/invoke", "thaw/internal/telemetry/logs", true},
		{"internal/invoke", "thaw/internal/sandbox", false},
		{"internal/invoke", "thaw/internal/poolside", false},
		{"internal/lambda", "net/http", true},
		{"internal/lambda", "thaw/internal/telemetry", false},
		{"internal/telemetry/logs", "thaw/internal/lambda", true},
		{"internal/telemetry/logs", "thaw/internal/pool", false},
		{"internal/store/local", "thaw/internal/store", true},
		{"internal/store/jetstream", "github.com/nats-io/nats.go", true},
		{"internal/catalog", "github.com/nats-io/nats.go", false},
		{"internal/catalog", "thaw/internal/store", true},
		{"internal/catalog", "thaw/internal/store/local", false},
		{"internal/environment", "thaw/internal/sandbox/native", false},
		{"cmd/thaw", "thaw/internal/pool", true},
		{"cmd/thaw-init", "thaw/internal/sandbox", false},
		{"test/e2e", "example.com/any", true},
	}
	for _, test := range tests {
		r, ok := rowOf(test.folder)
		if !ok {
			t.Errorf("no row for %s", test.folder)
			continue
		}
		if why := forbidden(r, test.path); (why == "") != test.allowed {
			t.Errorf("%s importing %s: %q, want allowed=%v", test.folder, test.path, why, test.allowed)
		}
	}
}

// parse reads the comments and declarations of a package's files.
func parse(t *testing.T, p listed) map[string]*ast.File {
	t.Helper()
	files := make(map[string]*ast.File, len(p.GoFiles))
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		files[name] = file
	}
	return files
}

func TestPackageComments(t *testing.T) {
	for _, p := range packages(t) {
		var commented []string
		for name, file := range parse(t, p) {
			if file.Doc != nil {
				commented = append(commented, name)
			}
		}
		if len(commented) != 1 {
			slices.Sort(commented)
			t.Errorf("%s has %d package comments %v, want one: what it owns, its vocabulary, life cycle and concurrency", p.ImportPath, len(commented), commented)
		}
	}
}

func TestNoInitFunctions(t *testing.T) {
	for _, p := range packages(t) {
		if initAllowed[p.folder()] != "" {
			continue
		}
		for name, file := range parse(t, p) {
			for _, declaration := range file.Decls {
				if f, ok := declaration.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
					t.Errorf("%s/%s has an init function: wire things where the program starts", p.folder(), name)
				}
			}
		}
	}
}

func TestPackageNames(t *testing.T) {
	for _, p := range packages(t) {
		if slices.Contains(vagueNames, p.Name) || slices.Contains(vagueNames, filepath.Base(p.Dir)) {
			t.Errorf("%s: %q does not say what is inside; take a noun that an operator would use", p.ImportPath, p.Name)
		}
	}
}

// generatedHeader is the form that go.dev/s/generatedcode asks for.
var generatedHeader = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// goFiles calls visit for each Go file of the tree, tests included.
func goFiles(t *testing.T, visit func(path string, content []byte)) {
	t.Helper()
	root := moduleRoot(t)
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if relative != "." && (slices.Contains([]string{"build", "bin", "node_modules", "testdata"}, entry.Name()) || strings.HasPrefix(entry.Name(), ".")) {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		visit(filepath.ToSlash(relative), content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func inGen(path string) bool { return slices.Contains(strings.Split(path, "/"), "gen") }

func TestGeneratedFiles(t *testing.T) {
	goFiles(t, func(path string, content []byte) {
		// The mark stands before the package clause, or it is a text in a generator.
		head, _, _ := bytes.Cut(content, []byte("\npackage "))
		switch marked := generatedHeader.Match(head); {
		case marked && !inGen(path):
			t.Errorf("%s is generated but not under a folder gen", path)
		case !marked && inGen(path):
			t.Errorf("%s is under gen but does not say that it is generated", path)
		}
	})
}

func TestFileSizes(t *testing.T) {
	goFiles(t, func(path string, content []byte) {
		if lines := bytes.Count(content, []byte("\n")); lines > maxFileLines && !inGen(path) {
			t.Errorf("%s has %d lines, the most is %d", path, lines, maxFileLines)
		}
	})
	readme, err := os.ReadFile(filepath.Join(moduleRoot(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(readme, []byte("\n")); lines > maxReadmeLines {
		t.Errorf("README.md has %d lines, the most is %d", lines, maxReadmeLines)
	}
}
