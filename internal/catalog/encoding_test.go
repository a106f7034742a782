package catalog_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"thaw/internal/catalog"
	"thaw/internal/lambda"
	"thaw/internal/store"
)

var update = flag.Bool("update", false, "write the golden files")

// full is a function with every field set.
func full() *lambda.Function {
	reserved := 7
	version := func(number string) lambda.Version {
		return lambda.Version{
			Number:      number,
			Description: "<d> & \"q\"",
			Role:        "arn:aws:iam::000000000000:role/r",
			Runtime:     "python3.13",
			Handler:     "app.handler",
			Resources: lambda.Resources{
				Architecture: "arm64", MemoryMB: 1769, Timeout: 7 * time.Second, EphemeralStorageMB: 1024,
			},
			Environment: map[string]string{"B": "2", "A": "1"},
			Code:        lambda.Code{SHA256: "c2hh", Size: 42, Unzipped: 99},
			Logging:     lambda.Logging{Format: "JSON", Group: "/g", ApplicationLevel: "INFO", SystemLevel: "WARN"},
			Layers:      []lambda.AttachedLayer{{ARN: "l1", Code: lambda.Code{SHA256: "bDE=", Size: 7, Unzipped: 8}}},
			Tracing:     "Active",
			Recorded:    map[string][]byte{"VpcConfig": []byte(`{ "SubnetIds": [] }`)},
			Status: lambda.Status{
				State: lambda.StateActive, StateReason: "r", StateReasonCode: "Idle",
				Update: lambda.UpdateInProgress, UpdateReason: "u", UpdateReasonCode: "Creating",
			},
			RevisionID:   "6f0f7c2e-0000-4000-8000-000000000001",
			LastModified: time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC),
		}
	}
	described := version("3")
	described.PublishedFrom = new("")
	return &lambda.Function{
		Name:          "full",
		CreatedAt:     time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		Latest:        version(lambda.Latest),
		Versions:      []lambda.Version{version("1"), described},
		LastPublished: 3,
		Aliases: []lambda.Alias{
			{Name: "live", Description: "what users see", Version: "1", RevisionID: "6f0f7c2e-0000-4000-8000-000000000002",
				Additional: &lambda.WeightedVersion{Number: "3", Weight: 0.05}},
			{Name: "next", Version: lambda.Latest, RevisionID: "6f0f7c2e-0000-4000-8000-000000000003"},
		},
		Tags:     map[string]string{"k": "v"},
		Reserved: &reserved,
		Configs:  configs(),
	}
}

func configs() lambda.Configs {
	at := time.Date(2026, 1, 3, 0, 0, 0, 123_456_000, time.UTC)
	return lambda.Configs{
		EventInvoke: []lambda.EventInvokeConfig{
			{Qualifier: lambda.Latest, MaximumRetries: new(0), LastModified: at},
			{Qualifier: "1", MaximumAgeSeconds: new(60), OnSuccess: "arn:s", OnFailure: "arn:f", LastModified: at},
		},
		URLs: []lambda.URLConfig{
			{ID: "u1", AuthType: "NONE", CreatedAt: at, LastModified: at},
			{Qualifier: "live", ID: "u2", AuthType: "AWS_IAM", InvokeMode: "RESPONSE_STREAM", CreatedAt: at, LastModified: at,
				CORS: &lambda.CORS{AllowCredentials: new(false), AllowHeaders: []string{}, AllowMethods: []string{"GET"},
					AllowOrigins: []string{"*"}, ExposeHeaders: []string{"x"}, MaxAgeSeconds: new(0)}},
		},
		Provisioned:   []lambda.ProvisionedConcurrency{{Qualifier: "live", Requested: 5, LastModified: at}},
		Runtimes:      []lambda.RuntimeManagement{{Qualifier: lambda.Latest, UpdateOn: "Manual", VersionARN: "arn:v"}},
		Scaling:       []lambda.ScalingConfig{{Qualifier: "1", Min: new(0), Max: new(9)}},
		Policies:      []lambda.Policy{{Document: "{}", RevisionID: "r1"}, {Qualifier: "live", Document: `{"Id":"x"}`, RevisionID: "r2"}},
		RecursiveLoop: "Allow",
	}
}

