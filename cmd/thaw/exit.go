package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"
)

// Exit codes, the same for every verb. Scripts rely on them.
const (
	exitOK          = 0
	exitFailed      = 1   // the function answered with an error, or a check of doctor failed
	exitUsage       = 2   // the command line is wrong; nothing was done
	exitUnreachable = 3   // no server answers
	exitRefused     = 4   // the server answered with an error
	exitLocal       = 5   // something on this machine failed: a file, a build
	exitInterrupted = 130 // ended by Ctrl-C or SIGTERM, as shells count it
)

const exitCodesText = `Every verb ends with one of these exit codes:

    0  done
    1  the function answered with an error, or a check of doctor failed
    2  the command line is wrong; nothing was done
    3  no server answers
    4  the server refused; its error is on standard error
    5  something on this machine failed: a file, a build
  130  interrupted
`

func newExitCodesTopic() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "The exit codes of every verb", Long: exitCodesText}
}

// codedError gives an error the exit code to end with.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &codedError{exitUsage, fmt.Errorf(format, args...)}
}

// errReported ends a verb that has already shown what went wrong as its answer:
// a function's error, a failed check.
var errReported = &codedError{exitFailed, errors.New("reported")}

// report shows an error, if there is one to show, and returns the exit code.
func report(stderr io.Writer, err error, interrupted bool) int {
	if err == nil {
		return exitOK
	}
	if interrupted && errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	code := exitCode(err)
	if !errors.Is(err, errReported) {
		fmt.Fprintf(stderr, "thaw: %s\n", message(err))
	}
	if code == exitUsage {
		fmt.Fprintln(stderr, `Run the verb with --help for its flags and examples.`)
	}
	return code
}

func exitCode(err error) int {
	var coded *codedError
	var refused smithy.APIError
	var network net.Error
	switch {
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &refused):
		return exitRefused
	case errors.As(err, &network):
		return exitUnreachable
	}
	return exitLocal
}

// message is the error without the client library's wrapping, which names the
// operation, the attempt and the request before it comes to the point.
func message(err error) string {
	var refused smithy.APIError
	if errors.As(err, &refused) {
		return fmt.Sprintf("the server refused: %s: %s", refused.ErrorCode(), refused.ErrorMessage())
	}
	var coded *codedError
	var operation *net.OpError
	if !errors.As(err, &coded) && errors.As(err, &operation) && operation.Addr != nil {
		return fmt.Sprintf("no server answers at %s (%v): is \"thaw serve\" running?", operation.Addr, operation.Err)
	}
	return err.Error()
}

// markUsageErrors gives every complaint of the flag and argument parser the exit
// code for a wrong command line.
func markUsageErrors(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &codedError{exitUsage, err} })
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return &codedError{exitUsage, err}
			}
			return nil
		}
	}
	for _, child := range cmd.Commands() {
		markUsageErrors(child)
	}
}
