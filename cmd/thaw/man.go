package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages",
		Long: `Write a manual page of every verb, and one of the program, into DIR: thaw.1,
thaw-deploy.1 and so on. They say what --help says.`,
		Example: `  thaw man /usr/local/share/man/man1
  thaw man . && man ./thaw-deploy.1`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			pages := manPages(cmd.Root())
			for _, page := range pages {
				if err := writeManPage(args[0], page); err != nil {
					return err
				}
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "wrote %d pages to %s\n", len(pages), args[0])
			return err
		},
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
	}
}

// manPages are a verb and all below it.
func manPages(verb *cobra.Command) []*cobra.Command {
	pages := []*cobra.Command{verb}
	for _, below := range verb.Commands() {
		if !below.Hidden && below.Name() != "help" {
			pages = append(pages, manPages(below)...)
		}
	}
	return pages
}

func writeManPage(dir string, cmd *cobra.Command) error {
	var page strings.Builder
	printManPage(&page, cmd)
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
	return os.WriteFile(filepath.Join(dir, name), []byte(page.String()), 0o644)
}

// printManPage writes a page in the man macros of troff; see man(7). It has no
// date, so that the same program always writes the same pages.
func printManPage(w io.Writer, cmd *cobra.Command) {
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	fmt.Fprintf(w, ".TH %s 1 \"\" thaw \"Thaw\"\n", strings.ToUpper(name))
	fmt.Fprintf(w, ".SH NAME\n%s \\- %s\n", troff(name), troff(cmd.Short))
	if cmd.Runnable() {
		fmt.Fprintf(w, ".SH SYNOPSIS\n.B %s\n", troff(cmd.UseLine()))
	}
	if cmd.Long != "" {
		fmt.Fprintf(w, ".SH DESCRIPTION\n%s\n", paragraphs(cmd.Long))
	}
	printManVerbs(w, cmd)
	cmd.InitDefaultHelpFlag()
	if flags := cmd.LocalFlags(); flags.HasAvailableFlags() || cmd.HasAvailableInheritedFlags() {
		fmt.Fprintln(w, ".SH OPTIONS")
		flags.VisitAll(func(flag *pflag.Flag) { printManFlag(w, flag) })
		cmd.InheritedFlags().VisitAll(func(flag *pflag.Flag) { printManFlag(w, flag) })
	}
	if cmd.Example != "" {
		fmt.Fprintf(w, ".SH EXAMPLES\n.nf\n%s\n.fi\n", troff(cmd.Example))
	}
	if cmd.HasParent() {
		fmt.Fprintf(w, ".SH SEE ALSO\n.BR %s (1)\n", troff(strings.ReplaceAll(cmd.Parent().CommandPath(), " ", "-")))
	}
}

func printManVerbs(w io.Writer, cmd *cobra.Command) {
	if !cmd.HasAvailableSubCommands() {
		return
	}
	fmt.Fprintln(w, ".SH VERBS")
	for _, verb := range cmd.Commands() {
		if verb.IsAvailableCommand() || verb.IsAdditionalHelpTopicCommand() {
			fmt.Fprintf(w, ".TP\n.B %s\n%s\n", troff(verb.Name()), troff(verb.Short))
		}
	}
}

func printManFlag(w io.Writer, flag *pflag.Flag) {
	if flag.Hidden {
		return
	}
	value, usage := pflag.UnquoteUsage(flag)
	text := "--" + flag.Name
	if flag.Shorthand != "" {
		text = "-" + flag.Shorthand + ", " + text
	}
	if value != "" {
		text += " " + value
	}
	fmt.Fprintf(w, ".TP\n.B %s\n%s\n", troff(text), troff(usage))
}

// troff keeps a text from being taken for troff's own words: the backslash, the
// hyphen that would become another character, and lines that begin like a macro.
func troff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			out.WriteString(`\&`)
		}
		out.WriteString(line)
	}
	return out.String()
}

// paragraphs keeps indented lines, which are examples and tables, as they are and
// lets the others flow.
func paragraphs(text string) string {
	var out strings.Builder
	verbatim := false
	for line := range strings.SplitSeq(text, "\n") {
		if indented := strings.HasPrefix(line, "  "); indented != verbatim && line != "" {
			out.WriteString(map[bool]string{true: ".nf\n", false: ".fi\n"}[indented])
			verbatim = indented
		}
		if line == "" {
			out.WriteString(".PP\n")
			continue
		}
		out.WriteString(troff(line) + "\n")
	}
	if verbatim {
		out.WriteString(".fi\n")
	}
	return strings.TrimSuffix(out.String(), "\n")
}
