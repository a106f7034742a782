package metrics

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// The file of an hour that is closed: chunks of points, each of one series; the index,
// sorted by key; the places of its entries; a footer.
const (
	hourMagic  = "thawhr1\n"
	footerSize = 8 + 8 + 4 + 4 + 8 // index, places, entries, checksum, magic
	maxEntries = 1 << 24
)

// writeHour writes the file of an hour in one step, and returns its size.
func writeHour(dir string, h *hour) (size int64, err error) {
	path := filepath.Join(dir, hourName(h.start)+hourSuffix)
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	data := encodeHour(h.points)
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return 0, errors.Join(err, os.Remove(path+".new"))
	}
	if err := os.Rename(path+".new", path); err != nil {
		return 0, err
	}
	return int64(len(data)), syncDir(dir)
}

// encodeHour makes a file; docs/file-formats.md shows the bytes.
func encodeHour(points map[string][]byte) []byte {
	keys := slices.Sorted(maps.Keys(points))
	out := []byte(hourMagic)
	var index, places []byte
	for _, key := range keys {
		chunk := points[key]
		places = binary.LittleEndian.AppendUint32(places, uint32(len(index)))
		index = binary.AppendUvarint(index, uint64(len(key)))
		index = append(index, key...)
		index = binary.AppendUvarint(index, uint64(len(out)))
		index = binary.AppendUvarint(index, uint64(len(chunk)))
		index = binary.LittleEndian.AppendUint32(index, crc32.Checksum(chunk, castagnoli))
		out = append(out, chunk...)
	}
	at := len(out)
	out = append(append(out, index...), places...)
	sum := crc32.Checksum(out[at:], castagnoli)
	out = binary.LittleEndian.AppendUint64(out, uint64(at))
	out = binary.LittleEndian.AppendUint64(out, uint64(at+len(index)))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(keys)))
	out = binary.LittleEndian.AppendUint32(out, sum)
	return append(out, hourMagic...)
}

// hourFile is a closed hour that is being read.
type hourFile struct {
	file          io.ReaderAt
	index, places int64
	entries       int
	sum           uint32
}

var errDamaged = errors.New("damaged")

// openHour reads the footer of a file.
func openHour(f io.ReaderAt, size int64) (*hourFile, error) {
	var footer [footerSize]byte
	if size < int64(len(hourMagic)+footerSize) {
		return nil, fmt.Errorf("%w: too short", errDamaged)
	}
	if _, err := f.ReadAt(footer[:], size-footerSize); err != nil {
		return nil, err
	}
	h := &hourFile{
		file: f, index: int64(binary.LittleEndian.Uint64(footer[:])), places: int64(binary.LittleEndian.Uint64(footer[8:])),
		entries: int(binary.LittleEndian.Uint32(footer[16:])), sum: binary.LittleEndian.Uint32(footer[20:]),
	}
	end := size - footerSize
	if string(footer[24:]) != hourMagic || h.index < int64(len(hourMagic)) || h.places < h.index || h.entries > maxEntries || h.places+int64(h.entries)*4 != end {
		return nil, fmt.Errorf("%w: no such footer", errDamaged)
	}
	return h, nil
}

// verify reads the whole index and checks it.
func (h *hourFile) verify() error {
	data := make([]byte, h.places+int64(h.entries)*4-h.index)
	if _, err := h.file.ReadAt(data, h.index); err != nil {
		return err
	}
	if crc32.Checksum(data, castagnoli) != h.sum {
		return fmt.Errorf("%w: the index has another checksum", errDamaged)
	}
	return nil
}

// entry is one of the index.
type entry struct {
	key          string
	offset, size int64
	sum          uint32
}

// maxEntry bounds an entry: names are far shorter.
const maxEntry = 4 << 10

func (h *hourFile) entry(i int) (entry, error) {
	var place [4]byte
	if _, err := h.file.ReadAt(place[:], h.places+int64(i)*4); err != nil {
		return entry{}, err
	}
	at := h.index + int64(binary.LittleEndian.Uint32(place[:]))
	if at >= h.places {
		return entry{}, fmt.Errorf("%w: entry %d", errDamaged, i)
	}
	data := make([]byte, min(maxEntry, h.places-at))
	if _, err := h.file.ReadAt(data, at); err != nil {
		return entry{}, err
	}
	r := &reading{data: data}
	e := entry{key: r.text(r.uvarint()), offset: int64(r.uvarint()), size: int64(r.uvarint())}
	if r.bad || len(r.data) < 4 || e.offset < 0 || e.size < 0 || e.offset+e.size > h.index {
		return entry{}, fmt.Errorf("%w: entry %d", errDamaged, i)
	}
	e.sum = binary.LittleEndian.Uint32(r.data)
	return e, nil
}

// find calls f for the chunks of the series whose keys begin with a prefix, in order.
func (h *hourFile) find(prefix string, f func(key string, chunk []byte)) error {
	var failed error
	first := sort.Search(h.entries, func(i int) bool {
		e, err := h.entry(i)
		if err != nil {
			failed = err
		}
		return e.key >= prefix
	})
	for i := first; i < h.entries && failed == nil; i++ {
		e, err := h.entry(i)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(e.key, prefix) {
			break
		}
		chunk := make([]byte, e.size)
		if _, err := h.file.ReadAt(chunk, e.offset); err != nil {
			return err
		}
		if crc32.Checksum(chunk, castagnoli) != e.sum {
			return fmt.Errorf("%w: the points of %q", errDamaged, e.key)
		}
		f(e.key, chunk)
	}
	return failed
}

// keys lists all series.
func (h *hourFile) keys(f func(key string)) error {
	for i := range h.entries {
		e, err := h.entry(i)
		if err != nil {
			return err
		}
		f(e.key)
	}
	return nil
}
