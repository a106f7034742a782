package main

import (
	"fmt"

	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/spf13/cobra"
)

func newRemoveCommand() *cobra.Command {
	var conn connection
	cmd := &cobra.Command{
		Use:     "rm NAME...",
		Aliases: []string{"remove"},
		Short:   "Delete functions",
		Long: `Delete functions, with all their versions. Each is tried, also after one that
could not be deleted.`,
		Example: `  thaw rm hello
  thaw rm hello greeter --json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			t, err := conn.target()
			if err != nil {
				return err
			}
			removals := make([]removal, 0, len(names))
			client := t.client()
			var failure error
			for _, name := range names {
				_, err := client.DeleteFunction(cmd.Context(), &sdk.DeleteFunctionInput{FunctionName: &name})
				removals = append(removals, newRemoval(name, err))
				if err != nil {
					failure = err
				}
				if err != nil && exitCode(err) != exitRefused {
					break // the server is gone, or we are to stop
				}
			}
			return finishRemovals(cmd, removals, failure, conn.json)
		},
	}
	conn.addFlags(cmd)
	cmd.ValidArgsFunction = conn.completeFunctions(maxCompletions)
	return cmd
}

type removal struct {
	Function string `json:"function"`
	Removed  bool   `json:"removed"`
	Error    string `json:"error,omitempty"`
}

func newRemoval(name string, err error) removal {
	r := removal{Function: name, Removed: err == nil}
	if err != nil {
		r.Error = message(err)
	}
	return r
}

// finishRemovals answers with what became of each. The last failure is the
// verb's; those before it are told here.
func finishRemovals(cmd *cobra.Command, removals []removal, failure error, asJSON bool) error {
	if asJSON {
		if err := printJSON(cmd.OutOrStdout(), removals); err != nil {
			return err
		}
		return failure
	}
	for _, r := range removals {
		if r.Removed {
			fmt.Fprintf(cmd.OutOrStdout(), "deleted %s\n", r.Function)
		} else {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", r.Function, r.Error)
		}
	}
	if failure != nil {
		return &codedError{exitCode(failure), fmt.Errorf("not all functions were deleted")}
	}
	return nil
}
