package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func allTemplates(t *testing.T) []template {
	t.Helper()
	templates, err := readTemplates()
	if err != nil {
		t.Fatal(err)
	}
	return templates
}

// TestTemplates: there are enough of them, in four languages, each with an event
// that exists, and deploy finds out what each is.
func TestTemplates(t *testing.T) {
	languages := map[string]string{"go": "provided.al2023", "python": "python3.13", "node": "nodejs22.x", "java": "java17"}
	templates, seen := allTemplates(t), map[string]bool{}
	for _, tmpl := range templates {
		language, _, _ := strings.Cut(tmpl.Name, "-")
		seen[language] = true
		if !json.Valid([]byte(tmpl.Event)) {
			if _, err := readEvent(tmpl.Event); err != nil {
				t.Errorf("%s: %v", tmpl.Name, err)
			}
		}
		dir := filepath.Join(t.TempDir(), tmpl.Name)
		if _, err := tmpl.write(dir); err != nil {
			t.Fatal(err)
		}
		found, err := detectFor("", os.DirFS(dir), nil)
		if err != nil || found.Runtime != languages[language] || found.Compile != (language == "go" || language == "java") {
			t.Errorf("%s is taken for %+v: %v", tmpl.Name, found, err)
		}
	}
	if len(templates) < 8 || len(seen) != len(languages) {
		t.Errorf("%d templates in %d languages", len(templates), len(seen))
	}
}

// TestTemplatesFollowTheLibrary: functions in Go from templates use the version
// of Amazon's library that the samples were tested with.
func TestTemplatesFollowTheLibrary(t *testing.T) {
	own, err := os.ReadFile("../../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, tmpl := range allTemplates(t) {
		for _, file := range tmpl.files {
			if file.Name != "go.sum" {
				continue
			}
			checked++
			if !bytes.Contains(own, file.Data) {
				t.Errorf("%s: go.sum has other lines than that of this module", tmpl.Name)
			}
		}
	}
	if checked == 0 {
		t.Error("no template has a go.sum")
	}
}

// TestDeployJava compiles the templates in Java: classes at the package's root,
// the handler among them, and the jars and resources beside them.
func TestDeployJava(t *testing.T) {
	if _, err := exec.LookPath("javac"); err != nil {
		t.Skip("needs javac")
	}
	for _, tmpl := range allTemplates(t) {
		if !strings.HasPrefix(tmpl.Name, "java-") {
			continue
		}
		t.Run(tmpl.Name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := tmpl.write(dir); err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(dir, "src/main/resources/words.txt"), "hello\n")
			d := deployer{deployment: deployment{source: dir, arch: "x86_64", method: compressed}, progress: newProgress(io.Discard)}
			code, err := d.pack(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			archive, err := zip.NewReader(bytes.NewReader(code), int64(len(code)))
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, file := range archive.File {
				names = append(names, file.Name)
			}
			class, _, _ := strings.Cut(d.handler, "::")
			for _, want := range []string{strings.ReplaceAll(class, ".", "/") + ".class", "words.txt"} {
				if !slices.Contains(names, want) {
					t.Errorf("no %s among %v", want, names)
				}
			}
			again := deployer{deployment: deployment{source: dir, arch: "x86_64", method: compressed}, progress: newProgress(io.Discard)}
			if second, err := again.pack(t.Context(), nil); err != nil || !bytes.Equal(second, code) {
				t.Errorf("the same sources make another package: %v", err)
			}
		})
	}
}

// TestInitReplacesNothing: one file that is there keeps all from being written.
func TestInitReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "go.sum"), "mine")
	_, stderr, code := runVerb(t, "", "init", dir, "--template", "go-hello")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if code != exitUsage || len(entries) != 1 || !strings.Contains(stderr, "go.sum is there already") {
		t.Errorf("exit code %d, %d files, %q", code, len(entries), stderr)
	}
}

// TestJavaRelease: an older compiler makes what a newer runtime runs.
func TestJavaRelease(t *testing.T) {
	tests := []struct{ runtime, compiler, want string }{
		{"java17", "javac 17.0.15", "17"},
		{"java25", "javac 17.0.15", "17"},
		{"java11", "javac 21", "11"},
		{"java8.al2", "javac 1.8.0_402", "8"},
		{"provided.al2023", "javac 21", ""},
	}
	for _, test := range tests {
		got := olderRelease(javaVersion.FindStringSubmatch(test.runtime), javacVersion.FindStringSubmatch(test.compiler))
		if got != test.want {
			t.Errorf("%s with %s: release %q, want %q", test.runtime, test.compiler, got, test.want)
		}
	}
}
