package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"

	"thaw/internal/lambda"
)

const (
	// followPause is between two looks of --follow: what is printed is shown about
	// that much later.
	followPause = 100 * time.Millisecond
	// followOverlap is how far each look goes back behind the newest line: lines of
	// several environments do not come in quite in the order of their times.
	followOverlap = 500 * time.Millisecond
	// followDelay is how late a line may come, by the time that it has. With a filter
	// nothing else tells what need not be searched again.
	followDelay = time.Minute
	// followCheck is how often it is asked whether the function is still there.
	followCheck = 2 * time.Second
)

func newLogsCommand() *cobra.Command {
	var conn connection
	var follow, timestamps bool
	var since time.Duration
	var filter string
	cmd := &cobra.Command{
		Use:   "logs NAME",
		Short: "Print what a function has logged",
		Long: `Print the log lines of a function that the server holds, oldest first: its own
output and the service's START, END and REPORT lines. With --follow, go on until
interrupted, or until the function is deleted.

NAME is a function's name or ARN. The server keeps the log on disk, see --log-disk
of "thaw serve". It is the log group of CloudWatch Logs that the function writes
to, and other clients of that service read it too.`,
		Example: `  thaw logs hello
  thaw logs hello --follow --timestamps
  thaw logs hello --since 10m --filter '?ERROR ?WARN'
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
			reader := newLogReader(t, ref.Name)
			reader.filter = filter
			if since > 0 {
				reader.from = time.Now().Add(-since)
			}
			show := showLogLine(cmd.OutOrStdout(), timestamps)
			if conn.json {
				show = jsonLogLine(cmd.OutOrStdout())
			}
			err = reader.read(cmd.Context(), follow, show)
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
	durationFlag(cmd, &since, "since", 0, 0, 100*365*24*time.Hour, "how far back to begin; 0 is at the first line held")
	cmd.Flags().StringVar(&filter, "filter", "", "`pattern` of CloudWatch Logs that lines must match")
	return cmd
}

// logEvent is one line of a function's log.
type logEvent struct {
	ID      string    `json:"id"`
	Time    time.Time `json:"time"`
	Stream  string    `json:"stream"`
	Message string    `json:"message"`
}

func showLogLine(w io.Writer, timestamps bool) func(logEvent) error {
	return func(event logEvent) error {
		line := strings.TrimSuffix(event.Message, "\n")
		if timestamps {
			line = event.Time.UTC().Format("2006-01-02T15:04:05.000Z") + "  " + line
		}
		_, err := fmt.Fprintln(w, line)
		return err
	}
}

func jsonLogLine(w io.Writer) func(logEvent) error {
	encoder := json.NewEncoder(w)
	return func(event logEvent) error { return encoder.Encode(event) }
}

// errDeleted ends the following of a function that was there at first.
var errDeleted = errors.New("the function has been deleted")

// logReader reads the log of a function on and on: each line once.
type logReader struct {
	functions *sdk.Client
	logs      *cloudwatchlogs.Client
	function  string
	filter    string
	group     string    // empty until it is known
	from      time.Time // nothing earlier is shown
	newest    time.Time // of the lines that were read
	looked    time.Time // when the server last had nothing more, by its own clock
	// seen is the lines read that are not older than followOverlap, and some older
	// ones, until there are enough to forget.
	seen   map[string]time.Time
	enough int
}

func newLogReader(t target, function string) *logReader {
	return &logReader{functions: t.client(), logs: t.logClient(), function: function, seen: map[string]time.Time{}, enough: minSeen}
}

// logClient makes the client of the CloudWatch Logs API.
func (t target) logClient() *cloudwatchlogs.Client {
	return cloudwatchlogs.New(cloudwatchlogs.Options{
		Region:       t.Region,
		BaseEndpoint: aws.String(t.Endpoint),
		Credentials:  t.credentials(),
		Retryer:      aws.NopRetryer{},
		HTTPClient:   t.httpClient(),
		AppID:        "thaw",
	})
}

func notFound(err error) bool {
	var refused smithy.APIError
	return errors.As(err, &refused) && refused.ErrorCode() == lambda.CodeResourceNotFound
}

// find asks for the log group of the function.
func (r *logReader) find(ctx context.Context) error {
	config, err := r.functions.GetFunctionConfiguration(ctx, &sdk.GetFunctionConfigurationInput{FunctionName: &r.function})
	if err != nil {
		return err
	}
	r.group = defaultLogGroup(r.function)
	if config.LoggingConfig != nil && config.LoggingConfig.LogGroup != nil {
		r.group = *config.LoggingConfig.LogGroup
	}
	return nil
}

func defaultLogGroup(function string) string { return "/aws/lambda/" + function }

// read shows every line there is, and with follow those to come.
func (r *logReader) read(ctx context.Context, follow bool, show func(logEvent) error) error {
	if err := r.find(ctx); err != nil {
		return err
	}
	for checked := time.Now(); ; {
		if err := r.look(ctx, show); err != nil || !follow {
			return err
		}
		if time.Since(checked) > followCheck {
			switch err := r.find(ctx); {
			case notFound(err):
				return errors.Join(r.look(ctx, show), errDeleted)
			case err != nil:
				return err
			}
			checked = time.Now()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(followPause):
		}
	}
}

// look shows what has come since the last time. The group is there from the first
// line on.
func (r *logReader) look(ctx context.Context, show func(logEvent) error) error {
	in := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &r.group}
	if r.filter != "" {
		in.FilterPattern = &r.filter
	}
	start := latest(r.from, r.newest.Add(-followOverlap), r.looked.Add(-followDelay))
	if start.After(time.UnixMilli(0)) {
		in.StartTime = aws.Int64(start.UnixMilli())
	}
	var asked time.Time
	for pages := cloudwatchlogs.NewFilterLogEventsPaginator(r.logs, in); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if notFound(err) {
			return nil
		} else if err != nil {
			return err
		}
		if at, ok := middleware.GetServerTime(page.ResultMetadata); ok && asked.IsZero() {
			asked = at // of the first page: what comes behind its back is there the next time
		}
		for i := range page.Events {
			e := &page.Events[i]
			if !r.first(aws.ToString(e.EventId), time.UnixMilli(aws.ToInt64(e.Timestamp))) {
				continue
			}
			at := time.UnixMilli(aws.ToInt64(e.Timestamp)).UTC()
			if err := show(logEvent{aws.ToString(e.EventId), at, aws.ToString(e.LogStreamName), aws.ToString(e.Message)}); err != nil {
				return err
			}
		}
	}
	r.looked = latest(r.looked, asked)
	return nil
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// first notes a line and tells whether it is new.
func (r *logReader) first(id string, at time.Time) bool {
	if _, known := r.seen[id]; known {
		return false
	}
	r.seen[id] = at
	if at.After(r.newest) {
		r.newest = at
	}
	if len(r.seen) > r.enough {
		r.forget()
		r.enough = max(minSeen, 2*len(r.seen))
	}
	return true
}

// minSeen is how many lines are remembered before the old ones are forgotten.
const minSeen = 4096

func (r *logReader) forget() {
	oldest := r.newest.Add(-followOverlap)
	for id, at := range r.seen {
		if at.Before(oldest) {
			delete(r.seen, id)
		}
	}
}

// skip passes over all that is there now.
func (r *logReader) skip(ctx context.Context) error {
	if err := r.find(ctx); notFound(err) {
		r.group = defaultLogGroup(r.function) // its log may have outlived it
	} else if err != nil {
		return err
	}
	last, err := r.logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{
		LogGroupName: &r.group, StartFromHead: aws.Bool(false), Limit: aws.Int32(1),
	})
	if notFound(err) || err == nil && len(last.Events) == 0 {
		return nil
	} else if err != nil {
		return err
	}
	r.from = time.UnixMilli(aws.ToInt64(last.Events[0].Timestamp))
	return r.look(ctx, func(logEvent) error { return nil })
}
