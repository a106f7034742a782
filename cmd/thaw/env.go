package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func newEnvCommand() *cobra.Command {
	var conn connection
	var unset bool
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print the environment variables that point the AWS tools at this server",
		Long: `Print the environment variables by which the AWS CLI, the AWS SDKs and the tools
built on them speak to this server, as lines for a POSIX shell. They hold the
server's secret key, which is why only the server's user can read it.

Variables that would lead a tool elsewhere, left from work with the real service,
are unset, and where a proxy is set the server's address is excepted from it.
"thaw env --unset" prints the lines that undo it.`,
		Example: `  eval "$(thaw env)"
  aws lambda list-functions

  eval "$(thaw env --unset)"
  thaw env --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if unset {
				return printUnset(cmd.OutOrStdout(), conn.json)
			}
			t, err := directoryTarget(conn.dataDir())
			if err != nil {
				return err
			}
			return printEnv(cmd.OutOrStdout(), t, conn.json)
		},
	}
	conn.addFlags(cmd)
	cmd.Flags().BoolVar(&unset, "unset", false, "print the lines that remove the variables again")
	return cmd
}

type variable struct{ Name, Value string }

func variables(t target) []variable {
	return []variable{
		{"AWS_ENDPOINT_URL", t.Endpoint},
		{"AWS_ACCESS_KEY_ID", t.AccessKey},
		{"AWS_SECRET_ACCESS_KEY", t.SecretKey},
		{"AWS_REGION", t.Region},
		{"AWS_DEFAULT_REGION", t.Region},
	}
}

// proxyExceptions keep requests to a server on this machine from a proxy, where
// one is set. Tools read the variables in either case, so both are given; what
// they hold already is kept.
func proxyExceptions(t target) []variable {
	u, err := url.Parse(t.Endpoint)
	if err != nil || !slices.ContainsFunc(proxyVariables(), func(name string) bool { return os.Getenv(name) != "" }) {
		return nil
	}
	var exceptions []variable
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		hosts := os.Getenv(name)
		if !slices.Contains(strings.Split(hosts, ","), u.Hostname()) {
			hosts = strings.TrimPrefix(hosts+","+u.Hostname(), ",")
		}
		exceptions = append(exceptions, variable{name, hosts})
	}
	return exceptions
}

func proxyVariables() []string {
	return []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"}
}

// strayVariables are those that would win over the ones above or spoil them: a
// session's token does not belong to the key, an endpoint of one service or the
// order to ignore endpoints sends requests elsewhere, and a profile may name a
// key, a region or an endpoint of its own.
var strayVariables = []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL_CLOUDWATCH", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "AWS_ENDPOINT_URL_SQS", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"}

func printEnv(w io.Writer, t target, asJSON bool) error {
	vars := append(variables(t), proxyExceptions(t)...)
	if asJSON {
		object := make(map[string]string, len(vars))
		for _, v := range vars {
			object[v.Name] = v.Value
		}
		return printJSON(w, object)
	}
	for _, v := range vars {
		fmt.Fprintf(w, "export %s=%s\n", v.Name, shellQuote(v.Value))
	}
	fmt.Fprintf(w, "unset %s\n", strings.Join(strayVariables, " "))
	_, err := fmt.Fprintln(w, `# to use them: eval "$(thaw env)"   to undo it: eval "$(thaw env --unset)"`)
	return err
}

func printUnset(w io.Writer, asJSON bool) error {
	var names []string
	for _, v := range variables(target{}) {
		names = append(names, v.Name)
	}
	if asJSON {
		return json.NewEncoder(w).Encode(names)
	}
	_, err := fmt.Fprintf(w, "unset %s\n", strings.Join(names, " "))
	return err
}

// shellQuote makes a word of a POSIX shell that means exactly s.
func shellQuote(s string) string {
	harmless := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@+=,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !harmless(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
