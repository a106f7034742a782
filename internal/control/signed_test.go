package control_test

import (
	"archive/zip"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/control"
	"thaw/internal/lambda"
	"thaw/internal/signing"
	"thaw/internal/store/memory"
	"thaw/internal/telemetry"
)

// publisher signs packages.
type publisher struct {
	t   *testing.T
	key *ecdsa.PrivateKey
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &publisher{t, key}
}

// joins adds the publisher's key to a signing profile.
func (p *publisher) joins(s *server, name string) (arn string) {
	p.t.Helper()
	der, err := x509.MarshalPKIXPublicKey(p.key.Public())
	if err != nil {
		p.t.Fatal(err)
	}
	if arn, err = s.AddSigner(p.t.Context(), name, der); err != nil {
		p.t.Fatal(err)
	}
	return arn
}

// signs makes a package whose signature may be deployed for an hour.
func (p *publisher) signs(content string) []byte {
	p.t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.Create(content)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := f.Write([]byte(content)); err != nil {
		p.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		p.t.Fatal(err)
	}
	signed, err := signing.Sign(out.Bytes(), p.key, signing.Statement{Job: "job", SignedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)})
	if err != nil {
		p.t.Fatal(err)
	}
	return signed
}

// broken is a package of which a byte was changed after it was signed.
func broken(signed []byte) []byte {
	changed := bytes.Clone(signed)
	changed[35] ^= 1 // in the first file's name
	return changed
}

