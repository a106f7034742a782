package main

import (
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/spf13/cobra"
)

func newListCommand() *cobra.Command {
	var conn connection
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the functions",
		Example: `  thaw ls
  thaw ls --json | jq -r '.[].function'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := conn.target()
			if err != nil {
				return err
			}
			listed := []listedFunction{}
			pages := sdk.NewListFunctionsPaginator(t.client(), &sdk.ListFunctionsInput{})
			for pages.HasMorePages() {
				page, err := pages.NextPage(cmd.Context())
				if err != nil {
					return err
				}
				for _, function := range page.Functions {
					listed = append(listed, newListedFunction(function))
				}
			}
			return printFunctions(cmd.OutOrStdout(), listed, conn.json)
		},
	}
	conn.addFlags(cmd)
	return cmd
}

type listedFunction struct {
	Function     string `json:"function"`
	ARN          string `json:"arn"`
	Runtime      string `json:"runtime"`
	Handler      string `json:"handler"`
	MemoryMB     int32  `json:"memory_mb"`
	TimeoutS     int32  `json:"timeout_seconds"`
	CodeSize     int64  `json:"code_size"`
	LastModified string `json:"last_modified"`
}

func newListedFunction(function types.FunctionConfiguration) listedFunction {
	return listedFunction{
		Function:     aws.ToString(function.FunctionName),
		ARN:          aws.ToString(function.FunctionArn),
		Runtime:      string(function.Runtime),
		Handler:      aws.ToString(function.Handler),
		MemoryMB:     aws.ToInt32(function.MemorySize),
		TimeoutS:     aws.ToInt32(function.Timeout),
		CodeSize:     function.CodeSize,
		LastModified: aws.ToString(function.LastModified),
	}
}

func printFunctions(w io.Writer, functions []listedFunction, asJSON bool) error {
	if asJSON {
		return printJSON(w, functions)
	}
	rows := [][]string{{"FUNCTION", "RUNTIME", "HANDLER", "MEMORY", "TIMEOUT", "CODE", "LAST MODIFIED"}}
	for _, f := range functions {
		rows = append(rows, []string{
			f.Function, f.Runtime, f.Handler,
			fmt.Sprintf("%d MB", f.MemoryMB), fmt.Sprintf("%d s", f.TimeoutS), fmt.Sprintf("%d B", f.CodeSize),
			f.LastModified,
		})
	}
	return printTable(w, rows)
}
