package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thaw/internal/iam"
	"thaw/internal/vault"
)

const (
	maxSession = 36 * time.Hour
	// keepExpired is how long an expired key stays in the list, for its requests to
	// be told that it has expired.
	keepExpired = 24 * time.Hour
)

// userName is the service's form of the names of users.
var userName = regexp.MustCompile(`^[A-Za-z0-9+=,.@_-]{1,64}$`)

// keysVerb is the flags that all verbs below "keys" share.
type keysVerb struct {
	conn    connection
	keyFile string
}

func newKeysCommand() *cobra.Command {
	var v keysVerb
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "List, add, disable and remove access keys",
		Long: `List, add, disable and remove the access keys that sign requests to the server.

The keys are in keys.json of the data directory, their secrets sealed with the
server's key file, so that these verbs run where the server runs, as its user.
A running server takes a change over within a second. The keys of the user
"administrator" may do everything, and one of them that is permanent and not
disabled must remain; those of other users may do what the user's policies say
(see "thaw policy"), and nothing without.`,
		Example: `  sudo thaw keys ls
  sudo thaw keys add --user ci --policy deploy.json
  sudo thaw keys add --user ci --session 1h --json
  sudo thaw keys disable AKIAIOSFODNN7EXAMPLE
  sudo thaw keys rm AKIAIOSFODNN7EXAMPLE`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&v.conn.data, "data", "", "data `directory` of the server (default $THAW_DATA or /var/lib/thaw)")
	flags.BoolVar(&v.conn.json, "json", false, "answer in JSON")
	flags.StringVar(&v.keyFile, "key-file", "", "`file` with the master key (default the running server's, or master.key in the data directory)")
	cmd.AddCommand(v.newListCommand(), v.newAddCommand(),
		v.newEditCommand("rm", "Remove access keys", "removed", func(keys []iam.Key, i int) []iam.Key { return slices.Delete(keys, i, i+1) }),
		v.newEditCommand("disable", "Refuse requests signed with these keys", "disabled", func(keys []iam.Key, i int) []iam.Key {
			keys[i].Disabled = true
			return keys
		}),
		v.newEditCommand("enable", "Take requests signed with these keys again", "enabled", func(keys []iam.Key, i int) []iam.Key {
			keys[i].Disabled = false
			return keys
		}))
	return cmd
}

// shownKey is a key as the verbs show it: without its secret.
type shownKey struct {
	ID        string    `json:"AccessKeyId"`
	User      string    `json:"UserName"`
	Status    string    `json:"Status"`
	CreatedAt time.Time `json:"CreateDate"`
	ExpiresAt time.Time `json:"Expiration,omitzero"`
}

func showKey(k *iam.Key, now time.Time) shownKey {
	s := shownKey{ID: k.ID, User: k.User, Status: "Active", CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt}
	switch {
	case k.Disabled:
		s.Status = "Inactive"
	case !k.Usable(now):
		s.Status = "Expired"
	}
	return s
}

func (v *keysVerb) newListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "ls",
		Short:   "List the access keys",
		Example: "  sudo thaw keys ls",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir := v.conn.dataDir()
			box, err := v.vault(dir)
			if err != nil {
				return err
			}
			ring, err := iam.Read(dir, box)
			if err != nil {
				return privateError(dir, err)
			}
			return printKeys(cmd.OutOrStdout(), ring.Keys(), v.conn.json)
		},
	}
}

func printKeys(w io.Writer, keys []iam.Key, asJSON bool) error {
	now := time.Now()
	shown := make([]shownKey, len(keys))
	rows := [][]string{{"ACCESS KEY ID", "USER", "STATUS", "CREATED", "EXPIRES"}}
	for i := range keys {
		s := showKey(&keys[i], now)
		shown[i] = s
		expires := "never"
		if !s.ExpiresAt.IsZero() {
			expires = s.ExpiresAt.Format(time.RFC3339)
		}
		rows = append(rows, []string{s.ID, s.User, s.Status, s.CreatedAt.Format(time.RFC3339), expires})
	}
	if asJSON {
		return printJSON(w, shown)
	}
	return printTable(w, rows)
}

