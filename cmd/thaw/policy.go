package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"thaw/internal/iam"
	"thaw/internal/iam/policy"
)

// maxPolicyFile bounds what is read of a file that may be anything, in bytes.
const maxPolicyFile = 1 << 20

// newPolicy is a policy that a user is to have.
type newPolicy struct {
	name, file string
	readOnly   bool
	fullAccess bool
}

// read is nil if none is named.
func (n *newPolicy) read(user string) (*iam.NamedPolicy, error) {
	chosen := 0
	for _, one := range []bool{n.file != "", n.readOnly, n.fullAccess} {
		if one {
			chosen++
		}
	}
	switch {
	case chosen == 0:
		return nil, nil
	case chosen > 1:
		return nil, usageError("a file, --read-only and --full-access exclude one another")
	case user == iam.Administrator:
		return nil, usageError("the user %s may do everything, whatever policies say: name another by --user", user)
	case n.readOnly:
		return n.named("read-only", iam.ReadOnly), nil
	case n.fullAccess:
		return n.named("full-access", iam.FullAccess), nil
	}
	f, err := os.Open(n.file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPolicyFile))
	if err != nil {
		return nil, err
	}
	if p, err := policy.Parse(string(text), policy.Identity); err == nil { // what cannot be read is refused when it is set
		if err := p.CheckResources(); err != nil {
			return nil, fmt.Errorf("%s: %w", n.file, err)
		}
	}
	name := filepath.Base(n.file)
	return n.named(strings.TrimSuffix(name, filepath.Ext(name)), string(text)), nil
}

// named takes the name that was chosen, or the one that the policy comes with.
func (n *newPolicy) named(name, document string) *iam.NamedPolicy {
	if n.name != "" {
		name = n.name
	}
	return &iam.NamedPolicy{Name: name, Document: document}
}

func newPolicyCommand() *cobra.Command {
	var v keysVerb
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Say what users may do",
		Long: `List, set, show and remove the policies of users: what the requests that are
signed with their access keys may do. A policy is a document in the language of
AWS IAM. A user without one may do nothing, and the user "administrator"
everything.

The policies are in keys.json of the data directory, so that these verbs run where
the server runs, as its user. A running server takes a change over within a
second. Roles and their policies are made by the API: "aws iam create-role".`,
		Example: `  sudo thaw policy ls
  sudo thaw policy put --user ci deploy.json
  sudo thaw policy put --user eye --read-only
  sudo thaw policy show --user ci deploy
  sudo thaw policy rm --user ci deploy`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&v.conn.data, "data", "", "data `directory` of the server (default $THAW_DATA or /var/lib/thaw)")
	flags.BoolVar(&v.conn.json, "json", false, "answer in JSON")
	flags.StringVar(&v.keyFile, "key-file", "", "`file` with the master key (default the running server's, or master.key in the data directory)")
	cmd.AddCommand(v.newPoliciesCommand(), v.newPutPolicyCommand(), v.newShowPolicyCommand(), v.newRemovePolicyCommand())
	return cmd
}

// users reads the users of a data directory.
func (v *keysVerb) users() ([]iam.User, error) {
	dir := v.conn.dataDir()
	box, err := v.vault(dir)
	if err != nil {
		return nil, err
	}
	ring, err := iam.Read(dir, box)
	if err != nil {
		return nil, privateError(dir, err)
	}
	return ring.Users(), nil
}

