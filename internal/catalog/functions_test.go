package catalog_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/catalog"
	"thaw/internal/lambda"
	"thaw/internal/store"
	"thaw/internal/store/memory"
)

// kept are functions in a store, of this server and of earlier ones.
func kept(t *testing.T, m store.Metadata, records map[string]func(*lambda.Function) ([]byte, error)) {
	t.Helper()
	for name, encode := range records {
		f := full()
		f.Name = name
		value, err := encode(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Put(t.Context(), "function/"+name, value, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDecodedWhenUsed: neither a start nor a list decodes a function for good, and
// one that is used stays decoded.
func TestDecodedWhenUsed(t *testing.T) {
	m := memory.New()
	defer m.Close()
	kept(t, m.Metadata(), map[string]func(*lambda.Function) ([]byte, error){
		"a": catalog.Encode, "b": catalog.EncodeEarlier, "c": catalog.Encode,
	})
	c := open(t, m.Metadata())
	decoded := func(want int) {
		t.Helper()
		if got := c.DecodedFunctions(); got != want {
			t.Errorf("%d functions are decoded, want %d", got, want)
		}
	}
	for i, l := range c.List() {
		want := full()
		want.Name = l.Name
		if l.Name != string(rune('a'+i)) || l.CodeSize != 3*42 {
			t.Errorf("listed %+v", l.Summary)
		}
		if f, err := l.Whole(); err != nil || cmp.Diff(want, f) != "" {
			t.Errorf("whole %v, %v", f, err)
		}
		f, err := l.Unpublished()
		if err != nil {
			t.Fatal(err)
		}
		if f.Versions = nil; f.Name != l.Name || cmp.Diff(want.Latest, f.Latest) != "" {
			t.Errorf("unpublished %v", f)
		}
	}
	if !c.CodeInUse()("c2hh") {
		t.Error("code of functions is not in use")
	}
	decoded(0)
	first, _ := c.Function("b")
	again, _ := c.Function("b")
	if decoded(1); first.Function != again.Function {
		t.Error("a function is decoded twice")
	}
	if l := c.List()[1]; l.Name != "b" {
		t.Errorf("listed %q", l.Name)
	} else if whole, err := l.Whole(); whole != first.Function || err != nil {
		t.Errorf("a function that is decoded is decoded again, %v", err)
	}
	written := full()
	written.Name = "d"
	if _, err := c.PutFunction(t.Context(), written, 0); err != nil {
		t.Fatal(err)
	}
	decoded(2)
	if got := len(c.Functions()); got != 4 {
		t.Errorf("%d functions", got)
	}
	decoded(4)
}

// TestBrokenRecord: a record behind whose summary nothing can be read does no harm
// to others, is told once, and its name is not given to another function.
func TestBrokenRecord(t *testing.T) {
	m := memory.New()
	defer m.Close()
	kept(t, m.Metadata(), map[string]func(*lambda.Function) ([]byte, error){"good": catalog.Encode})
	if _, err := m.Metadata().Put(t.Context(), "function/broken", []byte("\x02\x04\x00\x07\x00\x00\x02{]"), 0); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	c, err := catalog.Open(t.Context(), m.Metadata(), catalog.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 2 {
		if _, ok := c.Function("broken"); ok {
			t.Error("a function was made of nothing")
		}
	}
	if n := strings.Count(log.String(), `msg="record not readable" key=function/broken`); n != 1 {
		t.Errorf("told %d times:\n%s", n, &log)
	}
	if l := c.List(); len(l) != 2 || l[0].CodeSize != 7 {
		t.Errorf("%d are listed", len(l))
	} else if _, err := l[0].Whole(); err == nil || !strings.Contains(err.Error(), `read function "broken"`) {
		t.Errorf("read whole: %v", err)
	}
	if got := c.Functions(); len(got) != 1 || got[0].Function.Name != "good" {
		t.Errorf("%d functions", len(got))
	}
	if _, err := c.PutFunction(context.Background(), function("broken", "new"), 0); err == nil {
		t.Error("its name was given away")
	}
}