func (v *keysVerb) newAddCommand() *cobra.Command {
	var user string
	var session time.Duration
	var grant newPolicy
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Make a new access key and show its secret, once",
		Long: `Make a new access key and show its secret: this is the only time that it is
shown. With --session the key is temporary: it comes with a session token, which
is kept nowhere, and expires. The JSON is what the AWS tools expect of a
credential_process.

The key speaks for its user: what it may do is what the user's policies say,
whichever of his keys signs. --policy and --read-only give the user a policy, as
"thaw policy put" does.`,
		Example: `  sudo thaw keys add --user ci --policy deploy.json
  sudo thaw keys add --user eye --read-only
  sudo thaw keys add --user ci --session 1h --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !userName.MatchString(user) {
				return usageError("--user %q: a name has up to 64 letters, digits and characters of +=,.@_-", user)
			}
			if strings.EqualFold(user, iam.Administrator) && user != iam.Administrator {
				return usageError("--user %q: names differ in more than their case, and there is the user %s", user, iam.Administrator)
			}
			granted, err := grant.read(user)
			if err != nil {
				return err
			}
			key, token := iam.NewKey(user), ""
			if session > 0 {
				key, token = iam.NewSession(user, session)
			}
			may := user == iam.Administrator
			err = v.edit(func(c *iam.Contents) error {
				expired := time.Now().Add(-keepExpired)
				c.Keys = append(slices.DeleteFunc(c.Keys, func(k iam.Key) bool { return k.Temporary() && k.ExpiresAt.Before(expired) }), key)
				if granted != nil {
					c.Set(user, *granted)
				}
				may = may || slices.ContainsFunc(c.Users, func(u iam.User) bool { return u.Name == user && len(u.Policies)+len(u.AttachedPolicyARNs) > 0 })
				return nil
			})
			if err != nil {
				return err
			}
			if !may && !v.conn.json {
				fmt.Fprintf(cmd.ErrOrStderr(), "the user %s may do nothing yet: give him a policy by \"thaw policy put\"\n", user)
			}
			return printNewKey(cmd.OutOrStdout(), key, token, v.conn.json)
		},
	}
	cmd.Flags().StringVar(&user, "user", iam.Administrator, "`name` of the user that the key speaks for")
	durationFlag(cmd, &session, "session", 0, time.Second, maxSession, "make a temporary key that expires after this time")
	cmd.Flags().StringVar(&grant.file, "policy", "", "give the user the policy in this `file`")
	cmd.Flags().BoolVar(&grant.readOnly, "read-only", false, "give the user a policy that lets him read and change nothing")
	return cmd
}

// newCredentials is the answer of a credential_process.
type newCredentials struct {
	Version      int
	AccessKeyID  string    `json:"AccessKeyId"`
	Secret       string    `json:"SecretAccessKey"`
	SessionToken string    `json:",omitempty"`
	Expiration   time.Time `json:",omitzero"`
}

func printNewKey(w io.Writer, key iam.Key, token string, asJSON bool) error {
	if asJSON {
		return printJSON(w, newCredentials{Version: 1, AccessKeyID: key.ID, Secret: key.Secret, SessionToken: token, Expiration: key.ExpiresAt})
	}
	fmt.Fprintf(w, "export AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\n", key.ID, shellQuote(key.Secret))
	if token == "" {
		_, err := fmt.Fprintln(w, "unset AWS_SESSION_TOKEN")
		return err
	}
	_, err := fmt.Fprintf(w, "export AWS_SESSION_TOKEN=%s\n# expires %s\n", shellQuote(token), key.ExpiresAt.Format(time.RFC3339))
	return err
}

// newEditCommand makes a verb that does something to each key that is named.
func (v *keysVerb) newEditCommand(name, short, done string, edit func(keys []iam.Key, i int) []iam.Key) *cobra.Command {
	return &cobra.Command{
		Use:     name + " ID...",
		Short:   short,
		Example: "  sudo thaw keys " + name + " AKIAIOSFODNN7EXAMPLE",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			err := v.change(func(keys []iam.Key) ([]iam.Key, error) {
				for _, id := range ids {
					i := slices.IndexFunc(keys, func(k iam.Key) bool { return k.ID == id })
					if i < 0 {
						return nil, usageError("there is no access key %s: see \"thaw keys ls\"", id)
					}
					keys = edit(keys, i)
				}
				return keys, nil
			})
			if err != nil {
				return err
			}
			if v.conn.json {
				return printJSON(cmd.OutOrStdout(), map[string][]string{done: ids})
			}
			for _, id := range ids {
				fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", done, id)
			}
			return nil
		},
	}
}

// change edits the keys of a data directory that has been used before.
func (v *keysVerb) change(edit func([]iam.Key) ([]iam.Key, error)) error {
	return v.edit(func(c *iam.Contents) (err error) {
		c.Keys, err = edit(c.Keys)
		return err
	})
}

// edit edits the keys and users.
func (v *keysVerb) edit(edit func(*iam.Contents) error) error {
	dir := v.conn.dataDir()
	box, err := v.vault(dir)
	if err != nil {
		return err
	}
	return privateError(dir, iam.Edit(dir, box, edit))
}

// vault reads the key file: the one that is named, or that of the server that
// runs, or the one in the data directory.
func (v *keysVerb) vault(dir string) (*vault.Vault, error) {
	path := v.keyFile
	if path == "" {
		server, err := readServerFile(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, privateError(dir, err)
		}
		path = server.keyFile(dir)
	}
	box, err := vault.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no key file %s: start a server with this data directory first, or name its file by --key-file", path)
	}
	return box, privateError(dir, err)
}

// keyFile is where the server has its master key.
func (f serverFile) keyFile(dataDir string) string {
	if f.KeyFile != "" {
		return f.KeyFile
	}
	return filepath.Join(dataDir, vault.FileName)
}

// openVault opens the server's key file, which the first start makes. A lost one
// is not made anew: what is sealed could never be read again.
func openVault(dataDir, path string) (*vault.Vault, error) {
	v, err := vault.Read(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return v, err
	}
	sealed, err := iam.Sealed(dataDir)
	if err != nil {
		return nil, err
	}
	if sealed {
		return nil, fmt.Errorf("the key file %s is missing, and what %s holds cannot be read without it: put it back, or name it by --key-file", path, dataDir)
	}
	if err := vault.Create(path); err != nil {
		return nil, err
	}
	return vault.Read(path)
}