func (v *keysVerb) newPoliciesCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "ls",
		Short:   "List the policies of users",
		Example: "  sudo thaw policy ls",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			users, err := v.users()
			if err != nil {
				return err
			}
			type shown struct {
				UserName, PolicyName, PolicyDocument string
				PolicyARN                            string `json:"PolicyArn,omitempty"`
			}
			list := []shown{}
			rows := [][]string{{"USER", "POLICY", "BYTES"}}
			for _, u := range users {
				for _, p := range u.Policies {
					list = append(list, shown{UserName: u.Name, PolicyName: p.Name, PolicyDocument: p.Document})
					rows = append(rows, []string{u.Name, p.Name, strconv.Itoa(len(p.Document))})
				}
				for _, arn := range u.AttachedPolicyARNs { // by the API, which knows their documents
					list = append(list, shown{UserName: u.Name, PolicyName: arn[strings.LastIndexByte(arn, '/')+1:], PolicyARN: arn})
					rows = append(rows, []string{u.Name, arn, "attached"})
				}
			}
			if v.conn.json {
				return printJSON(cmd.OutOrStdout(), list)
			}
			return printTable(cmd.OutOrStdout(), rows)
		},
	}
}

func (v *keysVerb) newPutPolicyCommand() *cobra.Command {
	var user string
	var grant newPolicy
	cmd := &cobra.Command{
		Use:   "put --user NAME [FILE]",
		Short: "Give a user a policy",
		Long: `Give a user a policy, in place of one of the same name: that of a file, whose
name without its ending becomes the policy's, or one of two that are built in.
A document that this server cannot evaluate is refused.`,
		Example: `  sudo thaw policy put --user ci deploy.json
  sudo thaw policy put --user eye --read-only`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				grant.file = args[0]
			}
			if !userName.MatchString(user) {
				return usageError("--user %q: name a user, by up to 64 letters, digits and characters of +=,.@_-", user)
			}
			p, err := grant.read(user)
			if err != nil {
				return err
			}
			if p == nil {
				return usageError("name a file with the policy, or --read-only or --full-access")
			}
			err = v.edit(func(c *iam.Contents) error {
				c.Set(user, *p)
				return nil
			})
			if err != nil {
				return err
			}
			return v.done(cmd.OutOrStdout(), "set", user, p.Name)
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "`name` of the user")
	cmd.Flags().StringVar(&grant.name, "name", "", "`name` of the policy (default that of the file)")
	cmd.Flags().BoolVar(&grant.readOnly, "read-only", false, "a policy that lets the user read and change nothing")
	cmd.Flags().BoolVar(&grant.fullAccess, "full-access", false, "a policy that lets the user do everything")
	return cmd
}

// done tells what became of a policy.
func (v *keysVerb) done(w io.Writer, what, user, name string) error {
	if v.conn.json {
		return printJSON(w, map[string]string{"UserName": user, "PolicyName": name, "Done": what})
	}
	_, err := fmt.Fprintf(w, "%s policy %s of user %s\n", what, name, user)
	return err
}

func noSuchPolicy(user, name string) error {
	return usageError("the user %q has no policy %s: see \"thaw policy ls\"", user, name)
}

func (v *keysVerb) newShowPolicyCommand() *cobra.Command {
	var user string
	cmd := &cobra.Command{
		Use:     "show --user NAME POLICY",
		Short:   "Show a policy of a user",
		Example: "  sudo thaw policy show --user ci deploy",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			users, err := v.users()
			if err != nil {
				return err
			}
			for _, u := range users {
				for _, p := range u.Policies {
					if u.Name == user && p.Name == args[0] {
						_, err := fmt.Fprintln(cmd.OutOrStdout(), strings.TrimRight(p.Document, "\n"))
						return err
					}
				}
			}
			return noSuchPolicy(user, args[0])
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "`name` of the user")
	return cmd
}

func (v *keysVerb) newRemovePolicyCommand() *cobra.Command {
	var user string
	cmd := &cobra.Command{
		Use:     "rm --user NAME POLICY",
		Short:   "Take a policy from a user",
		Example: "  sudo thaw policy rm --user ci deploy",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := v.edit(func(c *iam.Contents) error {
				if !c.Remove(user, args[0]) {
					return noSuchPolicy(user, args[0])
				}
				return nil
			})
			if err != nil {
				return err
			}
			return v.done(cmd.OutOrStdout(), "removed", user, args[0])
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "`name` of the user")
	return cmd
}
