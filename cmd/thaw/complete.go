package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/spf13/cobra"
)

// completionLimit bounds what a person waits for after the Tab key.
const completionLimit = time.Second

// maxCompletions bounds what a shell is offered.
const maxCompletions = 1000

// completeFunctions offers the names of the server's functions for up to most
// arguments. A shell cannot show an error: without a server there is nothing to
// offer.
func (c *connection) completeFunctions(most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), completionLimit)
		defer cancel()
		var names []cobra.Completion
		for _, name := range c.functionNames(ctx) {
			if strings.HasPrefix(name, begun) && !slices.Contains(args, name) {
				names = append(names, name)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// functionNames asks the server, as far as it answers in time.
func (c *connection) functionNames(ctx context.Context) []string {
	t, err := c.target()
	if err != nil {
		return nil
	}
	var names []string
	pages := sdk.NewListFunctionsPaginator(t.client(), &sdk.ListFunctionsInput{})
	for pages.HasMorePages() && len(names) < maxCompletions {
		page, err := pages.NextPage(ctx)
		if err != nil {
			break
		}
		for _, function := range page.Functions {
			names = append(names, aws.ToString(function.FunctionName))
		}
	}
	return names
}

// completeFlag offers words for the value of a flag.
func completeFlag(cmd *cobra.Command, flag string, words func() []cobra.Completion) {
	completeFlagWith(cmd, flag, func(_ *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		other := func(word cobra.Completion) bool { return !strings.HasPrefix(word, begun) }
		return slices.DeleteFunc(words(), other), cobra.ShellCompDirectiveNoFileComp
	})
}

func completeFlagWith(cmd *cobra.Command, flag string, offer cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, offer); err != nil {
		panic(err) // a verb without the flag, or two completions for it: no test would pass
	}
}

func newCompletionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print the completion script of a shell",
		Long: `Print a script that makes a shell complete verbs, flags, the names of functions,
sample events and templates.`,
		Example: `  source <(thaw completion bash)
  thaw completion bash > /etc/bash_completion.d/thaw
  thaw completion zsh > "${fpath[1]}/_thaw"
  thaw completion fish > ~/.config/fish/completions/thaw.fish`,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []cobra.Completion{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			w := cmd.OutOrStdout()
			switch args[0] {
			case "zsh":
				return cmd.Root().GenZshCompletion(w)
			case "fish":
				return cmd.Root().GenFishCompletion(w, true)
			}
			return cmd.Root().GenBashCompletionV2(w, true)
		},
	}
}

func eventCompletions() []cobra.Completion {
	var words []cobra.Completion
	for _, e := range sampleEvents() {
		words = append(words, cobra.CompletionWithDesc(e.Name, e.From))
	}
	return words
}
