package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The mark is what the journal is known to hold, in a file of its own:
//
//	"THAWEVM1", salt u64, first u64, last u64, puts u64, sum u32, 0 u32
//
// first is the oldest group that has to be there; last is the newest one that was
// acknowledged, and puts its count of put records.
//
// It is written after each group is on the disk and before its callers are
// answered, without a sync: a power cut may leave an older mark, never one that is
// ahead of the journal. It is synced before a segment is removed, so that first is
// never behind what is there. Its 48 bytes lie in one sector, which a disk writes
// as a whole.
type mark struct {
	salt, first, last, puts uint64
}

const (
	markMagic = "THAWEVM1"
	markSize  = 48
	markFile  = "journal.mark"
)

func (m mark) encode() []byte {
	b := append(make([]byte, 0, markSize), markMagic...)
	for _, v := range []uint64{m.salt, m.first, m.last, m.puts} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	b = binary.BigEndian.AppendUint32(b, checksum(m.salt, b))
	return binary.BigEndian.AppendUint32(b, 0)
}

var errMark = errors.New("the mark is damaged")

func decodeMark(b []byte) (m mark, err error) {
	if len(b) != markSize || string(b[:8]) != markMagic {
		return mark{}, errMark
	}
	m = mark{
		salt:  binary.BigEndian.Uint64(b[8:]),
		first: binary.BigEndian.Uint64(b[16:]),
		last:  binary.BigEndian.Uint64(b[24:]),
		puts:  binary.BigEndian.Uint64(b[32:]),
	}
	if checksum(m.salt, b[:40]) != binary.BigEndian.Uint32(b[40:]) || binary.BigEndian.Uint32(b[44:]) != 0 {
		return mark{}, errMark
	}
	return m, nil
}

// readMark is fs.ErrNotExist where there is none, errMark for a damaged one.
func readMark(dir string) (mark, error) {
	b, err := os.ReadFile(filepath.Join(dir, markFile))
	if err != nil {
		return mark{}, err
	}
	return decodeMark(b)
}

// createMark writes a mark that is durable with its name, and keeps it open.
func createMark(dir string, m mark) (*os.File, error) {
	path := filepath.Join(dir, markFile)
	f, err := os.OpenFile(path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err = f.Write(m.encode()); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		err = syncDirectory(dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create %s: %w", markFile, err), f.Close(), remove(path+".new"))
	}
	return f, nil
}

// remove deletes a file that may not be there.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