// TestSignedCode deploys packages in every state of a signature to functions that
// are warned, that enforce, and that have no configuration.
func TestSignedCode(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		trusted, other, stranger, gone := newPublisher(t), newPublisher(t), newPublisher(t), newPublisher(t)
		profile := trusted.joins(s, "trusted")
		other.joins(s, "other")
		left := gone.joins(s, "gone")
		late := trusted.signs("late")
		revoked := gone.signs("revoked")
		version := left[strings.LastIndex(left, "/")+1:]
		if err := s.RevokeSigner(t.Context(), "gone", version); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour) // late is too late
		const (
			mismatch  = lambda.CodeCodeVerificationFailed
			integrity = lambda.CodeInvalidCodeSignature
		)
		for _, test := range []struct {
			name          string
			zip           []byte
			warn, enforce string
		}{
			{"trusted", trusted.signs("fine"), "", ""},
			{"unsigned", []byte("unsigned"), "", mismatch},
			{"by another profile", other.signs("x"), "", mismatch},
			{"by nobody known", stranger.signs("x"), "", mismatch},
			{"expired", late, "", mismatch},
			{"revoked", revoked, "", mismatch},
			{"changed", broken(trusted.signs("x")), integrity, integrity},
			{"changed, by another profile", broken(other.signs("x")), integrity, integrity},
		} {
			for policy, want := range map[string]string{"": "", lambda.SigningWarn: test.warn, lambda.SigningEnforce: test.enforce} {
				name := "f" + policy
				in := input(name)
				in.Zip = test.zip
				if policy != "" {
					config, err := s.CreateSigningConfig(t.Context(), control.SigningSettings{Publishers: []string{profile, left}, Policy: &policy}, nil)
					if err != nil {
						t.Fatal(err)
					}
					in.SigningConfig = config.ARN
				}
				s.logs.Reset()
				*s.measured = nil
				v, err := s.CreateFunction(t.Context(), in)
				if want != "" {
					wantError(t, err, want, "")
					continue
				}
				if err != nil {
					t.Errorf("%s, policy %q: %v", test.name, policy, err)
					continue
				}
				if warned := strings.Contains(s.logs.String(), "without a trusted signature"); warned != (policy == lambda.SigningWarn && test.enforce != "") {
					t.Errorf("%s, policy %q: warned is %v", test.name, policy, warned)
				}
				if n := len(*s.measured); (n == 1) != (policy == lambda.SigningWarn && test.enforce != "") || n == 1 && (*s.measured)[0].Metric != telemetry.MetricSignatureValidationErrors {
					t.Errorf("%s, policy %q: measured %v", test.name, policy, *s.measured)
				}
				if signed := v.Version.Signed; test.name == "trusted" && (signed.Signer != "trusted" || signed.Job != "job") {
					t.Errorf("%s: signed by %+v", test.name, signed)
				}
				rest()
				if err := s.DeleteFunction(t.Context(), lambda.Ref{Name: name}); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// TestSignedUpdates holds new code and new layers to the configuration of now, and
// leaves what is deployed alone.
func TestSignedUpdates(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		ctx, ref := t.Context(), lambda.Ref{Name: "f"}
		p := newPublisher(t)
		version := p.joins(s, "p")
		profile := version[:strings.LastIndex(version, "/")] // of all its versions
		config, err := s.CreateSigningConfig(ctx, control.SigningSettings{Publishers: []string{profile}, Policy: new(lambda.SigningEnforce)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		create(t, s, input("f")) // unsigned, and there before the configuration
		rest()
		if _, err := s.PutFunctionSigning(ctx, ref, config.ARN); err != nil {
			t.Fatal(err)
		}
		layer := func(zip []byte) *[]string {
			v, err := s.PublishLayerVersion(ctx, lambda.LayerRef{Name: "l"}, control.PublishLayerInput{Zip: zip})
			if err != nil {
				t.Fatal(err)
			}
			return &[]string{v.ARN}
		}
		good, bad, changed := layer(p.signs("good")), layer([]byte("bad layer")), layer(broken(p.signs("x")))
		for _, test := range []struct {
			name   string
			layers *[]string
			zip    []byte
			want   string
		}{
			{"unsigned code", nil, []byte("new"), lambda.CodeCodeVerificationFailed},
			{"changed code", nil, broken(p.signs("x")), lambda.CodeInvalidCodeSignature},
			{"signed code", nil, p.signs("new"), ""},
			{"unsigned layer", bad, nil, lambda.CodeCodeVerificationFailed},
			{"changed layer", changed, nil, lambda.CodeInvalidCodeSignature},
			{"signed layer", good, nil, ""},
			{"nothing of either", nil, nil, ""},
		} {
			var err error
			if test.zip != nil {
				_, err = s.UpdateFunctionCode(ctx, ref, control.UpdateCodeInput{Zip: test.zip})
			} else {
				_, err = s.UpdateFunctionConfiguration(ctx, ref, control.Settings{Layers: test.layers, TimeoutSeconds: new(9)}, "")
			}
			if test.want != "" {
				wantError(t, err, test.want, "")
			} else if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			rest()
		}
		if v := get(t, s, "f", "").Version; v.Signed.Signer != "p" || len(v.Layers) != 1 || v.Layers[0].Signed.Signer != "p" {
			t.Errorf("signed by %+v, with %+v", v.Signed, v.Layers)
		}
	})
}

// TestSigners adds keys and revokes them.
func TestSigners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		defer m.Close()
		s := start(t, m.Metadata(), control.Options{})
		defer s.stop(t)
		ctx, p := t.Context(), newPublisher(t)
		arn := p.joins(s, "p")
		if again := p.joins(s, "p"); again != arn || !strings.HasPrefix(arn, "arn:aws:signer:eu-central-1:123456789012:/signing-profiles/p/") {
			t.Errorf("added as %s, and again as %s", arn, again)
		}
		second := newPublisher(t).joins(s, "p")
		der, err := x509.MarshalPKIXPublicKey(p.key.Public())
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.AddSigner(ctx, "q", der)
		wantError(t, err, lambda.CodeResourceConflict, "The key belongs to the signing profile p.")
		version := arn[strings.LastIndex(arn, "/")+1:]
		for range 2 {
			if err := s.RevokeSigner(ctx, "p", version); err != nil {
				t.Fatal(err)
			}
		}
		_, err = s.AddSigner(ctx, "p", der)
		wantError(t, err, lambda.CodeResourceConflict, "The key is revoked. Please use another one.")
		wantError(t, s.RevokeSigner(ctx, "none", version), lambda.CodeResourceNotFound, "")
		_, err = s.AddSigner(ctx, "p", []byte("no key"))
		wantError(t, err, lambda.CodeInvalidParameterValue, "")
		list := s.Signers()
		if len(list) != 1 || len(list[0].Versions) != 2 || list[0].Versions[0].RevokedAt.IsZero() || !strings.HasSuffix(second, list[0].Versions[1].Version) {
			t.Errorf("signers %+v", list)
		}
	})
}
