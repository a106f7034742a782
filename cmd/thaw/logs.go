package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"

	"thaw/internal/lambda"
)

// maxLogPage bounds one answer of the log endpoint, in bytes.
const maxLogPage = 32 << 20

// logWait is how long the server holds a request for events that are yet to
// come, in seconds. That the function has been deleted shows at the next request
// only, which is why it is short.
const logWait = 2

// followPause is between two requests of --follow that bring nothing.
const followPause = 100 * time.Millisecond

func newLogsCommand() *cobra.Command {
	var conn connection
	var follow, timestamps bool
	cmd := &cobra.Command{
		Use:   "logs NAME",
		Short: "Print what a function has logged",
		Long: `Print the log lines of a function that the server holds, oldest first: its own
output and the service's START, END and REPORT lines. With --follow, go on until
interrupted, or until the function is deleted.

NAME is a function's name or ARN. The server keeps the newest lines in memory,
about 512 KB of each function; after its restart they are gone.`,
		Example: `  thaw logs hello
  thaw logs hello --follow --timestamps
  thaw logs hello --json | jq -r .message`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := conn.target()
			if err != nil {
				return err
			}
			ref, ok := lambda.ParseRef(args[0])
			if !ok {
				return usageError("%q is neither the name nor the ARN of a function", args[0])
			}
			reader := logReader{target: t, function: ref.Name}
			show := showLogLine(cmd.OutOrStdout(), timestamps)
			if conn.json {
				show = json.NewEncoder(cmd.OutOrStdout()).Encode
			}
			gaps := gapTeller{w: cmd.ErrOrStderr(), next: 1}
			err = reader.read(cmd.Context(), follow, gaps.before(show))
			switch {
			case follow && cmd.Context().Err() != nil:
				return nil // interrupting is how following ends
			case errors.Is(err, errDeleted):
				fmt.Fprintf(cmd.ErrOrStderr(), "thaw: %s: %v\n", ref.Name, err)
				return nil
			}
			return err
		},
	}
	conn.addFlags(cmd)
	cmd.ValidArgsFunction = conn.completeFunctions(1)
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "wait for new lines until interrupted")
	cmd.Flags().BoolVar(&timestamps, "timestamps", false, "begin each line with its time")
	return cmd
}

// logEvent is one line of a function's log, as the server's endpoint
// /_thaw/logs/FUNCTION gives it. Seq rises by at least one from line to line.
type logEvent struct {
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	Stream  string    `json:"stream"`
	Message string    `json:"message"`
}

type logPage struct {
	Events []logEvent `json:"events"`
	Next   uint64     `json:"next"` // what to give as since next time
}

func showLogLine(w io.Writer, timestamps bool) func(any) error {
	return func(v any) error {
		event := v.(logEvent)
		line := strings.TrimSuffix(event.Message, "\n")
		if timestamps {
			line = event.Time.UTC().Format("2006-01-02T15:04:05.000Z") + "  " + line
		}
		_, err := fmt.Fprintln(w, line)
		return err
	}
}

// gapTeller tells of lines that the server no longer holds: it keeps the newest
// ones of each function only, and numbers all of them from 1 on.
type gapTeller struct {
	w    io.Writer
	next uint64 // the number of the next line
}

func (g *gapTeller) before(show func(any) error) func(any) error {
	return func(v any) error {
		event := v.(logEvent)
		if event.Seq > g.next {
			fmt.Fprintf(g.w, "thaw: %d earlier lines are no longer held\n", event.Seq-g.next)
		}
		g.next = event.Seq + 1
		return show(v)
	}
}

// errDeleted ends the following of a function that was there at first.
var errDeleted = errors.New("the function has been deleted")

type logReader struct {
	target
	function string
	since    uint64 // what was read before
}

// read shows every line there is, page by page, and with follow those to come.
func (r logReader) read(ctx context.Context, follow bool, show func(any) error) error {
	seen := false
	for since := r.since; ; {
		wait := 0
		if follow {
			wait = logWait
		}
		page, err := r.page(ctx, since, wait)
		var refused smithy.APIError
		if seen && errors.As(err, &refused) && refused.ErrorCode() == lambda.CodeResourceNotFound {
			return errDeleted
		}
		if err != nil {
			return err
		}
		seen = true
		for _, event := range page.Events {
			if err := show(event); err != nil {
				return err
			}
		}
		since = page.Next
		if len(page.Events) > 0 {
			continue
		}
		if !follow {
			return nil
		}
		// The server has waited, unless it ends; do not press it then.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(followPause):
		}
	}
}

func (r logReader) page(ctx context.Context, since uint64, wait int) (logPage, error) {
	query := url.Values{"since": {strconv.FormatUint(since, 10)}, "wait": {strconv.Itoa(wait)}}
	address := strings.TrimSuffix(r.Endpoint, "/") + "/_thaw/logs/" + url.PathEscape(r.function) + "?" + query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return logPage{}, err
	}
	if err := r.sign(ctx, request); err != nil {
		return logPage{}, err
	}
	response, err := r.httpClient().Do(request)
	if err != nil {
		return logPage{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxLogPage))
	if err != nil {
		return logPage{}, &url.Error{Op: "read", URL: address, Err: err}
	}
	if response.StatusCode != http.StatusOK {
		return logPage{}, refusal(response, body)
	}
	var page logPage
	if err := json.Unmarshal(body, &page); err != nil {
		return logPage{}, &codedError{exitUnreachable, errors.New(foreignMessage(request.URL.Host))}
	}
	return page, nil
}

// sign signs a request without a body as one to the service lambda, which is
// what the server verifies on all that it answers.
func (t target) sign(ctx context.Context, request *http.Request) error {
	key, err := t.credentials().Retrieve(ctx)
	if err != nil {
		return err
	}
	empty := sha256.Sum256(nil)
	return v4.NewSigner().SignHTTP(ctx, key, request, hex.EncodeToString(empty[:]), "lambda", t.Region, time.Now())
}

// refusal reads an error answer of the server: its code from the header, its
// text from either of the two members that hold it.
func refusal(response *http.Response, body []byte) error {
	var text struct{ Message string } // encoding/json takes message and Message
	code, _, _ := strings.Cut(response.Header.Get("X-Amzn-ErrorType"), ":")
	if json.Unmarshal(body, &text) != nil || text.Message == "" {
		text.Message = response.Status
	}
	if code == "" {
		return &codedError{exitUnreachable, errors.New(foreignMessage(response.Request.URL.Host))}
	}
	return &smithy.GenericAPIError{Code: code, Message: text.Message}
}
