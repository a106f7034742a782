package damage_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/store/damage"
)

// TestReport: what was added is read, in order, also behind a line that was cut off.
func TestReport(t *testing.T) {
	dir := t.TempDir()
	report := damage.In(dir)
	if found, err := report.Read(); err != nil || found != nil {
		t.Errorf("of a store without damage: %v, %v", found, err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want := []damage.Finding{
		{At: at, File: "journal/1.log", What: "one", Events: 3, From: 1, To: 2},
		{At: at, File: "journal.mark", What: "two", Records: []string{"a"}},
		{At: at, What: "three", Settles: true},
	}
	if err := report.Add(want[0]); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(report.Path(), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"what":"cut o`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := report.Add(want[1:]...); err != nil {
		t.Fatal(err)
	}
	found, err := report.Read()
	if diff := cmp.Diff(want, found); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if damage.Open(found) || !damage.Open(found[:2]) || damage.Open(nil) {
		t.Error("what settles is told wrongly")
	}
}

// TestKeep: a name is given once, and a file that is moved away is kept.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	report := damage.In(dir)
	path := filepath.Join(dir, "f")
	if err := os.WriteFile(path, []byte("x"), 0o400); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	names := map[string]bool{}
	for _, keep := range []func(string, time.Time) (string, error){report.Keep, report.Keep, report.Move} {
		name, err := keep(path, at)
		if err != nil {
			t.Fatal(err)
		}
		names[name] = true
		if b, err := os.ReadFile(filepath.Join(dir, "damaged", name)); err != nil || string(b) != "x" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if len(names) != 3 {
		t.Errorf("names %v", names)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the moved file: %v", err)
	}
}
