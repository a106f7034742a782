package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"thaw/internal/lambda"
)

// bundleTime is the time of every file in a package: the first that a zip can
// express. With it, the same files make the same bytes, and so the same
// CodeSha256, whenever and wherever they were checked out.
var bundleTime = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// leftOut tells what is no part of a function: what version control, editors and
// interpreters leave beside the code.
func leftOut(name string) bool {
	switch path.Base(name) {
	case ".git", ".hg", ".svn", ".DS_Store", "__pycache__", ".venv", ".idea", ".vscode":
		return true
	}
	return strings.HasSuffix(name, ".pyc") || strings.HasSuffix(name, "~")
}

// bundleMethod is how the files of a package are kept in its zip.
type bundleMethod uint16

const (
	compressed = bundleMethod(zip.Deflate)
	// stored keeps them as they are: dev trades the size of what it sends to the
	// server beside it for the time that compressing takes.
	stored = bundleMethod(zip.Store)
)

// bundleDir zips a directory: its files in the order of their names, with the
// mode 0755 or 0644 by whether their owner may execute them.
func bundleDir(dir string, method bundleMethod) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var out bytes.Buffer
	b := bundler{root: root, zip: zip.NewWriter(&out), method: method}
	if err := fs.WalkDir(root.FS(), ".", b.add); err != nil {
		return nil, fmt.Errorf("zip %q: %w", dir, err)
	}
	return b.finish(&out, func() ([]byte, error) { return bundleDir(dir, compressed) })
}

// bundleFile zips one program, as what a custom runtime starts.
func bundleFile(name string, content []byte, method bundleMethod) ([]byte, error) {
	var out bytes.Buffer
	b := bundler{zip: zip.NewWriter(&out), method: method}
	if err := b.write(name, 0o755, bytes.NewReader(content)); err != nil {
		return nil, err
	}
	return b.finish(&out, func() ([]byte, error) { return bundleFile(name, content, compressed) })
}

// finish ends the zip. One that is too large as it is, is made again smaller.
func (b *bundler) finish(out *bytes.Buffer, smaller func() ([]byte, error)) ([]byte, error) {
	if err := b.zip.Close(); err != nil {
		return nil, err
	}
	if b.files == 0 {
		return nil, fmt.Errorf("there is no file to deploy")
	}
	if out.Len() > lambda.MaxZip && b.method == stored {
		return smaller()
	}
	if out.Len() > lambda.MaxZip {
		return nil, zipTooLarge(int64(out.Len()))
	}
	return out.Bytes(), nil
}

func zipTooLarge(size int64) error {
	return fmt.Errorf("the zip has %d bytes, the service takes %d", size, lambda.MaxZip)
}

type bundler struct {
	root   *os.Root
	zip    *zip.Writer
	method bundleMethod
	files  int
	bytes  int64 // of all files, unpacked
}

func (b *bundler) add(name string, entry fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	if leftOut(name) {
		if entry.IsDir() {
			return fs.SkipDir
		}
		return nil
	}
	switch entry.Type() {
	case fs.ModeDir:
		return nil
	case fs.ModeSymlink:
		return b.addLink(name)
	case 0:
		return b.addFile(name)
	}
	return fmt.Errorf("%q is neither a file nor a directory nor a link", name)
}

func (b *bundler) addFile(name string) error {
	file, err := b.root.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if info.Mode()&0o100 != 0 {
		mode = 0o755
	}
	return b.write(name, mode, file)
}

// addLink keeps a link as a link. One that leads out of the directory would be
// refused by the server, or mean another file there.
func (b *bundler) addLink(name string) error {
	to, err := b.root.Readlink(name)
	if err != nil {
		return err
	}
	if filepath.IsAbs(to) || !filepath.IsLocal(filepath.Join(filepath.Dir(name), to)) {
		return fmt.Errorf("the link %q leads out of the directory, to %q", name, to)
	}
	return b.write(name, fs.ModeSymlink|0o777, strings.NewReader(to))
}

func (b *bundler) write(name string, mode fs.FileMode, content io.Reader) error {
	header := &zip.FileHeader{Name: name, Method: uint16(b.method), Modified: bundleTime}
	header.SetMode(mode)
	entry, err := b.zip.CreateHeader(header)
	if err != nil {
		return err
	}
	// What is too large is not read to its end: it may not fit into the memory.
	n, err := io.Copy(entry, io.LimitReader(content, lambda.MaxUnzipped-b.bytes+1))
	if err != nil {
		return err
	}
	b.files++
	if b.bytes += n; b.bytes > lambda.MaxUnzipped {
		return fmt.Errorf("the files have more than the %d bytes that the service takes", lambda.MaxUnzipped)
	}
	return nil
}
