package control

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"slices"
	"strings"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/signing"
	"thaw/internal/store"
)

// maxSignerVersions bounds the keys of a signing profile.
const maxSignerVersions = 100

// signerVersion is the name of a key: ten letters and digits, as the service has.
func signerVersion(key []byte) string {
	sum := sha256.Sum256(key)
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:10])
}

// AddSigner adds a public key, in PKIX form, to a signing profile, which is made
// if it is the first. One that is there already is no error, unless it is revoked.
func (c *Control) AddSigner(ctx context.Context, name string, key []byte) (arn string, err error) {
	if _, err := signing.ParsePublicKey(key); err != nil {
		return "", lambda.Errorf(lambda.CodeInvalidParameterValue, "No signing profile is made: %v.", err)
	}
	version := signerVersion(key)
	for _, r := range c.catalog.Signers() { // a key tells whose signature it is
		if r.Signer.Name != name && slices.ContainsFunc(r.Signer.Versions, func(v lambda.SignerVersion) bool { return v.Version == version }) {
			return "", lambda.Errorf(lambda.CodeResourceConflict, "The key belongs to the signing profile %s.", r.Signer.Name)
		}
	}
	return c.scope.SignerARN(name, version), c.changeSigner(ctx, name, func(s *lambda.Signer) error {
		for _, v := range s.Versions {
			if v.Version == version && !v.RevokedAt.IsZero() {
				return lambda.Errorf(lambda.CodeResourceConflict, "The key is revoked. Please use another one.")
			}
			if v.Version == version {
				return nil
			}
		}
		if len(s.Versions) == maxSignerVersions {
			return lambda.Errorf(lambda.CodeInvalidParameterValue, "A signing profile has %d keys at most.", maxSignerVersions)
		}
		s.Versions = append(s.Versions, lambda.SignerVersion{Version: version, Key: key, AddedAt: time.Now()})
		return nil
	})
}

// RevokeSigner stops trusting the signatures of a version of a signing profile, for
// good.
func (c *Control) RevokeSigner(ctx context.Context, name, version string) error {
	return c.changeSigner(ctx, name, func(s *lambda.Signer) error {
		for i := range s.Versions {
			if v := &s.Versions[i]; v.Version == version {
				if v.RevokedAt.IsZero() {
					v.RevokedAt = time.Now()
				}
				return nil
			}
		}
		return lambda.Errorf(lambda.CodeResourceNotFound, "There is no signing profile %s with a version %s.", name, version)
	})
}

// Signers shows the signing profiles, sorted by name. They must not be changed.
func (c *Control) Signers() []lambda.Signer {
	list := []lambda.Signer{}
	for _, r := range c.catalog.Signers() {
		list = append(list, *r.Signer)
	}
	return list
}

// changeSigner replaces a signing profile by what edit makes of a copy; one that is
// not there begins as an empty one.
func (c *Control) changeSigner(ctx context.Context, name string, edit func(*lambda.Signer) error) error {
	for range maxTries {
		s := lambda.Signer{Name: name}
		record, ok := c.catalog.Signer(name)
		if ok {
			s.Versions = slices.Clone(record.Signer.Versions)
		}
		if err := edit(&s); err != nil {
			return err
		}
		_, err := c.catalog.PutSigner(ctx, &s, record.Revision)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		if !sleep(ctx, conflictPause) {
			return ctx.Err()
		}
	}
	return signingConflict()
}
