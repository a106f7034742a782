package backup

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"thaw/internal/store"
)

// errNoManifest is for a stream that ends too early.
var errNoManifest = errors.New("the backup is not whole: it has no manifest at its end")

// Copy passes a backup on and checks it meanwhile. A key file, if there is one,
// becomes a member of the copy. The header is what the backup says of itself.
// After an error the copy has no manifest.
func Copy(w io.Writer, r io.Reader, keyFile []byte) (header Header, err error) {
	var out *writer
	err = read(r, func(name string, size int64, content io.Reader) error {
		if name == HeaderName {
			data, err := io.ReadAll(content)
			if err != nil {
				return err
			}
			if header, err = parseHeader(data); err != nil {
				return err
			}
			out = newWriter(w, header.CreatedAt)
			return out.small(name, data)
		}
		if keyFile != nil && name == KeyFileName {
			return nil // replaced by what was given
		}
		_, err := out.member(name, size, content)
		return err
	})
	if err == nil && keyFile != nil {
		err = out.small(KeyFileName, keyFile)
	}
	if err == nil {
		err = out.finish()
	}
	if err != nil {
		return header, fmt.Errorf("copy backup: %w", err)
	}
	return header, nil
}

func parseHeader(data []byte) (Header, error) {
	var h Header
	if err := json.Unmarshal(data, &h); err != nil {
		return h, fmt.Errorf("%s: %w", HeaderName, err)
	}
	if h.Format != formatVersion {
		return h, fmt.Errorf("format version %d, want %d", h.Format, formatVersion)
	}
	return h, nil
}

// read gives each member but the manifest to take, the header first, and checks
// afterwards that all of them are what the manifest says. What take does with a
// member is not to count before read returns without an error.
func read(r io.Reader, take func(name string, size int64, content io.Reader) error) error {
	in := tar.NewReader(r)
	var seen []Member
	for {
		h, err := in.Next()
		switch {
		case err == io.EOF:
			return errNoManifest
		case err != nil && len(seen) == 0:
			return fmt.Errorf("it is not a backup: %w", err)
		case err != nil:
			return fmt.Errorf("the backup is damaged or cut off: %w", err)
		}
		if len(seen) == 0 && h.Name != HeaderName {
			return errors.New("it is not a backup: its first member is not " + HeaderName)
		}
		if h.Name == ManifestName {
			return checkManifest(in, h.Size, seen)
		}
		if err := checkMember(h, len(seen)); err != nil {
			return err
		}
		hash := sha256.New()
		content := io.TeeReader(in, hash)
		if err := take(h.Name, h.Size, content); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, content); err != nil { // what take has left
			return err
		}
		seen = append(seen, Member{Name: h.Name, Size: h.Size, SHA256: hex.EncodeToString(hash.Sum(nil))})
	}
}

func checkMember(h *tar.Header, position int) error {
	limit := int64(maxSmall)
	digest, isBlob := strings.CutPrefix(h.Name, blobPrefix)
	key, isRecord := strings.CutPrefix(h.Name, recordPrefix)
	var err error
	switch {
	case position >= maxMembers:
		return fmt.Errorf("more than %d members", maxMembers)
	case isBlob:
		limit, err = maxBlob, store.CheckDigest(digest)
	case isRecord:
		limit, err = store.MaxValue, store.CheckKey(key)
	case position > 0 && h.Name == HeaderName, !slices.Contains([]string{HeaderName, KeysName, KeyFileName}, h.Name):
		err = errors.New("unknown")
	}
	if err == nil && h.Typeflag != tar.TypeReg {
		err = errors.New("not a file")
	}
	if err == nil && h.Size > limit {
		err = fmt.Errorf("%d bytes, at most %d", h.Size, limit)
	}
	if err != nil {
		return fmt.Errorf("member %q: %w", h.Name, err)
	}
	return nil
}

func checkManifest(r io.Reader, size int64, seen []Member) error {
	if size > maxManifest {
		return fmt.Errorf("manifest of %d bytes, at most %d", size, maxManifest)
	}
	var list manifest
	data, err := io.ReadAll(r)
	if err == nil {
		err = json.Unmarshal(data, &list)
	}
	if err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if len(list.Members) != len(seen) {
		return fmt.Errorf("the manifest has %d members, the backup %d", len(list.Members), len(seen))
	}
	names := make(map[string]bool, len(seen))
	for i, m := range seen {
		if m != list.Members[i] {
			return fmt.Errorf("member %q is not what the manifest says: it was changed", m.Name)
		}
		if names[m.Name] {
			return fmt.Errorf("member %q is there twice", m.Name)
		}
		names[m.Name] = true
	}
	return nil
}
