package e2e_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

const badZip = "Could not unzip uploaded file. Please check your file, then try to upload again."

// TestBadPackages creates functions from zips that are broken or meant to break
// something. Each is refused with the recorded text, and neither a function nor
// a file is left.
func TestBadPackages(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	const unzipped = "Unzipped size must be smaller than 262144000 bytes"
	for _, tc := range []struct {
		name    string
		zip     []byte
		message string // empty is any
	}{
		{"no zip", []byte("this is no zip"), badZip},
		{"cut short", cutShort(t), badZip},
		{"damaged", damaged(t), badZip},
		{"bomb by ratio", bomb(t, 1, 300<<20), unzipped},
		{"bomb by many large files", bomb(t, 30, 10<<20), unzipped},
		{"bomb by count", bomb(t, 150_000, 0), ""},
		{"bomb that lies", liar(t), badZip},
		{"path above the root", escaping(t, "../escaped"), badZip},
		{"path far above the root", escaping(t, "a/../../../../../../tmp/escaped"), badZip},
		{"absolute path", escaping(t, "/tmp/escaped"), badZip},
		{"path with backslashes", escaping(t, `..\..\escaped`), badZip},
		{"link out of the tree", linked(t, "/etc", "link/escaped"), badZip},
		{"relative link out of the tree", linked(t, "../..", "link/escaped"), badZip},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := s.files(t)
			_, err := s.client.CreateFunction(t.Context(), spec{runtime: "provided.al2023", handler: "x", zip: tc.zip}.input("bad"))
			if err == nil {
				s.remove(t, "bad")
			}
			wantError(t, err, 400, "InvalidParameterValueException", tc.message)
			_, err = s.client.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String("bad")})
			wantError(t, err, 404, "ResourceNotFoundException", "")
			if after := s.files(t); after > before {
				t.Errorf("%d files in the data directory, %d before", after, before)
			}
			for _, path := range []string{"/tmp/escaped", "/etc/escaped", filepath.Join(filepath.Dir(s.dir), "escaped"), filepath.Join(s.dir, "escaped")} {
				if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s: %v", path, err)
				}
			}
		})
	}
}

// files counts what is in the folders that packages are kept in; the store's own
// files come and go.
func (s *server) files(t testing.TB) int {
	t.Helper()
	n := 0
	for _, dir := range []string{"code", "store/blobs"} {
		err := filepath.WalkDir(filepath.Join(s.dir, dir), func(_ string, _ fs.DirEntry, err error) error {
			if err == nil {
				n++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n == 0 {
		t.Fatal("no folder for packages in the data directory")
	}
	return n
}

func cutShort(t testing.TB) []byte {
	whole := source(t, "python/echo")
	return whole[:len(whole)/2]
}

// damaged changes one byte of a file's compressed content.
func damaged(t testing.TB) []byte {
	whole := source(t, "python/echo")
	whole[100] ^= 0xff
	return whole
}

// bomb is a zip of files of zeros.
func bomb(t testing.TB, files int, size int64) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	zeros := make([]byte, 1<<20)
	for i := range files {
		method := zip.Deflate
		if size == 0 {
			method = zip.Store
		}
		f, err := w.CreateHeader(&zip.FileHeader{Name: fmt.Sprint(i), Method: method})
		if err != nil {
			t.Fatal(err)
		}
		for left := size; left > 0; left -= int64(len(zeros)) {
			if _, err := f.Write(zeros[:min(left, int64(len(zeros)))]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// liar is a bomb whose directory says that its file has ten bytes.
func liar(t testing.TB) []byte {
	t.Helper()
	bombed := bomb(t, 1, 300<<20)
	size := []byte{0, 0, 0xc0, 0x12} // 300 MiB, little endian
	lie := []byte{10, 0, 0, 0}
	if bytes.Count(bombed, size) == 0 {
		t.Fatal("the size is not found in the zip")
	}
	return bytes.ReplaceAll(bombed, size, lie)
}

func escaping(t testing.TB, name string) []byte {
	return zipOf(t, name, 0o644, []byte("escaped"))
}

// linked is a zip with a link and a file to be written through it.
func linked(t testing.TB, target, file string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	if err := addFile(w, "link", fs.ModeSymlink|0o777, []byte(target)); err != nil {
		t.Fatal(err)
	}
	if err := addFile(w, file, 0o644, []byte("escaped")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
