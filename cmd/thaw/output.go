package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"
)

// printJSON writes a verb's answer, indented, as the AWS CLI does.
func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// printTable writes rows in aligned columns; the first row is the head.
func printTable(w io.Writer, rows [][]string) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	return table.Flush()
}

// ANSI colours. They are used on a terminal only, and not with NO_COLOR
// (no-color.org) in the environment.
const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	plain  = "\x1b[0m"
)

type painter bool

// newPainter finds out whether what is written to w may be coloured.
func newPainter(w io.Writer) painter {
	file, ok := w.(*os.File)
	return painter(ok && os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(file.Fd())))
}

func (p painter) paint(colour, text string) string {
	if !p {
		return text
	}
	return colour + text + plain
}

// progress tells on standard error what a verb that takes a while is doing.
type progress struct {
	w      io.Writer
	start  time.Time
	silent bool
	last   string // told by once
}

// once tells a step unless it was the last one told.
func (p *progress) once(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); text != p.last {
		p.step("%s", text)
		p.last = text
	}
}

func newProgress(w io.Writer) progress { return progress{w: w, start: time.Now()} }

func (p progress) step(format string, args ...any) {
	if p.silent {
		return
	}
	fmt.Fprintf(p.w, "%6.1f s  %s\n", time.Since(p.start).Seconds(), fmt.Sprintf(format, args...))
}
