package main

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"thaw/internal/lambda"
	"thaw/internal/signing"
)

const (
	defaultSignatureLife = 3 * 365 * 24 * time.Hour
	// maxSignatureLife is the service's: 135 months.
	maxSignatureLife = 135 * 31 * 24 * time.Hour
)

func newSignersCommand() *cobra.Command {
	var conn connection
	cmd := &cobra.Command{
		Use:   "signers",
		Short: "List, add and revoke those whose signatures may be trusted",
		Long: `List, add and revoke signing profiles: names for those whose signatures of code
may be trusted, with a version for each of their public keys.

A code signing configuration of the API names the profiles that a function
trusts, by their ARNs: one version, or, without it, all that are not revoked.
A package counts as signed by a profile that was there when it came.`,
		Example: `  thaw signers
  thaw signers add release --public-key release.pub
  thaw signers revoke release abcdefghij`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := conn.target()
			if err != nil {
				return err
			}
			var list []shownSigner
			if err := t.signers(cmd.Context(), http.MethodGet, nil, &list); err != nil {
				return err
			}
			if conn.json {
				return printJSON(cmd.OutOrStdout(), list)
			}
			rows := [][]string{{"PROFILE", "VERSION", "STATUS", "ARN"}}
			for _, s := range list {
				rows = append(rows, []string{s.Name, s.Version, s.Status, s.ARN})
			}
			return printTable(cmd.OutOrStdout(), rows)
		},
	}
	conn.addFlags(cmd)
	cmd.AddCommand(newSignersAddCommand(), newSignersRevokeCommand())
	return cmd
}

func newSignersAddCommand() *cobra.Command {
	var conn connection
	var file string
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a public key to a signing profile",
		Long: `Add a public key, ECDSA or Ed25519 in PEM, to a signing profile, which is made if
it is the first, and print the ARN of the new version.`,
		Example: `  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out release.key
  openssl pkey -in release.key -pubout -out release.pub
  thaw signers add release --public-key release.pub`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if file == "" {
				return usageError("--public-key has to name a file")
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			key, err := signing.PublicKey(text)
			if err != nil {
				return usageError("--public-key %s: %v", file, err)
			}
			der, err := x509.MarshalPKIXPublicKey(key)
			if err != nil {
				return err
			}
			t, err := conn.target()
			if err != nil {
				return err
			}
			var added struct {
				ARN string `json:"arn"`
			}
			query := url.Values{"name": args, "key": {base64.RawURLEncoding.EncodeToString(der)}}
			if err := t.signers(cmd.Context(), http.MethodPost, query, &added); err != nil {
				return err
			}
			if conn.json {
				return printJSON(cmd.OutOrStdout(), added)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), added.ARN)
			return err
		},
	}
	conn.addFlags(cmd)
	cmd.Flags().StringVar(&file, "public-key", "", "`file` with the public key, in PEM")
	return cmd
}

func newSignersRevokeCommand() *cobra.Command {
	var conn connection
	cmd := &cobra.Command{
		Use:   "revoke NAME VERSION",
		Short: "Stop trusting the signatures of a key",
		Long: `Stop trusting the signatures of a key, for good. What is deployed goes on; it is
new deployments that are refused, or warned of.`,
		Example: "  thaw signers revoke release abcdefghij",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := conn.target()
			if err != nil {
				return err
			}
			return t.signers(cmd.Context(), http.MethodDelete, url.Values{"name": args[:1], "version": args[1:]}, &struct{}{})
		},
	}
	conn.addFlags(cmd)
	return cmd
}

// signers calls the server's endpoint of signing profiles.
func (t target) signers(ctx context.Context, method string, query url.Values, into any) error {
	return t.own(ctx, method, signersPath+"?"+query.Encode(), into)
}

func newSignCommand() *cobra.Command {
	var key, output string
	var life time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "sign ZIP",
		Short: "Sign a package",
		Long: `Sign a package, so that functions which trust the key's signing profile take it.
The signature becomes the comment of the zip; one that is there is replaced. It
travels with the package, whether that is uploaded or fetched from S3, and
nothing else of the package changes. No server is needed.`,
		Example: `  thaw sign function.zip --key release.key
  thaw sign function.zip --key release.key --output signed.zip --valid 720h`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if key == "" {
				return usageError("--key has to name a file")
			}
			text, err := os.ReadFile(key)
			if err != nil {
				return err
			}
			private, err := signing.PrivateKey(text)
			if err != nil {
				return usageError("--key %s: %v", key, err)
			}
			zip, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			now := time.Now().UTC().Truncate(time.Second)
			statement := signing.Statement{Job: lambda.NewUUID(), SignedAt: now, ExpiresAt: now.Add(life)}
			signed, err := signing.Sign(zip, private, statement)
			if err != nil {
				return fmt.Errorf("sign %s: %w", args[0], err)
			}
			if output == "" {
				output = args[0]
			}
			if err := replaceFile(output, signed); err != nil || !asJSON {
				return err
			}
			return printJSON(cmd.OutOrStdout(), struct {
				File string `json:"file"`
				signing.Statement
			}{output, statement})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	cmd.Flags().StringVar(&key, "key", "", "`file` with the private key, PKCS #8 in PEM")
	cmd.Flags().StringVar(&output, "output", "", "`file` for the signed package (default ZIP itself)")
	durationFlag(cmd, &life, "valid", defaultSignatureLife, time.Second, maxSignatureLife, "how long the package may be deployed")
	return cmd
}

// replaceFile writes a file in one step: a reader sees all of it or what was there.
func replaceFile(path string, content []byte) error {
	if err := os.WriteFile(path+".new", content, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
