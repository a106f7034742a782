package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/spf13/cobra"

	"thaw/internal/lambda"
)

// invoker is the flags of invoke.
type invoker struct {
	conn       connection
	payload    string
	event      string
	qualifier  string
	tail       bool
	async      bool
	listEvents bool
	printEvent bool
}

func newInvokeCommand() *cobra.Command {
	var i invoker
	cmd := &cobra.Command{
		Use:   "invoke NAME",
		Short: "Invoke a function and print its answer",
		Long: `Invoke a function and wait for its answer, which goes to standard output byte for
byte, with a newline behind it if it has none. With --tail the last 4 KB of the
invocation's log go to standard error.

With --async nobody waits: the event is kept, run later, and run again if the
function fails; its request ID is printed. "thaw async" shows what waits.

--event sends a sample of what a service sends to functions; --list-events names
the samples, and --event with --print shows one instead of sending it.

NAME is a function's name or ARN. The exit code is 1 if the function answered
with an error.`,
		Example: `  thaw invoke hello
  thaw invoke hello --payload '{"name":"world"}' --tail
  thaw invoke hello --payload @event.json
  generate-event | thaw invoke hello --payload - --json
  thaw invoke hello --async

  thaw invoke --list-events
  thaw invoke worker --event sqs
  thaw invoke --event s3 --print > event.json`,
		Args: i.checkArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case i.listEvents:
				return printEvents(cmd.OutOrStdout(), i.conn.json)
			case i.printEvent:
				event, err := readEvent(i.event)
				if err != nil {
					return err
				}
				_, err = cmd.OutOrStdout().Write(event)
				return err
			}
			return i.run(cmd, args[0])
		},
		ValidArgsFunction: i.conn.completeFunctions(1),
	}
	i.conn.addFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&i.payload, "payload", "", "the event: `JSON`, @file, or - for standard input")
	f.StringVar(&i.event, "event", "", "send the `sample` of a service's event")
	f.BoolVar(&i.listEvents, "list-events", false, "list the samples and end")
	f.BoolVar(&i.printEvent, "print", false, "show the sample instead of sending it")
	f.StringVar(&i.qualifier, "qualifier", "", "a version or an alias")
	f.BoolVar(&i.async, "async", false, "leave the event to the server and do not wait")
	f.BoolVar(&i.tail, "tail", false, "print the end of the invocation's log to standard error")
	completeFlag(cmd, "event", eventCompletions)
	return cmd
}

// checkArgs wants a function's name where one is invoked.
func (i *invoker) checkArgs(cmd *cobra.Command, args []string) error {
	switch {
	case i.event != "" && i.payload != "":
		return usageError("--payload and --event both name what to send")
	case i.async && i.tail:
		return usageError("--tail waits for an invocation's log, and --async for nothing")
	case i.printEvent && i.event == "":
		return usageError("--print shows a sample: name it with --event")
	case i.listEvents || i.printEvent:
		return cobra.ExactArgs(0)(cmd, args)
	}
	return cobra.ExactArgs(1)(cmd, args)
}

func (i *invoker) run(cmd *cobra.Command, function string) error {
	event, err := i.read(cmd.InOrStdin())
	if err != nil {
		return err
	}
	t, err := i.conn.target()
	if err != nil {
		return err
	}
	input := &sdk.InvokeInput{FunctionName: &function, Payload: event}
	if i.qualifier != "" {
		input.Qualifier = &i.qualifier
	}
	switch {
	case i.async:
		input.InvocationType = types.InvocationTypeEvent
	case i.tail || i.conn.json:
		input.LogType = types.LogTypeTail
	}
	output, err := t.client().Invoke(cmd.Context(), input)
	if err != nil {
		return err
	}
	if i.async {
		return printEvent(cmd, output, i.conn.json)
	}
	if err := printInvocation(cmd, output, i.conn.json); err != nil {
		return err
	}
	if output.FunctionError != nil {
		return errReported
	}
	return nil
}

