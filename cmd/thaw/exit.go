package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
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
	switch {
	case errors.As(err, &coded):
		return coded.code
	case isForeign(err), isUnreachable(err):
		return exitUnreachable
	case errors.As(err, &refused):
		return exitRefused
	}
	return exitLocal
}

// isUnreachable is true of a request that brought no whole answer. A net.Error
// alone says too little: every error of a system call is one.
func isUnreachable(err error) bool {
	var dial *net.OpError
	var request *url.Error
	return errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &request) && request.Op != "parse" || isBroken(err)
}

// isBroken is true where the connection ended before the answer did.
func isBroken(err error) bool {
	var request *url.Error
	var operation *smithy.OperationError
	if !errors.As(err, &request) && !errors.As(err, &operation) {
		return false // a file that ends too early, say
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// isForeign is true of answers that the Lambda API does not give: something else
// listens at the endpoint.
func isForeign(err error) bool {
	var unreadable *smithy.DeserializationError
	var refused smithy.APIError
	return errors.As(err, &refused) && refused.ErrorCode() == "UnknownError" || errors.As(err, &unreadable) && !isBroken(err)
}

// message is the error without the client library's wrapping, which names the
// operation, the attempt and the request before it comes to the point.
func message(err error) string {
	var refused smithy.APIError
	var coded *codedError
	var dial *net.OpError
	var request *url.Error
	switch {
	case isForeign(err):
		return foreignMessage(serverOf(err))
	case errors.As(err, &refused):
		return fmt.Sprintf("the server refused: %s: %s", refused.ErrorCode(), refused.ErrorMessage())
	case errors.As(err, &coded) || !isUnreachable(err):
		return err.Error()
	case errors.As(err, &dial) && dial.Op == "dial":
		return fmt.Sprintf("no server answers at %s (%v): is \"thaw serve\" running?", cmp.Or(serverOf(err), fmt.Sprint(dial.Addr)), dial.Err)
	case isBroken(err):
		return fmt.Sprintf("the server at %s ended while it answered", serverOf(err))
	case errors.As(err, &request) && request.Timeout():
		return fmt.Sprintf("the server at %s has not answered in time", serverOf(err))
	case errors.As(err, &request):
		return fmt.Sprintf("no answer from the server at %s: %v", serverOf(err), request.Err)
	}
	return err.Error()
}

func foreignMessage(server string) string {
	return fmt.Sprintf("what answers at %s is not the Lambda API: does AWS_ENDPOINT_URL or --data name the right server?", server)
}

// serverOf finds the server's host and port in an error of a request.
func serverOf(err error) string {
	var request *url.Error
	if errors.As(err, &request) {
		if u, err := url.Parse(request.URL); err == nil {
			return u.Host
		}
	}
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil && response.Response.Request != nil {
		return response.Response.Request.URL.Host
	}
	return ""
}

// markUsageErrors gives every complaint of the flag and argument parser the exit
// code for a wrong command line.
func markUsageErrors(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &codedError{exitUsage, err} })
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error { return checkArguments(cmd, args, check) }
	}
	for _, child := range cmd.Commands() {
		markUsageErrors(child)
	}
}

// checkArguments says in words what a check of the argument parser counts: the
// verb's own line names what it takes.
func checkArguments(cmd *cobra.Command, args []string, check cobra.PositionalArgs) error {
	err := check(cmd, args)
	var coded *codedError
	_, takes, _ := strings.Cut(cmd.Use, " ")
	switch {
	case err == nil && slices.Contains(args, ""):
		return usageError("%s is empty: %s", takes, cmd.UseLine())
	case err == nil || errors.As(err, &coded):
		return err
	case takes != "" && len(args) == 0:
		return usageError("%s is missing: %s", takes, cmd.UseLine())
	case takes != "" && len(args) == 1: // the number is right, what it says is not
		return usageError("%v: %s", err, cmd.UseLine())
	case takes != "":
		return usageError("one %s is taken, and here are %d: %s", takes, len(args), cmd.UseLine())
	case cmd.HasParent() && !cmd.HasSubCommands():
		return usageError("%s takes no argument, and here is %q", cmd.CommandPath(), args[0])
	}
	return &codedError{exitUsage, err}
}