// golden shows the parts of a function's record.
func golden(t *testing.T, value []byte) string {
	t.Helper()
	parts, err := catalog.Parts(value)
	if err != nil {
		t.Fatal(err)
	}
	summary, err := catalog.DecodeSummary(value)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]any{"summary": summary, "code": catalog.Digests(summary)}
	for _, p := range parts {
		if len(p.Text) > 0 {
			shown[p.Name] = json.RawMessage(p.Text)
		}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(shown); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestStoredFormat(t *testing.T) {
	for name, f := range map[string]*lambda.Function{
		"full":  full(),
		"empty": {Name: "empty", Latest: lambda.Version{Number: lambda.Latest, Environment: map[string]string{}}},
	} {
		t.Run(name, func(t *testing.T) {
			value, err := catalog.Encode(f)
			if err != nil {
				t.Fatal(err)
			}
			// Beside what is shown, the bytes of the summary and the lengths count.
			for file, got := range map[string]string{name + ".json": golden(t, value), name + ".record": string(value)} {
				file = filepath.Join("testdata", file)
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("stored format changed: records of older servers would be misread (-want +got):\n%s", diff)
				}
			}
			record, err := os.ReadFile(filepath.Join("testdata", name+".record"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := catalog.Decode(record)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(f, got); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
			f.Versions = nil
			if got, err = catalog.DecodeUnpublished(record); err != nil || cmp.Diff(f, got) != "" {
				t.Errorf("without its versions, %v (-want +got):\n%s", err, cmp.Diff(f, got))
			}
		})
	}
}

// TestManyVersionsFit has a thousand versions with full environments in one record.
func TestManyVersionsFit(t *testing.T) {
	f := full()
	f.Versions = nil
	for i := range 1000 {
		v := f.Latest
		v.Number = strconv.Itoa(i + 1)
		v.RevisionID = lambda.NewUUID()
		v.Code.SHA256 = fmt.Sprintf("%044d", i)
		v.Environment = map[string]string{"V": string(bytes.Repeat([]byte("0123456789"), 400))}
		f.Versions = append(f.Versions, v)
	}
	value, err := catalog.Encode(f)
	if err != nil {
		t.Fatal(err)
	}
	if len(value) > store.MaxValue/2 {
		t.Errorf("a thousand versions take %d bytes", len(value))
	}
	got, err := catalog.Decode(value)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f, got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, value := range []string{
		"", "{}", "null", `{"v":2,"function":{}}`, `{"v":1}`, `{"v":1,"function":{"latest":3}}`, "\x1f\x8bbroken",
		"\x02", "\x02\x00", "\x02\x04\x00\x00\x00\x00\x05{}", "\x02\x04\x00\x00\x00\x00\x02{]", "\x02\x04\x00\x00\x00\x00\x02{}{",
		"\x02\x04\x00\x00\x00\x00\x02{}" + `{"configurations":[],"versions":[{"configuration":0}]}`, "\x03{}",
	} {
		if f, err := catalog.Decode([]byte(value)); err == nil {
			t.Errorf("%q decodes to %+v", value, f)
		}
	}
	for _, value := range []string{"\x02", "\x02\x00\x00", "\x02\x01\x08\x00", "\x02\x03\x00\x00\x00\x00", "\x02\x05\x00\x00\x00\x00\x01\x00", "\x02\x04\x01\x00\x00\x00\x00"} {
		if s, err := catalog.DecodeSummary([]byte(value)); err == nil {
			t.Errorf("%q has the summary %+v", value, s)
		}
	}
}

// compared is how summaries are.
var compared = cmp.Options{
	cmp.AllowUnexported(catalog.Summary{}),
}

// TestSummaries: what stands in front of a record is what is in it.
func TestSummaries(t *testing.T) {
	f := full()
	f.Configs.Signing = "csc-1"
	f.Versions[1].Code = lambda.Code{SHA256: "dHdv", Size: 1000}
	want := catalog.Summary{CodeSize: 42 + 42 + 1000, Reserved: new(7), Provisioned: 5, Signing: "csc-1", URLs: true, Unfinished: true}
	got := catalog.SummaryOf(f)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(catalog.Summary{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"c2hh", "bDE=", "dHdv"}, catalog.Digests(got)); diff != "" {
		t.Errorf("code (-want +got):\n%s", diff)
	}
	if got.Claim() != f.Claim() || (&catalog.Summary{Provisioned: 3}).Claim() != 3 {
		t.Error("a summary's claim is not the function's")
	}
	long := strings.Repeat("x", 300) // its length has two bytes
	settled := &lambda.Function{Latest: lambda.Version{Code: lambda.Code{SHA256: long}, Status: lambda.Status{State: lambda.StateActive}}}
	for _, f := range []*lambda.Function{f, settled, {}} {
		for version, encode := range []func(*lambda.Function) ([]byte, error){catalog.EncodeEarlier, catalog.Encode} {
			value, err := encode(f)
			if err != nil {
				t.Fatal(err)
			}
			read, err := catalog.DecodeSummary(value)
			if diff := cmp.Diff(catalog.SummaryOf(f), read, compared); diff != "" || err != nil {
				t.Errorf("version %d, %v (-want +got):\n%s", version+1, err, diff)
			}
		}
	}
	if got := catalog.Digests(catalog.SummaryOf(settled)); len(got) != 1 || got[0] != long {
		t.Errorf("code %q", got)
	}
}

// TestVersionsShare: what versions have in common is in memory once, and in the
// record.
func TestVersionsShare(t *testing.T) {
	f := full()
	other := f.Versions[0]
	other.Environment = map[string]string{"A": "another"}
	f.Versions = append(f.Versions, other)
	value, err := catalog.Encode(f)
	if err != nil {
		t.Fatal(err)
	}
	if parts, err := catalog.Parts(value); err != nil || bytes.Count(parts[1].Text, []byte(`"environment"`)) != 2 {
		t.Errorf("the versions are stored as %s, %v", parts[1].Text, err)
	}
	got, err := catalog.Decode(value)
	if diff := cmp.Diff(f, got); diff != "" || err != nil {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	got.Versions[0].Environment["A"] = "seen by both"
	if got.Versions[1].Environment["A"] != "seen by both" || got.Versions[2].Environment["A"] != "another" {
		t.Error("versions do not share what they have in common, or share more")
	}
}

func FuzzDecode(f *testing.F) {
	for _, encode := range []func(*lambda.Function) ([]byte, error){catalog.EncodeEarlier, catalog.Encode} {
		value, err := encode(full())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(value)
	}
	f.Add([]byte(`{"v":1,"function":{}}`))
	f.Add([]byte("\x1f\x8b\x08"))
	f.Add([]byte("\x02\x04\x00\x00\x00\x00\x02{}" + `{"configurations":[{}],"versions":[{}]}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		if s, err := catalog.DecodeSummary(value); err == nil {
			catalog.Digests(s)
		}
		decoded, err := catalog.Decode(value)
		if err != nil {
			return
		}
		again, err := catalog.Encode(decoded)
		if err != nil {
			return // a time out of RFC 3339's range
		}
		if _, err := catalog.Decode(again); err != nil {
			t.Errorf("what was decoded does not decode when encoded again: %v", err)
		}
		if s, err := catalog.DecodeSummary(again); err != nil || !cmp.Equal(s, catalog.SummaryOf(decoded), compared) {
			t.Errorf("the summary of what was decoded is another one when encoded again: %+v, %v", s, err)
		}
	})
}