// read gives the event to send.
func (i *invoker) read(stdin io.Reader) ([]byte, error) {
	if i.event != "" {
		return readEvent(i.event)
	}
	return readPayload(i.payload, stdin)
}

// readPayload resolves the three forms of --payload. One byte more than the
// service takes is read, so that it is the server that refuses, with its text.
func readPayload(payload string, stdin io.Reader) ([]byte, error) {
	from := io.Reader(strings.NewReader(payload))
	if payload == "-" {
		from = stdin
	} else if name, ok := strings.CutPrefix(payload, "@"); ok {
		file, err := os.Open(name)
		if err != nil {
			return nil, usageError("read the payload: %w", err)
		}
		defer file.Close()
		from = file
	}
	event, err := io.ReadAll(io.LimitReader(from, lambda.MaxRequestPayload+1))
	if err != nil {
		return nil, fmt.Errorf("read the payload: %w", err)
	}
	return event, nil
}

// printEvent tells under which ID an event was taken.
func printEvent(cmd *cobra.Command, output *sdk.InvokeOutput, asJSON bool) error {
	id, _ := middleware.GetRequestIDMetadata(output.ResultMetadata)
	if asJSON {
		return printJSON(cmd.OutOrStdout(), map[string]string{"request_id": id})
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), id)
	return err
}

// invocation is what invoke --json answers.
type invocation struct {
	RequestID       string          `json:"request_id"`
	ExecutedVersion string          `json:"executed_version"`
	FunctionError   string          `json:"function_error,omitempty"`
	Payload         json.RawMessage `json:"payload"`
	LogTail         string          `json:"log_tail"`
}

func printInvocation(cmd *cobra.Command, output *sdk.InvokeOutput, asJSON bool) error {
	log, err := base64.StdEncoding.DecodeString(aws.ToString(output.LogResult))
	if err != nil {
		return fmt.Errorf("read the log's tail: %w", err)
	}
	if asJSON {
		requestID, _ := middleware.GetRequestIDMetadata(output.ResultMetadata)
		return printJSON(cmd.OutOrStdout(), invocation{
			RequestID:       requestID,
			ExecutedVersion: aws.ToString(output.ExecutedVersion),
			FunctionError:   aws.ToString(output.FunctionError),
			Payload:         asJSONValue(output.Payload),
			LogTail:         string(log),
		})
	}
	answer := output.Payload
	if !bytes.HasSuffix(answer, []byte("\n")) {
		answer = append(answer, '\n')
	}
	if _, err := cmd.OutOrStdout().Write(answer); err != nil {
		return err
	}
	if _, err := cmd.ErrOrStderr().Write(log); err != nil {
		return err
	}
	if output.FunctionError != nil && len(log) > 0 && !hasOutput(log) {
		fmt.Fprintf(cmd.ErrOrStderr(), "thaw: the cause is not in this invocation's log; it may be in the whole: thaw logs %s\n", cmd.Flags().Arg(0))
	}
	return nil
}

// hasOutput tells whether a log's tail has lines beside those that the service
// itself writes around an invocation. Of an environment whose init phase failed
// earlier it has none.
func hasOutput(log []byte) bool {
	for line := range bytes.Lines(log) {
		word, _, _ := bytes.Cut(line, []byte(" "))
		if !slices.Contains([]string{"START", "END", "REPORT", "INIT_REPORT"}, string(word)) && len(bytes.TrimSpace(line)) > 0 {
			return true
		}
	}
	return false
}

// asJSONValue embeds a payload: as it is when it is JSON, otherwise as a string.
// A custom runtime may answer with anything.
func asJSONValue(payload []byte) json.RawMessage {
	if json.Valid(payload) {
		return payload
	}
	text, err := json.Marshal(string(payload))
	if err != nil { // a string always marshals
		return nil
	}
	return text
}
