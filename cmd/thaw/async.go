package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"thaw/internal/lambda"
)

func newAsyncCommand() *cobra.Command {
	var conn connection
	cmd := &cobra.Command{
		Use:   "async [FUNCTION]",
		Short: "Show the asynchronous events that wait",
		Long: `Show how many asynchronous events of each function are waiting to be run, are
running, and wait for their next try; and likewise the deliveries to dead-letter
queues and destinations, by target.

"thaw async purge" drops a function's events.`,
		Example: `  thaw async
  thaw async hello --json
  thaw async purge hello`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{}
			if len(args) > 0 {
				ref, ok := lambda.ParseRef(args[0])
				if !ok {
					return usageError("%q is neither the name nor the ARN of a function", args[0])
				}
				query.Set("function", ref.Name)
			}
			t, err := conn.target()
			if err != nil {
				return err
			}
			var w waitingEvents
			if err := t.own(cmd.Context(), http.MethodGet, asyncPath+"?"+query.Encode(), &w); err != nil {
				return err
			}
			if conn.json {
				return printJSON(cmd.OutOrStdout(), w)
			}
			rows := [][]string{{"KIND", "FUNCTION OR TARGET", "WAITING", "RUNNING", "DELAYED"}}
			for _, f := range w.Functions {
				rows = append(rows, f.row("events"))
			}
			for _, d := range w.Deliveries {
				rows = append(rows, d.row("deliveries"))
			}
			return printTable(cmd.OutOrStdout(), rows)
		},
	}
	conn.addFlags(cmd)
	cmd.ValidArgsFunction = conn.completeFunctions(1)
	cmd.AddCommand(newAsyncPurgeCommand())
	return cmd
}

func (c waitingCount) row(kind string) []string {
	return []string{kind, c.Name, strconv.Itoa(c.Waiting), strconv.Itoa(c.Running), strconv.Itoa(c.Delayed)}
}

func newAsyncPurgeCommand() *cobra.Command {
	var conn connection
	cmd := &cobra.Command{
		Use:   "purge FUNCTION",
		Short: "Drop the asynchronous events of a function",
		Long: `Drop the asynchronous events of a function that wait, for good and without a
word to its dead-letter queue or destination, and print how many there were. What
is running goes on, and is not tried again. The function may have been deleted.`,
		Example: "  thaw async purge hello",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, ok := lambda.ParseRef(args[0])
			if !ok {
				return usageError("%q is neither the name nor the ARN of a function", args[0])
			}
			t, err := conn.target()
			if err != nil {
				return err
			}
			var purged struct {
				Purged int `json:"purged"`
			}
			query := url.Values{"function": {ref.Name}}
			if err := t.own(cmd.Context(), http.MethodDelete, asyncPath+"?"+query.Encode(), &purged); err != nil {
				return err
			}
			if conn.json {
				return printJSON(cmd.OutOrStdout(), purged)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), purged.Purged)
			return err
		},
	}
	conn.addFlags(cmd)
	cmd.ValidArgsFunction = conn.completeFunctions(1)
	return cmd
}
