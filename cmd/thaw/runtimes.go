package main

import (
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"thaw/internal/control"
	"thaw/internal/runtimes"
)

// runtimesVerb is the flags that all verbs below "runtimes" share.
type runtimesVerb struct {
	conn connection
	dir  string
}

func newRuntimesCommand() *cobra.Command {
	var v runtimesVerb
	cmd := &cobra.Command{
		Use:   "runtimes",
		Short: "List the runtimes of functions, add and remove those of your own",
		Long: `List the runtimes that functions may have: which are installed, and how to
install the others.

A runtime for which there is no recipe, such as Ruby or .NET, can be a directory
of yours that holds a whole system: an unpacked image, or what debootstrap makes.
"thaw runtimes add" makes it the root file system of all functions of that
runtime. It is used as it is, read-only, and must stay where it is.

A running server knows of a change when it next starts an environment.`,
		Example: `  thaw runtimes
  sudo thaw runtimes add ruby3.4 --root /srv/ruby3.4
  sudo thaw runtimes rm ruby3.4`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			catalogue, err := v.open()
			if err != nil {
				return err
			}
			return printRuntimes(cmd.OutOrStdout(), shownRuntimes(catalogue.List()), v.conn.json)
		},
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&v.conn.data, "data", "", "data `directory` of the server (default $THAW_DATA or /var/lib/thaw)")
	flags.BoolVar(&v.conn.json, "json", false, "answer in JSON")
	flags.StringVar(&v.dir, "runtimes", "", "`directory` of the runtimes (default: the server's)")
	cmd.AddCommand(v.newAddCommand(), v.newRemoveCommand())
	return cmd
}

// open opens the catalogue of the server that is meant, whether it runs or not.
func (v *runtimesVerb) open() (*runtimes.Catalogue, error) {
	return runtimes.Open(runtimes.Options{Dir: runtimesDirOf(v.dir, v.conn.dataDir())})
}

// runtimesDirOf is the directory that is named, or that of the server which runs
// on a data directory, or the default.
func runtimesDirOf(named, dataDir string) string {
	if named != "" {
		return named
	}
	if server, err := readServerFile(dataDir); err == nil && server.Runtimes != "" {
		return server.Runtimes
	}
	return defaultRuntimesDir()
}

// States of a runtime, as "thaw runtimes" shows them.
const (
	runtimeInstalled = "installed"
	runtimeDamaged   = "damaged"
	runtimeBuildable = "not built"
	runtimeAbsent    = "not there"
)

// shownRuntime is one line of "thaw runtimes".
type shownRuntime struct {
	Runtime     string `json:"runtime"`
	State       string `json:"state"`
	Interpreter string `json:"interpreter,omitempty"`
	Client      string `json:"client,omitempty"`
	Root        string `json:"root,omitempty"`
	Problem     string `json:"problem,omitempty"`
	// Command installs it, or mends it.
	Command string `json:"command,omitempty"`
	recipe  bool
}

// shownRuntimes adds those of the service for which there is no recipe.
func shownRuntimes(list []runtimes.Status) []shownRuntime {
	var shown []shownRuntime
	for _, status := range list {
		shown = append(shown, showRuntime(status))
	}
	for _, name := range control.Runtimes() {
		if !slices.ContainsFunc(list, func(s runtimes.Status) bool { return s.Name == name }) {
			shown = append(shown, showRuntime(runtimes.Status{Name: name}))
		}
	}
	slices.SortFunc(shown, func(a, b shownRuntime) int { return strings.Compare(versionOrder(a.Runtime), versionOrder(b.Runtime)) })
	return shown
}

func showRuntime(s runtimes.Status) shownRuntime {
	shown := shownRuntime{
		Runtime: s.Name, State: runtimeInstalled, Interpreter: s.Interpreter, Client: s.Client,
		Root: s.Root, Problem: s.Problem, Command: s.Command, recipe: s.Recipe,
	}
	switch {
	case s.Installed:
	case s.Problem != "":
		shown.State = runtimeDamaged
	case s.Command != "":
		shown.State = runtimeBuildable
	default:
		shown.State = runtimeAbsent
		shown.Command = "thaw runtimes add " + s.Name + " --root DIR"
	}
	return shown
}

var digits = regexp.MustCompile(`\d+`)

// versionOrder is a text by which python3.9 comes before python3.10.
func versionOrder(name string) string {
	return digits.ReplaceAllStringFunc(name, func(number string) string { return fmt.Sprintf("%20s", number) })
}

