package control

import (
	"errors"
	"io"
	"log/slog"
	"slices"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/signing"
	"thaw/internal/telemetry"
)

// signature is what a package's signature is worth: whose it is, among the signing
// profiles that are known now.
func (c *Control) signature(r io.ReaderAt, size int64) (lambda.Signed, error) {
	s, err := signing.Read(r, size)
	if errors.Is(err, signing.ErrBroken) {
		return lambda.Signed{Broken: true}, nil
	}
	if err != nil || s == nil {
		return lambda.Signed{}, err
	}
	for _, r := range c.catalog.Signers() {
		for _, v := range r.Signer.Versions {
			key, err := signing.ParsePublicKey(v.Key)
			if err != nil {
				return lambda.Signed{}, err
			}
			id, err := signing.KeyID(key)
			if err != nil {
				return lambda.Signed{}, err
			}
			if id != s.KeyID {
				continue
			}
			statement, err := s.Verify(key)
			return lambda.Signed{Signer: r.Signer.Name, Version: v.Version, Job: statement.Job, ExpiresAt: statement.ExpiresAt, Broken: err != nil}, nil
		}
	}
	return lambda.Signed{}, nil
}

// checkSigned holds the signatures of code or layers that a function is about to
// get to its code signing configuration. One that does not fit its package is
// refused whatever the configuration says; the others, where it enforces. The
// second text is the service's.
func (c *Control) checkSigned(f *lambda.Function, signatures ...lambda.Signed) error {
	if f.Configs.Signing == "" {
		return nil
	}
	record, ok := c.catalog.SigningConfig(f.Configs.Signing)
	warned := false
	for _, s := range signatures {
		if s.Broken {
			return lambda.Errorf(lambda.CodeInvalidCodeSignature,
				"The code signature failed the integrity check: what was signed is not what is deployed. Check the provided signature for %s.", f.Name)
		}
		if !ok {
			return untrusted(f.Name)
		}
		reason := c.distrust(record.Config, s)
		if reason == "" {
			continue
		}
		if record.Config.Policy != lambda.SigningWarn {
			return untrusted(f.Name)
		}
		c.logger.Warn("code without a trusted signature is deployed", slog.String("function", f.Name),
			slog.String("config", record.Config.ID), slog.String("reason", reason))
		warned = true
	}
	if warned && c.meter != nil {
		c.meter.Measure(telemetry.Measure{Metric: telemetry.MetricSignatureValidationErrors, Function: f.Name, Value: 1, At: time.Now()})
	}
	return nil
}

func untrusted(name string) error {
	return lambda.Errorf(lambda.CodeCodeVerificationFailed,
		"Lambda cannot deploy the function. The function or layer might be signed using a signature that the client is not configured to accept. "+
			"Check the provided signature for %s.", name)
}

// distrust is why a configuration does not trust a signature; empty if it does.
func (c *Control) distrust(config *lambda.SigningConfig, s lambda.Signed) string {
	if s.Signer == "" {
		return "nobody known has signed it"
	}
	version, known := c.scope.SignerARN(s.Signer, s.Version), false
	if !slices.Contains(config.Publishers, version) && !slices.Contains(config.Publishers, c.scope.SignerARN(s.Signer, "")) {
		return "it is signed by " + version
	}
	if !time.Now().Before(s.ExpiresAt) {
		return "its signature has expired"
	}
	record, _ := c.catalog.Signer(s.Signer)
	if record.Signer != nil {
		known = slices.ContainsFunc(record.Signer.Versions, func(v lambda.SignerVersion) bool {
			return v.Version == s.Version && v.RevokedAt.IsZero()
		})
	}
	if !known {
		return "the key of its signature is revoked"
	}
	return ""
}

// layerSignatures are the signatures of layers, in their order.
func layerSignatures(layers []lambda.AttachedLayer) (signatures []lambda.Signed) {
	for _, l := range layers {
		signatures = append(signatures, l.Signed)
	}
	return signatures
}
