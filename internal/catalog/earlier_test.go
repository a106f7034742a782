package catalog_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/catalog"
)

// TestEarlierRecords reads records that earlier versions of this server have
// written: nothing of them is lost, and nothing is made up.
func TestEarlierRecords(t *testing.T) {
	files, err := filepath.Glob("testdata/earlier/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no records", err)
	}
	for _, file := range files {
		record, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, err := catalog.Decode(record)
		if err != nil {
			t.Fatal(err)
		}
		value, err := catalog.EncodeEarlier(f)
		if err != nil {
			t.Fatal(err)
		}
		var written bytes.Buffer
		if err := json.Indent(&written, value, "", "  "); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(record), written.String()); diff != "" {
			t.Errorf("%s (-read +written again):\n%s", file, diff)
		}
		if value, err = catalog.Encode(f); err != nil {
			t.Fatal(err)
		}
		if again, err := catalog.Decode(value); err != nil || cmp.Diff(f, again) != "" {
			t.Errorf("%s as of today, %v (-earlier +today):\n%s", file, err, cmp.Diff(f, again))
		}
	}
}