// about is what a person wants to know of a runtime: what it is, or how to get it.
func (s shownRuntime) about() string {
	switch {
	case s.Problem != "" && s.Command != "":
		return s.Problem + "; build it again: " + s.Command
	case s.Problem != "":
		return s.Problem
	case s.Root != "":
		return "root " + s.Root
	case s.State == runtimeAbsent && s.recipe:
		return "can be built where its interpreter is installed; or: " + s.Command
	case s.State != runtimeInstalled:
		return s.Command
	case s.Interpreter == "":
		return "starts the function's own program"
	}
	return strings.TrimSuffix(s.Interpreter+", "+s.Client, ", ")
}

func printRuntimes(w io.Writer, shown []shownRuntime, asJSON bool) error {
	if asJSON {
		return printJSON(w, shown)
	}
	rows := [][]string{{"RUNTIME", "STATE", "WHAT IT IS, OR HOW TO GET IT"}}
	for _, s := range shown {
		rows = append(rows, []string{s.Runtime, s.State, s.about()})
	}
	return printTable(w, rows)
}

func (v *runtimesVerb) newAddCommand() *cobra.Command {
	var root runtimes.Root
	var env []string
	cmd := &cobra.Command{
		Use:   "add NAME --root DIR",
		Short: "Make a directory the root file system of a runtime's functions",
		Long: `Make a directory the root file system of all functions of a runtime. It must hold
a whole system, the language's runtime interface client included: the images that
Amazon publishes for each runtime, unpacked, are such directories.

The program to start is /var/runtime/bootstrap in it, unless --bootstrap names
another; of several the first that is there is taken. For provided.* it is the
function's own. Before anything is written the directory is checked: the program
and its interpreter are there and can be executed by everybody, nobody but the
owner can change it, and nothing of the server's own data is in it.

Inside, it is read-only and belongs to no user there, so that its files must be
readable by everybody. /dev, /proc and /tmp, /etc/hosts and /etc/resolv.conf are
the sandbox's own.`,
		Example: `  docker export "$(docker create public.ecr.aws/lambda/ruby:3.4)" | sudo tar -x -C /srv/ruby3.4
  sudo thaw runtimes add ruby3.4 --root /srv/ruby3.4
  sudo thaw runtimes add dotnet8 --root /srv/dotnet --bootstrap /usr/local/bin/start`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			root.Name, root.Private = args[0], v.conn.dataDir()
			if root.Dir == "" {
				return usageError("--root is missing: the directory with the system")
			}
			if known := control.Runtimes(); !slices.Contains(known, root.Name) {
				return usageError("no function can have the runtime %q; the service knows: %s", root.Name, strings.Join(known, ", "))
			}
			if root.Environment, err = parseVariables(env); err != nil {
				return err
			}
			catalogue, err := v.open()
			if err != nil {
				return err
			}
			added, err := catalogue.Add(root)
			if err != nil {
				return err
			}
			shown := showRuntime(runtimes.Status{Name: added.Name, Installed: true, Root: added.Root})
			if v.conn.json {
				return printJSON(cmd.OutOrStdout(), shown)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "added %s  %s  %s\n", added.Name, added.Root, strings.Join(added.Bootstrap, " "))
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&root.Dir, "root", "", "`directory` with the whole system")
	flags.StringArrayVar(&root.Bootstrap, "bootstrap", nil, "the program to start, as a `path` inside; may be repeated")
	flags.StringArrayVar(&env, "env", nil, "a variable of every function of the runtime as `K=V`; may be repeated")
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return control.Runtimes(), cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

func (v *runtimesVerb) newRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rm NAME...",
		Short: "Forget runtimes that were added; their directories stay",
		Long: `Forget runtimes that were added with "thaw runtimes add". The directories stay
where they are. Environments that run go on; the next invocation that needs a new
one is refused.`,
		Example: "  sudo thaw runtimes rm ruby3.4",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			catalogue, err := v.open()
			if err != nil {
				return err
			}
			for _, name := range names {
				if err := catalogue.Remove(name); err != nil {
					return err
				}
				if !v.conn.json {
					fmt.Fprintf(cmd.OutOrStdout(), "removed %s\n", name)
				}
			}
			if v.conn.json {
				return printJSON(cmd.OutOrStdout(), map[string][]string{"removed": names})
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var names []cobra.Completion
			if catalogue, err := v.open(); err == nil {
				for _, s := range catalogue.List() {
					if s.Root != "" {
						names = append(names, cobra.CompletionWithDesc(s.Name, filepath.Base(s.Root)))
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}
