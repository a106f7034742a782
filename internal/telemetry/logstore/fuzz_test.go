package logstore_test

import (
	"os"
	"path/filepath"
	"testing"

	"thaw/internal/telemetry/logstore"
)

// files are a segment and a list of groups, as the store writes them.
func files(t testing.TB) (segment, catalogue []byte) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "logs")
	s := open(t, logstore.Options{Dir: dir})
	for _, stream := range []string{"a", "b", "a"} {
		s.Append(group, stream, start, "a line\n")
	}
	settle(t, s)
	if err := s.DeleteStream(group, "b"); err != nil {
		t.Fatal(err)
	}
	paths, _ := filepath.Glob(filepath.Join(dir, "*", "*.log"))
	segment, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	if catalogue, err = os.ReadFile(filepath.Join(dir, "groups")); err != nil {
		t.Fatal(err)
	}
	return segment, catalogue
}

func FuzzSegment(f *testing.F) {
	segment, _ := files(f)
	f.Add(segment)
	f.Add(segment[:len(segment)-3])
	f.Add([]byte("THAWLOG\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		good, events, err := logstore.Scan(data)
		if err != nil {
			return
		}
		if good < 8 || good > int64(len(data)) {
			t.Fatalf("%d of %d bytes are good", good, len(data))
		}
		again, same, err := logstore.Scan(data[:good])
		if err != nil || again != good || same != events {
			t.Errorf("what was good has %d bytes and %d events, and then %d and %d: %v", good, events, again, same, err)
		}
	})
}

func FuzzCatalogue(f *testing.F) {
	_, catalogue := files(f)
	f.Add(catalogue)
	f.Add(catalogue[:len(catalogue)-1])
	f.Fuzz(func(t *testing.T, data []byte) {
		groups, good := logstore.ReadCatalogue(data)
		if again, all := logstore.ReadCatalogue(data[:good]); again != groups || all != good {
			t.Errorf("%d groups in %d bytes, then %d in %d", groups, good, again, all)
		}
	})
}
