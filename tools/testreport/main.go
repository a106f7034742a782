// Command testreport runs "go test -json …", shows what went wrong and what was
// left out, and ends with the line
//
//	N passed, N failed
//
// Its arguments are the command to run; its exit code is that command's. With
// -json FILE the events are kept there, with -sum FILE the last line: a caller
// such as make may have more to say behind it.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() {
	keep := flag.String("json", "", "file to keep the events in")
	sum := flag.String("sum", "", "file to keep the last line in")
	flag.Parse()
	code, err := run(context.Background(), files{events: *keep, sum: *sum}, flag.Args(), os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
	}
	os.Exit(code)
}

// files is where things are kept; an empty name means nowhere.
type files struct{ events, sum string }

func run(ctx context.Context, keep files, command []string, out io.Writer) (code int, err error) {
	if len(command) == 0 {
		return 2, errors.New("no command to run")
	}
	events := io.Discard
	if keep.events != "" {
		file, err := os.Create(keep.events)
		if err != nil {
			return 2, err
		}
		defer file.Close()
		events = file
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 2, err
	}
	if err := cmd.Start(); err != nil {
		return 2, err
	}
	report := newReport(out)
	readErr := report.read(bufio.NewReader(io.TeeReader(stdout, events)))
	code = exitCode(cmd.Wait())
	report.finish(code != 0)
	if keep.sum != "" {
		readErr = errors.Join(readErr, os.WriteFile(keep.sum, []byte(report.sum()), 0o644))
	}
	if code == 0 && readErr != nil {
		return 1, readErr
	}
	return code, readErr
}

// exitCode is 1 for a command that a signal ended or that did not run.
func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode()
	}
	return 1
}
