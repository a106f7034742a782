package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thaw/internal/lambda"
	"thaw/internal/telemetry/usage"
)

const (
	defaultUsageDays = 7
	// maxUsagePage bounds one answer of the usage endpoint, in bytes.
	maxUsagePage = 64 << 20
	usageTimeout = time.Minute
	// othersName is shown for functions that were too many to tell apart.
	othersName = "(others)"
)

func newUsageCommand() *cobra.Command {
	var conn connection
	var days int
	cmd := &cobra.Command{
		Use:   "usage [FUNCTION]",
		Short: "Show what functions have used, per day",
		Long: `Show what functions have used on the last days: invocations, those of them that
were answered with a function error, billed time, and GB-seconds, which are memory times billed time
and what the service is paid for. INIT GB-SECONDS are those of them that were
initialisation.

Days are of UTC. The sums are those of the log's REPORT lines, and outlast the
functions; a server that is killed forgets the last five seconds.`,
		Example: `  thaw usage
  thaw usage hello --days 31
  thaw usage --days 1 --json | jq '.days[].functions[] | select(.errors > 0)'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			function := ""
			if len(args) > 0 {
				ref, ok := lambda.ParseRef(args[0])
				if !ok {
					return usageError("%q is neither the name nor the ARN of a function", args[0])
				}
				function = ref.Name
			}
			t, err := conn.target()
			if err != nil {
				return err
			}
			page, err := t.usage(cmd.Context(), function, days)
			if err != nil {
				return err
			}
			return printUsage(cmd.OutOrStdout(), page.Days, conn.json)
		},
	}
	conn.addFlags(cmd)
	cmd.ValidArgsFunction = conn.completeFunctions(1)
	numberFlag(cmd, &days, "days", defaultUsageDays, 1, usage.DefaultKeep, "how many `days` to show, today included, at most 400")
	return cmd
}

// usage reads the server's endpoint.
func (t target) usage(ctx context.Context, function string, days int) (page usagePage, err error) {
	ctx, cancel := context.WithTimeout(ctx, usageTimeout)
	defer cancel()
	query := url.Values{"days": {strconv.Itoa(days)}}
	if function != "" {
		query.Set("function", function)
	}
	address := strings.TrimSuffix(t.Endpoint, "/") + usagePath + "?" + query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return page, err
	}
	if err := t.sign(ctx, request); err != nil {
		return page, err
	}
	response, err := t.httpClient().Do(request)
	if err != nil {
		return page, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxUsagePage))
	if err != nil {
		return page, &url.Error{Op: "read", URL: address, Err: err}
	}
	if response.StatusCode != http.StatusOK {
		return page, refusal(response, body)
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return page, &codedError{exitUnreachable, errors.New(foreignMessage(request.URL.Host))}
	}
	return page, nil
}

// shownUsage is one function's day with what people pay for.
type shownUsage struct {
	usage.Function
	GBSeconds     float64 `json:"gb_seconds"`
	InitGBSeconds float64 `json:"init_gb_seconds"`
}

type shownUsageDay struct {
	Date      string       `json:"date"`
	Functions []shownUsage `json:"functions"`
}

func printUsage(w io.Writer, days []usage.Day, asJSON bool) error {
	if asJSON {
		shown := []shownUsageDay{}
		for _, day := range days {
			functions := []shownUsage{}
			for _, f := range day.Functions {
				functions = append(functions, shownUsage{f, f.GBSeconds(), f.InitGBSeconds()})
			}
			shown = append(shown, shownUsageDay{day.Date, functions})
		}
		return printJSON(w, map[string]any{"days": shown})
	}
	rows := [][]string{{"DAY", "FUNCTION", "INVOCATIONS", "ERRORS", "BILLED", "GB-SECONDS", "INIT GB-SECONDS"}}
	var total usage.Totals
	for _, day := range days {
		for _, f := range day.Functions {
			name := f.Name
			if name == "" {
				name = othersName
			}
			rows = append(rows, usageRow(day.Date, name, f.Totals))
			total = total.Add(f.Totals)
		}
	}
	return printTable(w, append(rows, usageRow("total", "", total)))
}

func usageRow(day, function string, t usage.Totals) []string {
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	return []string{
		day, function, number(t.Invocations), number(t.Errors),
		fmt.Sprintf("%.3f s", float64(t.BilledMS)/1000), fmt.Sprintf("%.3f", t.GBSeconds()), fmt.Sprintf("%.3f", t.InitGBSeconds()),
	}
}
