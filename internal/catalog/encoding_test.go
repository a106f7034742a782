package catalog_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, value, "", "  "); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(golden, pretty.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
				t.Errorf("stored format changed: records of older servers would be misread (-want +got):\n%s", diff)
			}
			got, err := catalog.Decode(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(f, got); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
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
	for _, value := range []string{"", "{}", "null", `{"v":2,"function":{}}`, `{"v":1}`, `{"v":1,"function":{"latest":3}}`, "\x1f\x8bbroken"} {
		if f, err := catalog.Decode([]byte(value)); err == nil {
			t.Errorf("%q decodes to %+v", value, f)
		}
	}
}

func FuzzDecode(f *testing.F) {
	value, err := catalog.Encode(full())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Add([]byte(`{"v":1,"function":{}}`))
	f.Add([]byte("\x1f\x8b\x08"))
	f.Fuzz(func(t *testing.T, value []byte) {
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
	})
}
