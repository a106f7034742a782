package main

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/tools/txtar"
)

// templateFiles are the functions that init writes, each an archive of text. Its
// head is two lines: what it is, and an event to try it with, which is JSON or
// the name of a sample. A test deploys and invokes each.
//
//go:embed templates/*.txtar
var templateFiles embed.FS

// template is one of them.
type template struct {
	Name    string `json:"template"`
	Purpose string `json:"purpose"`
	// Event is JSON, or the name of a sample event.
	Event string `json:"event"`
	files []txtar.File
}

// readTemplates reads all, in the order of their names.
func readTemplates() ([]template, error) {
	entries, err := fs.ReadDir(templateFiles, "templates")
	if err != nil {
		return nil, err
	}
	var all []template
	for _, entry := range entries {
		content, err := templateFiles.ReadFile("templates/" + entry.Name())
		if err != nil {
			return nil, err
		}
		archive := txtar.Parse(content)
		purpose, rest, _ := strings.Cut(string(archive.Comment), "\n")
		event, ok := strings.CutPrefix(strings.TrimSpace(rest), "event: ")
		if !ok {
			return nil, fmt.Errorf("the template %s has no event", entry.Name())
		}
		all = append(all, template{
			Name: strings.TrimSuffix(entry.Name(), ".txtar"), Purpose: purpose, Event: event, files: archive.Files,
		})
	}
	return all, nil
}

// tryFlag is the flag by which invoke sends the template's event.
func (t template) tryFlag() string {
	if json.Valid([]byte(t.Event)) {
		return "--payload " + shellQuote(t.Event)
	}
	return "--event " + t.Event
}

// write puts the files into a directory. It replaces none: if one is there,
// nothing is written.
func (t template) write(dir string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var paths []string
	for _, file := range t.files {
		path := filepath.Join(dir, filepath.FromSlash(file.Name))
		if _, err := os.Lstat(path); err == nil {
			return nil, usageError("%s is there already; nothing was written", path)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		paths = append(paths, path)
	}
	for i, file := range t.files {
		if err := os.MkdirAll(filepath.Dir(paths[i]), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(paths[i], file.Data, 0o644); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// newProject is the flags of init.
type newProject struct {
	template string
	list     bool
	json     bool
}

// projectResult is what init answers.
type projectResult struct {
	Template string   `json:"template"`
	Dir      string   `json:"dir"`
	Files    []string `json:"files"`
	Next     []string `json:"next"`
}

func newInitCommand() *cobra.Command {
	var p newProject
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Begin a function from a template",
		Long: `Write the files of a new function into DIR, or into the current directory, and
tell how to go on. Files that are there are never replaced.`,
		Example: `  thaw init --list
  thaw init hello --template python-hello
  thaw init api --template go-http`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			templates, err := readTemplates()
			if err != nil {
				return err
			}
			if p.list {
				return printTemplates(cmd.OutOrStdout(), templates, p.json)
			}
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			return p.run(cmd.OutOrStdout(), templates, dir)
		},
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
	}
	cmd.Flags().StringVar(&p.template, "template", "", "`name` of the template")
	cmd.Flags().BoolVar(&p.list, "list", false, "list the templates and end")
	cmd.Flags().BoolVar(&p.json, "json", false, "answer in JSON")
	completeFlag(cmd, "template", templateCompletions)
	return cmd
}

func templateCompletions() []cobra.Completion {
	templates, _ := readTemplates() // a shell cannot show an error
	var words []cobra.Completion
	for _, t := range templates {
		words = append(words, cobra.CompletionWithDesc(t.Name, t.Purpose))
	}
	return words
}

func (p newProject) run(w io.Writer, templates []template, dir string) error {
	var names []string
	for _, t := range templates {
		if t.Name == p.template {
			return p.create(w, t, dir)
		}
		names = append(names, t.Name)
	}
	if p.template == "" {
		return usageError("name one with --template: %s", strings.Join(names, ", "))
	}
	return usageError("--template %s: there is none of this name, but %s", p.template, strings.Join(names, ", "))
}

func (p newProject) create(w io.Writer, t template, dir string) error {
	function, err := functionName(dir)
	if err != nil {
		return usageError("%s: a function is named after its directory, which needs a name of letters, digits, - and _", dir)
	}
	files, err := t.write(dir)
	if err != nil {
		return err
	}
	result := projectResult{Template: t.Name, Dir: dir, Files: files, Next: []string{
		"thaw deploy " + shellQuote(dir),
		"thaw invoke " + function + " " + t.tryFlag() + " --tail",
		"thaw dev " + shellQuote(dir),
	}}
	if p.json {
		return printJSON(w, result)
	}
	for _, file := range files {
		fmt.Fprintln(w, "wrote", file)
	}
	_, err = fmt.Fprintf(w, "go on with:\n  %s\n", strings.Join(result.Next, "\n  "))
	return err
}

func printTemplates(w io.Writer, templates []template, asJSON bool) error {
	if asJSON {
		return printJSON(w, templates)
	}
	rows := [][]string{{"TEMPLATE", "PURPOSE"}}
	for _, t := range templates {
		rows = append(rows, []string{t.Name, t.Purpose})
	}
	return printTable(w, rows)
}
