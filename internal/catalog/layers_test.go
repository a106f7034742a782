package catalog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
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

// fullLayer is a layer with every field set, in the first version.
func fullLayer() *lambda.Layer {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	return &lambda.Layer{
		Name: "full",
		Versions: []lambda.LayerVersion{
			{
				Number: 2, Description: "<d> & \"q\"", License: "MIT",
				Runtimes: []string{"python3.13", "nodejs22.x"}, Architectures: []string{"arm64"},
				Code: lambda.Code{SHA256: "c2hh", Size: 42, Unzipped: 99}, CreatedAt: at,
				Policy: &lambda.Policy{Document: `{"Version":"2012-10-17"}`, RevisionID: "r"},
			},
			{Number: 5, Runtimes: []string{}, Code: lambda.Code{SHA256: "c2hi", Size: 1}, CreatedAt: at},
		},
		LastPublished: 7,
	}
}

func TestStoredFormatOfLayers(t *testing.T) {
	value, err := catalog.EncodeLayer(fullLayer())
	if err != nil {
		t.Fatal(err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, value, "", "  "); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "layer.json")
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
	got, err := catalog.DecodeLayer(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fullLayer(), got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func TestKindsAreNotMixedUp(t *testing.T) {
	layer, err := catalog.EncodeLayer(fullLayer())
	if err != nil {
		t.Fatal(err)
	}
	function, err := catalog.Encode(full())
	if err != nil {
		t.Fatal(err)
	}
	if f, err := catalog.Decode(layer); err == nil {
		t.Errorf("a layer's record was read as the function %+v", f)
	}
	if l, err := catalog.DecodeLayer(function); err == nil {
		t.Errorf("a function's record was read as the layer %+v", l)
	}
}

// TestLayersAreKept writes layers beside a function of the same name, and looks
// for them here and after another start.
func TestLayersAreKept(t *testing.T) {
	m := memory.New()
	defer m.Close()
	c := open(t, m.Metadata())
	ctx := t.Context()
	if _, err := c.PutFunction(ctx, function("full", "1"), 0); err != nil {
		t.Fatal(err)
	}
	mine := fullLayer()
	first, err := c.PutLayer(ctx, mine, 0)
	if err != nil {
		t.Fatal(err)
	}
	mine.Versions[0].Runtimes[0] = "changed"
	if _, err := c.PutLayer(ctx, &lambda.Layer{Name: "another"}, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutLayer(ctx, fullLayer(), 0); !errors.Is(err, store.ErrConflict) {
		t.Errorf("second creation: %v", err)
	}
	for _, c := range []*catalog.Catalog{c, open(t, m.Metadata())} {
		r, ok := c.Layer("full")
		if !ok || r.Revision != first.Revision {
			t.Fatalf("record %+v, %t", r, ok)
		}
		if diff := cmp.Diff(fullLayer(), r.Layer); diff != "" {
			t.Errorf("layer (-want +got):\n%s", diff)
		}
		if list := c.Layers(); len(list) != 2 || list[0].Layer.Name != "another" || list[1].Layer.Name != "full" {
			t.Errorf("listed %+v", list)
		}
		if description(c, "full") != "1" || len(c.Functions()) != 1 {
			t.Error("the function of the same name is not as it was")
		}
	}
}

func TestOpenRefusesLayersItCannotRead(t *testing.T) {
	m := memory.New()
	defer m.Close()
	if _, err := m.Metadata().Put(t.Context(), "layer/l", []byte(`{"v":1,"function":{}}`), 0); err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Open(t.Context(), m.Metadata(), catalog.Options{Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		c.Close()
		t.Fatal("a record that is no layer was taken")
	}
}

func TestCodeInUse(t *testing.T) {
	m := memory.New()
	defer m.Close()
	c := open(t, m.Metadata())
	f := function("f", "")
	f.Latest.Code.SHA256 = "latest"
	f.Latest.Layers = []lambda.AttachedLayer{{Code: lambda.Code{SHA256: "attached to latest"}}}
	f.Versions = []lambda.Version{{Number: "1", Code: lambda.Code{SHA256: "one"},
		Layers: []lambda.AttachedLayer{{Code: lambda.Code{SHA256: "attached to one"}}}}}
	if _, err := c.PutFunction(t.Context(), f, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutLayer(t.Context(), fullLayer(), 0); err != nil {
		t.Fatal(err)
	}
	inUse := c.CodeInUse()
	for _, sum := range []string{"latest", "attached to latest", "one", "attached to one", "c2hh", "c2hi"} {
		if !inUse(sum) {
			t.Errorf("%s counts as unused", sum)
		}
	}
	if inUse("") || inUse("another") {
		t.Error("what nobody names counts as used")
	}
}

func FuzzDecodeLayer(f *testing.F) {
	value, err := catalog.EncodeLayer(fullLayer())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Add([]byte(`{"v":1,"layer":{"versions":[{}]}}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		decoded, err := catalog.DecodeLayer(value)
		if err != nil {
			return
		}
		again, err := catalog.EncodeLayer(decoded)
		if err != nil {
			return // a time out of RFC 3339's range
		}
		if _, err := catalog.DecodeLayer(again); err != nil {
			t.Errorf("what was decoded does not decode when encoded again: %v", err)
		}
	})
}
