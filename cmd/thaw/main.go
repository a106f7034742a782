// Command thaw is the whole product in one program: the server (serve) and the
// command line of the people who use it.
//
// The verbs but serve and doctor are ordinary clients of the server's Lambda
// API. They find it by the data directory, where a running server keeps its
// address (server.json) and its access keys (keys.json), or by the same
// environment variables that the AWS tools read.
//
// Answers go to standard output, and with --json they are JSON; progress, logs
// and errors go to standard error. The exit codes are those of exit.go.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	root := newRootCommand()
	err := root.ExecuteContext(ctx)
	interrupted := ctx.Err() != nil
	stop()
	os.Exit(report(root.ErrOrStderr(), err, interrupted))
}

// newRootCommand makes the tree of verbs.
func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "thaw",
		Short: "Run AWS Lambda functions on your own Linux machines",
		Long: `Thaw runs AWS Lambda functions, unmodified, on your own Linux machines.

"thaw serve" is the server. The other verbs are its clients, and so is every
tool that speaks to AWS Lambda: eval "$(thaw env)" points them here.`,
		Example: `  sudo thaw serve &
  sudo thaw deploy ./hello
  sudo thaw invoke hello --payload '{"name":"world"}' --tail

  eval "$(sudo thaw env)"
  aws lambda list-functions`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.DisableDefaultCmd = true // there is one with this program's examples
	root.AddCommand(
		newServeCommand(),
		newEnvCommand(),
		newInitCommand(),
		newDeployCommand(),
		newDevCommand(),
		newInvokeCommand(),
		newAsyncCommand(),
		newLogsCommand(),
		newUsageCommand(),
		newMetricsCommand(),
		newListCommand(),
		newRemoveCommand(),
		newLayersCommand(),
		newQueuesCommand(),
		newSignersCommand(),
		newSignCommand(),
		newRuntimesCommand(),
		newKeysCommand(),
		newPolicyCommand(),
		newBackupCommand(),
		newRestoreCommand(),
		newDoctorCommand(),
		newCompletionCommand(),
		newManCommand(),
		newVersionCommand(),
		newExitCodesTopic(),
	)
	markUsageErrors(root)
	return root
}
