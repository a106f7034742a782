package catalog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/catalog"
	"thaw/internal/lambda"
	"thaw/internal/store"
	"thaw/internal/store/memory"
)

// fullMapping is an event source mapping with every field set.
func fullMapping() *lambda.Mapping {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	access := []lambda.SourceAccess{{Type: "BASIC_AUTH", URI: "arn:secret"}}
	return &lambda.Mapping{
		UUID: "2d5e6ba9-0f1c-4b8e-9a3d-7c6b5a493827", Function: "f", Qualifier: "live",
		Source: lambda.EventSource{
			ARN: "arn:aws:sqs:us-east-1:111111111111:q", Endpoints: []string{"kafka:9092"},
			Topics: []string{"t"}, Queues: []string{"q"}, Position: "AT_TIMESTAMP", PositionAt: &at, Access: access,
			Kafka: &lambda.KafkaConfig{ConsumerGroupID: "g", ConsumptionMode: "Stream", Registry: &lambda.SchemaRegistry{
				URI: "https://registry", RecordFormat: "JSON", Access: access, Validate: []string{"KEY"}}},
			DocumentDB: &lambda.DocumentDBConfig{Database: "d", Collection: "c", FullDocument: "Default"},
		},
		Batching: lambda.Batching{
			Size: new(10), WindowSeconds: new(0), Parallelization: new(1), TumblingWindowSeconds: new(2),
			MaximumAgeSeconds: new(-1), MaximumRetries: new(3), Bisect: new(false), ResponseTypes: []string{},
		},
		Filters: []string{`{"body": ["<&>"]}`}, OnFailure: "arn:aws:sns:us-east-1:111111111111:t",
		MaximumConcurrency: new(5), Pollers: &lambda.Pollers{Minimum: new(1), Maximum: new(2), Group: "p"},
		KMSKeyARN: "arn:aws:kms:us-east-1:111111111111:key/k", Metrics: []string{"EventCount"}, LogLevel: "INFO",
		Tags: map[string]string{"k": "v"}, Enabled: true, State: lambda.MappingEnabling, LastModified: at,
	}
}

func TestStoredFormatOfMappings(t *testing.T) {
	value, err := catalog.EncodeMapping(fullMapping())
	if err != nil {
		t.Fatal(err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, value, "", "  "); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "mapping.json")
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
	got, err := catalog.DecodeMapping(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fullMapping(), got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
	if m, err := catalog.DecodeMapping([]byte(`{"v":1,"layer":{"name":"l"}}`)); err == nil {
		t.Errorf("a layer's record was read as the mapping %+v", m)
	}
}

// TestMappingsAreKept writes, changes and deletes, and looks here and after
// another start.
func TestMappingsAreKept(t *testing.T) {
	m := memory.New()
	defer m.Close()
	c := open(t, m.Metadata())
	ctx := t.Context()
	first, err := c.PutMapping(ctx, fullMapping(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutMapping(ctx, fullMapping(), 0); !errors.Is(err, store.ErrConflict) {
		t.Errorf("second creation: %v", err)
	}
	other, err := c.PutMapping(ctx, &lambda.Mapping{UUID: "0"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*catalog.Catalog{c, open(t, m.Metadata())} {
		r, ok := c.Mapping(fullMapping().UUID)
		if !ok || r.Revision != first.Revision {
			t.Fatalf("record %+v, %t", r, ok)
		}
		if diff := cmp.Diff(fullMapping(), r.Mapping); diff != "" {
			t.Errorf("mapping (-want +got):\n%s", diff)
		}
		if list := c.Mappings(); len(list) != 2 || list[0].Mapping.UUID != "0" {
			t.Errorf("listed %+v", list)
		}
	}
	var deleted string
	cancel := c.SubscribeMappings(func(r catalog.MappingRecord, gone bool) {
		if gone {
			deleted = r.Mapping.UUID
		}
	})
	defer cancel()
	if err := c.DeleteMapping(ctx, "0", first.Revision+other.Revision); !errors.Is(err, store.ErrConflict) {
		t.Errorf("deletion of another revision: %v", err)
	}
	if err := c.DeleteMapping(ctx, "0", other.Revision); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Mapping("0"); ok || deleted != "0" {
		t.Errorf("after its deletion: found %t, subscribers heard %q", ok, deleted)
	}
}

func FuzzDecodeMapping(f *testing.F) {
	value, err := catalog.EncodeMapping(fullMapping())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Add([]byte(`{"v":1,"mapping":{"source":{"kafka":{}}}}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		decoded, err := catalog.DecodeMapping(value)
		if err != nil {
			return
		}
		again, err := catalog.EncodeMapping(decoded)
		if err != nil {
			return // a time out of RFC 3339's range
		}
		if _, err := catalog.DecodeMapping(again); err != nil {
			t.Errorf("what was decoded does not decode when encoded again: %v", err)
		}
	})
}
