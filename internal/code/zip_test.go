package code_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io/fs"
	"strings"
	"testing"
	"time"
)

// A file is one entry of a zip that a test makes.
type file struct {
	name string
	body string
	mode fs.FileMode // 0 writes no Unix mode
	host uint16      // the system that it says it was made on, if not Unix
	time time.Time
	// tune changes the header after the body was compressed.
	tune func(*zip.FileHeader)
}

// makeZip writes entries as they are, whatever nonsense they tell.
func makeZip(t testing.TB, files ...file) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: f.time}
		if f.mode != 0 {
			h.SetMode(f.mode)
		}
		if f.host != 0 {
			h.CreatorVersion = f.host<<8 | 20
		}
		if strings.HasSuffix(f.name, "/") {
			h.Method = zip.Store
		}
		e, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if f.body != "" {
			if _, err := e.Write([]byte(f.body)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return tuned(t, out.Bytes(), files)
}

// tuned copies a zip raw, with changed headers, if any entry wants that.
func tuned(t testing.TB, data []byte, files []file) []byte {
	t.Helper()
	any := false
	for _, f := range files {
		any = any || f.tune != nil
	}
	if !any {
		return data
	}
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for i, f := range r.File {
		h := f.FileHeader
		if files[i].tune != nil {
			files[i].tune(&h)
		}
		e, err := w.CreateRaw(&h)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := f.OpenRaw()
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		if _, err := body.ReadFrom(raw); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Write(body.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// overlapped lets the central directory's second entry point at the first one's
// data.
func overlapped(t testing.TB) []byte {
	t.Helper()
	body := strings.Repeat("x", 4096)
	data := makeZip(t, file{name: "a", body: body, mode: 0o644}, file{name: "b", body: body, mode: 0o644})
	central := []byte("PK\x01\x02")
	first := bytes.Index(data, central)
	second := first + len(central) + bytes.Index(data[first+len(central):], central)
	const offsetField = 42
	binary.LittleEndian.PutUint32(data[second+offsetField:], 0)
	return data
}

// manyEntries is a zip of n empty files.
func manyEntries(t testing.TB, n int) []byte {
	t.Helper()
	files := make([]file, n)
	for i := range files {
		files[i] = file{name: "f" + string(rune('a'+i%26)) + strings.Repeat("z", i/26), mode: 0o644}
	}
	return makeZip(t, files...)
}
