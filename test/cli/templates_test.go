package cli_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTemplates takes each template the way that "thaw init" tells: written,
// deployed, and invoked with its own event.
func TestTemplates(t *testing.T) {
	answers := map[string]string{
		"go-hello":         `{"message":"hello, world"}`,
		"go-http":          `"body":"{\"id\":\"42\",\"name\":\"world\"}"`,
		"go-sqs":           `{"batchItemFailures":[]}`,
		"java-hello":       `{"message":"hello, world"}`,
		"java-stream":      `{"name":"world"}`,
		"node-hello":       `{"message":"hello, world"}`,
		"node-http":        `"body":"{\"name\":\"world\",\"id\":\"42\"}"`,
		"node-logs":        `{"INSERT":1,"MODIFY":1,"REMOVE":1}`,
		"python-hello":     `{"message":"hello, world"}`,
		"python-http":      `"body":"{\"name\":\"world\",\"id\":\"42\"}"`,
		"python-scheduled": `{"due":"2026-01-02T03:04:05+00:00","before":null,`,
		"python-sqs":       `{"batchItemFailures":[]}`,
	}
	s := startServer(t)
	listed, _ := s.thaw(t, "init", "--list", "--json")
	var templates []struct{ Template, Event string }
	if err := json.Unmarshal([]byte(listed), &templates); err != nil {
		t.Fatal(err)
	}
	if len(templates) != len(answers) {
		t.Errorf("%d templates, %d answers", len(templates), len(answers))
	}
	for _, tmpl := range templates {
		t.Run(tmpl.Template, func(t *testing.T) {
			needLanguage(t, tmpl.Template)
			dir := filepath.Join(t.TempDir(), tmpl.Template)
			s.thaw(t, "init", dir, "--template", tmpl.Template)
			s.thaw(t, "deploy", dir, "--timeout", "30", "--memory", "512")
			flag := "--event"
			if json.Valid([]byte(tmpl.Event)) {
				flag = "--payload"
			}
			answer, _ := s.thaw(t, "invoke", tmpl.Template, flag, tmpl.Event)
			// Blanks that a language's JSON has or has not make no difference.
			if got := strings.NewReplacer(": ", ":", ", \\\"", ",\\\"", ", \"", ",\"").Replace(answer); !strings.Contains(got, answers[tmpl.Template]) {
				t.Errorf("answered %s, want %s", answer, answers[tmpl.Template])
			}
		})
	}
}

// needLanguage skips a template that cannot be compiled or run here.
func needLanguage(t *testing.T, template string) {
	t.Helper()
	language, _, _ := strings.Cut(template, "-")
	switch language {
	case "python":
		needRuntime(t, "python")
	case "node":
		needRuntime(t, "nodejs")
	case "java":
		// Not every machine has a JDK, and without one no runtime is built.
		if _, err := exec.LookPath("javac"); err != nil || !hasRuntime(t, "java") {
			t.Skip("no javac, or no Java runtime")
		}
	}
}
