// Package backup turns the state of a data directory into one tar stream and
// back: the access keys, all records and all blobs, each as it is stored, so that
// what is sealed stays sealed and no key is needed here.
//
// Vocabulary: a member is one file of the tar; the manifest is its last member
// and names all others with their size and SHA-256. A stream without it was cut
// off. docs/file-formats.md shows the members.
//
// A backup is taken from a running server and consistent: the records are those
// of one moment, and a blob that a record names is there before the record is and
// stays until the server's next start. Events that wait are not part of it.
//
// Nothing here starts a goroutine or is kept between calls.
package backup

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"thaw/internal/store"
)

// The names of members, and what they begin with.
const (
	HeaderName   = "backup.json"
	KeysName     = "keys.json"
	KeyFileName  = "master.key"
	ManifestName = "manifest.json"
	recordPrefix = "records/"
	blobPrefix   = "blobs/"
)

const (
	formatVersion = 1
	// maxSmall bounds the members other than records and blobs, save the manifest,
	// in bytes; maxManifest bounds that, maxBlob a blob, maxMembers the number of
	// members.
	maxSmall    = 1 << 20
	maxManifest = 1 << 30
	maxBlob     = 16 << 30
	maxMembers  = 4 << 20
)

// Header tells what a backup is of.
type Header struct {
	Format    int       `json:"format"`
	CreatedAt time.Time `json:"created_at"`
	Thaw      string    `json:"thaw"`   // the server's version
	KeyID     string    `json:"key_id"` // of the master key in use
}

// Member is one line of the manifest.
type Member struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

type manifest struct {
	Members []Member `json:"members"`
}

// Source is what is backed up.
type Source struct {
	Header   Header // Format is set by Write
	Keys     []byte // the file with the access keys
	Metadata store.Metadata
	Blobs    store.Blobs
}

// Write writes a backup. After an error the stream has no manifest.
func Write(ctx context.Context, w io.Writer, s Source) error {
	out := newWriter(w, s.Header.CreatedAt)
	s.Header.Format = formatVersion
	header, err := json.Marshal(s.Header)
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	err = errors.Join(out.small(HeaderName, append(header, '\n')), out.small(KeysName, s.Keys))
	if err == nil {
		err = writeRecords(ctx, out, s.Metadata)
	}
	if err == nil {
		err = writeBlobs(ctx, out, s.Blobs)
	}
	if err == nil {
		err = out.finish()
	}
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	return nil
}

func writeRecords(ctx context.Context, out *writer, m store.Metadata) error {
	entries, err := records(ctx, m)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := out.small(recordPrefix+e.Key, e.Value); err != nil {
			return err
		}
	}
	return nil
}

// records is all records of one moment, sorted by key.
func records(ctx context.Context, m store.Metadata) ([]store.Entry, error) {
	ctx, cancel := context.WithCancel(ctx)
	changes, err := m.Watch(ctx, "")
	if err != nil {
		cancel()
		return nil, err
	}
	defer func() {
		cancel()
		for range changes {
		}
	}()
	var entries []store.Entry
	for c := range changes {
		if c.Synced {
			slices.SortFunc(entries, func(a, b store.Entry) int { return cmp.Compare(a.Key, b.Key) })
			return entries, nil
		}
		entries = append(entries, c.Entry)
	}
	return nil, errors.Join(errors.New("the watch ended before all records were read"), ctx.Err())
}

func writeBlobs(ctx context.Context, out *writer, blobs store.Blobs) error {
	digests, err := blobs.List(ctx)
	if err != nil {
		return err
	}
	for _, digest := range digests {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := writeBlob(ctx, out, blobs, digest); err != nil {
			return fmt.Errorf("blob %s: %w", digest, err)
		}
	}
	return nil
}

func writeBlob(ctx context.Context, out *writer, blobs store.Blobs, digest string) error {
	f, err := blobs.Open(ctx, digest)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	got, err := out.member(blobPrefix+digest, size, f)
	if err == nil && got != digest {
		err = errors.New("damaged: its bytes have another digest")
	}
	return err
}

// writer writes members and takes note of them for the manifest.
type writer struct {
	tar  *tar.Writer
	time time.Time
	list manifest
}

func newWriter(w io.Writer, at time.Time) *writer {
	return &writer{tar: tar.NewWriter(w), time: at.UTC().Truncate(time.Second)}
}

func (w *writer) small(name string, content []byte) error {
	_, err := w.member(name, int64(len(content)), bytes.NewReader(content))
	return err
}

// member writes size bytes of r and returns their digest.
func (w *writer) member(name string, size int64, r io.Reader) (digest string, err error) {
	err = w.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: w.time, Format: tar.FormatPAX})
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(w.tar, hash), r, size); err != nil {
		return "", fmt.Errorf("member %q: %w", name, err)
	}
	digest = hex.EncodeToString(hash.Sum(nil))
	w.list.Members = append(w.list.Members, Member{Name: name, Size: size, SHA256: digest})
	return digest, nil
}

// finish writes the manifest and the end of the tar.
func (w *writer) finish() error {
	list, err := json.MarshalIndent(w.list, "", " ")
	if err != nil {
		return err
	}
	return errors.Join(w.small(ManifestName, append(list, '\n')), w.tar.Close())
}
