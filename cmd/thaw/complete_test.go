package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCompletion asks as the shells' scripts do, by the hidden verb __complete.
func TestCompletion(t *testing.T) {
	dataDir := isolate(t)
	startFake(t, dataDir)
	t.Chdir(t.TempDir())
	writeFile(t, "hello/index.mjs", "export const handler = async (event) => event;\n")
	for _, name := range []string{"alpha", "beta"} {
		if _, stderr, code := runVerb(t, "", "deploy", "hello", "--name", name); code != exitOK {
			t.Fatal(stderr)
		}
	}
	tests := []struct {
		line string
		want []string // the first word of each offer
	}{
		{"invoke ", []string{"alpha", "beta"}},
		{"invoke alpha ", nil},
		{"logs ", []string{"alpha", "beta"}},
		{"rm alpha ", []string{"beta"}},
		{"invoke alpha --event kin", []string{"kinesis"}},
		{"init --template java", []string{"java-hello", "java-stream"}},
		{"deploy --name b", []string{"beta"}},
	}
	for _, test := range tests {
		words := strings.Split("__complete "+test.line, " ")
		stdout, _, code := runVerb(t, "", words...)
		if code != exitOK {
			t.Errorf("%q: exit code %d", test.line, code)
		}
		var got []string
		for line := range strings.Lines(stdout) {
			if strings.HasPrefix(line, ":") {
				break // the directive ends the list
			}
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			got = append(got, word)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.line, diff)
		}
	}
}

// TestCompletionWithoutServer: nothing is offered, and nothing is said.
func TestCompletionWithoutServer(t *testing.T) {
	isolate(t)
	stdout, _, code := runVerb(t, "", "__complete", "invoke", "")
	if code != exitOK || stdout != ":4\n" {
		t.Errorf("exit code %d, %q", code, stdout)
	}
}

// TestCompletionScripts: each shell's script is there and names the program.
func TestCompletionScripts(t *testing.T) {
	isolate(t)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		stdout, stderr, code := runVerb(t, "", "completion", shell)
		if code != exitOK || stderr != "" || !strings.Contains(stdout, "__complete") || !strings.Contains(stdout, "thaw") {
			t.Errorf("%s: exit code %d, %d bytes, %q", shell, code, len(stdout), stderr)
		}
	}
	if _, _, code := runVerb(t, "", "completion", "csh"); code != exitUsage {
		t.Errorf("csh: exit code %d", code)
	}
}
