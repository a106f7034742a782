package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestMan: every verb has a page with its flags and examples, and man's own tools
// find nothing wrong with it.
func TestMan(t *testing.T) {
	isolate(t)
	dir := t.TempDir()
	if _, stderr, code := runVerb(t, "", "man", dir); code != exitOK {
		t.Fatal(stderr)
	}
	for _, path := range verbPaths(newRootCommand(), "") {
		verb, _, err := newRootCommand().Find(strings.Fields(path))
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, strings.ReplaceAll(strings.TrimSpace("thaw "+path), " ", "-")+".1")
		page, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
			continue
		}
		sections := []string{".SH NAME\n", troff(verb.Short)}
		verb.LocalFlags().VisitAll(func(flag *pflag.Flag) { sections = append(sections, troff("--"+flag.Name)) })
		verb.InheritedFlags().VisitAll(func(flag *pflag.Flag) { sections = append(sections, troff("--"+flag.Name)) })
		for _, section := range sections {
			if !strings.Contains(string(page), section) {
				t.Errorf("%s has no %q", name, section)
			}
		}
		checkManPage(t, name)
	}
}

func checkManPage(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath("groff"); err != nil {
		return // the golden page below still holds the form
	}
	out, err := exec.Command("groff", "-man", "-Tutf8", "-ww", "-z", name).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("groff: %v\n%s", err, out)
	}
}

// TestManPage compares a whole page with the golden one.
func TestManPage(t *testing.T) {
	isolate(t)
	root := newRootCommand()
	for _, verb := range root.Commands() {
		if verb.Name() != "exit-codes" && verb.Name() != "logs" {
			continue
		}
		var page strings.Builder
		printManPage(&page, verb)
		compareGolden(t, filepath.Join("testdata", "man", "thaw-"+verb.Name()+".1"), page.String())
	}
}

func TestTroff(t *testing.T) {
	tests := map[string]string{
		"plain":         "plain",
		"--flag":        `\-\-flag`,
		`a\b`:           `a\eb`,
		".TH is text":   `\&.TH is text`,
		"one\n'two\n":   "one\n" + `\&'two` + "\n",
		"a.b\n.c\n\n.d": "a.b\n" + `\&.c` + "\n\n" + `\&.d`,
	}
	for text, want := range tests {
		if got := troff(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
