package code_test

import (
	"bytes"
	"testing"

	"thaw/internal/code"
)

// TestAddFetched has a zip that is too large for a request: it may be as large as
// what it unpacks to.
func TestAddFetched(t *testing.T) {
	zip := makeZip(t, file{name: "index.py", body: "print()"})
	size := int64(len(zip))
	ctx := t.Context()
	p := open(t, t.TempDir(), newBlobs(), code.Limits{Zipped: size - 1, Unzipped: size})
	if _, err := p.Add(ctx, zip); err == nil {
		t.Error("a zip over the limit of requests is taken from one")
	}
	fetched, err := p.AddFetched(ctx, bytes.NewReader(zip), size)
	if err != nil {
		t.Fatal(err)
	}
	if fetched.Size != size || fetched.Unzipped != 7 {
		t.Errorf("code %+v", fetched)
	}
	dir, err := p.Root(ctx, fetched)
	if err != nil || len(list(t, dir)) != 2 {
		t.Errorf("tree %v, %v", list(t, dir), err)
	}
	direct := open(t, t.TempDir(), newBlobs(), code.Limits{})
	if added, err := direct.Add(ctx, zip); err != nil || added != fetched {
		t.Errorf("in a request it is %+v, fetched %+v (%v)", added, fetched, err)
	}

	p = open(t, t.TempDir(), newBlobs(), code.Limits{Unzipped: size - 1})
	for name, test := range map[string]struct {
		zip  []byte
		want string
	}{
		"too large": {zip, "Unzipped size must be smaller than"},
		"empty":     {nil, emptyZip},
		"no zip":    {[]byte("no zip"), badZip},
	} {
		_, err := p.AddFetched(ctx, bytes.NewReader(test.zip), int64(len(test.zip)))
		if err == nil || !bytes.Contains([]byte(err.Error()), []byte(test.want)) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
}
