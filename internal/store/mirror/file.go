package mirror

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"

	"thaw/internal/store"
)

// The file is magic and then steps, each one
//
//	length   4 bytes, big endian: of the step's body
//	sum      4 bytes, big endian: CRC-32C of the body
//	body     kind, 1 byte; revision, 8 bytes, big endian; key length, 2 bytes,
//	         big endian; key; value
//
// A put replaces the record of its key, a delete ends it, a mark only raises the
// revision. What follows a step that is broken is cut off.
const magic = "THAWMIR1"

const (
	kindPut    = 1
	kindDelete = 2
	kindMark   = 3

	stepHeader = 8
	bodyHeader = 11
	// maxBody bounds a step: a record, sealed, with its key.
	maxBody = store.MaxValue + 64<<10
	// slack is how many dead bytes the file may have beyond those that live.
	slack = 8 << 20
)

// file is the mirror on the disk with what is known of it in memory.
type file struct {
	path  string
	f     *os.File
	state state
	size  int64 // of the whole file
	live  int64 // of the steps of the present records
	torn  bool  // a broken end was cut off
	alien bool  // what was there before is no mirror
}

func checksum(value []byte) uint64 {
	sum := sha256.Sum256(value)
	return binary.BigEndian.Uint64(sum[:])
}

// openFile reads a mirror, or begins one.
func openFile(path string) (*file, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	m := &file{path: path, f: f, state: state{marks: make(map[string]mark)}}
	if err := m.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), f.Close())
	}
	return m, nil
}

func (m *file) load() error {
	info, err := m.f.Stat()
	if err != nil {
		return err
	}
	r := bufio.NewReaderSize(m.f, 1<<20)
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(r, head); err != nil || string(head) != magic {
		if info.Size() > 0 {
			m.alien = true // a beginning is synced before anything follows it
			return nil
		}
		return m.begin()
	}
	m.size = int64(len(magic))
	for {
		body, err := readStep(r)
		if err != nil {
			break // the end, whole or torn
		}
		m.note(body)
		m.size += stepHeader + int64(len(body))
	}
	if m.torn = m.size != info.Size(); m.torn {
		// Synced, or a cut of the power could leave a new step before what was cut off.
		if err := errors.Join(m.f.Truncate(m.size), m.f.Sync()); err != nil {
			return err
		}
	}
	_, err = m.f.Seek(m.size, io.SeekStart)
	return err
}

// begin makes the file an empty mirror.
func (m *file) begin() error {
	if err := m.f.Truncate(0); err != nil {
		return err
	}
	_, err := m.f.WriteAt([]byte(magic), 0)
	m.size = int64(len(magic))
	if err == nil {
		_, err = m.f.Seek(m.size, io.SeekStart)
	}
	if err == nil {
		err = errors.Join(m.f.Sync(), syncDirectory(filepath.Dir(m.path)))
	}
	return err
}

// errAlien is a file whose beginning is not a mirror's.
var errAlien = errors.New("it does not begin as a copy of records does")

var errBroken = errors.New("broken step")

func readStep(r io.Reader) (body []byte, err error) {
	var header [stepHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(header[:])
	if length < bodyHeader || length > maxBody {
		return nil, errBroken
	}
	body = make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	keyLength := int(binary.BigEndian.Uint16(body[9:]))
	if sum(body) != binary.BigEndian.Uint32(header[4:]) || bodyHeader+keyLength > len(body) || body[0] < kindPut || body[0] > kindMark {
		return nil, errBroken
	}
	return body, nil
}

func sum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func split(body []byte) (kind byte, e store.Entry) {
	value := bodyHeader + int(binary.BigEndian.Uint16(body[9:]))
	return body[0], store.Entry{Key: string(body[bodyHeader:value]), Value: body[value:],
		Revision: store.Revision(binary.BigEndian.Uint64(body[1:]))}
}

// note takes a step into the state.
func (m *file) note(body []byte) {
	kind, e := split(body)
	m.state.newest = max(m.state.newest, e.Revision)
	if kind == kindMark {
		return
	}
	m.live -= int64(m.state.marks[e.Key].size)
	delete(m.state.marks, e.Key)
	if kind == kindPut {
		size := stepHeader + len(body)
		m.state.marks[e.Key] = mark{revision: e.Revision, sum: checksum(e.Value), size: size}
		m.live += int64(size)
	}
}

func encode(kind byte, e store.Entry) []byte {
	body := make([]byte, 0, bodyHeader+len(e.Key)+len(e.Value))
	body = append(body, kind)
	body = binary.BigEndian.AppendUint64(body, uint64(e.Revision))
	body = binary.BigEndian.AppendUint16(body, uint16(len(e.Key)))
	body = append(append(body, e.Key...), e.Value...)
	step := binary.BigEndian.AppendUint32(make([]byte, 0, stepHeader+len(body)), uint32(len(body)))
	step = binary.BigEndian.AppendUint32(step, sum(body))
	return append(step, body...)
}

// write appends steps and takes them into the state.
func (m *file) write(steps []byte) error {
	if _, err := m.f.Write(steps); err != nil {
		// Half a step would hide what comes after it.
		_, seekErr := m.f.Seek(m.size, io.SeekStart)
		return errors.Join(err, seekErr, m.f.Truncate(m.size))
	}
	r := bytes.NewReader(steps)
	for r.Len() > 0 {
		body, err := readStep(r)
		if err != nil {
			return err
		}
		m.note(body)
	}
	m.size += int64(len(steps))
	return nil
}

// apply writes one change.
func (m *file) apply(c store.Change) error {
	if c.Revision <= m.state.marks[c.Key].revision {
		return nil // known from the initial state
	}
	kind := byte(kindPut)
	if c.Deleted {
		kind = kindDelete
	}
	return m.write(encode(kind, c.Entry))
}

// catchUp writes what has changed since the file was written: in the order of the
// revisions, so that a file that ends early knows all up to its revision.
func (m *file) catchUp(now *snapshot) error {
	var steps []byte
	for key := range m.state.marks {
		if _, ok := now.entries[key]; !ok {
			steps = append(steps, encode(kindDelete, store.Entry{Key: key, Revision: m.state.newest})...)
		}
	}
	for _, e := range m.missing(now) {
		if steps = append(steps, encode(kindPut, e)...); len(steps) > 1<<20 {
			if err := m.write(steps); err != nil {
				return err
			}
			steps = steps[:0]
		}
	}
	// Last: before it the file does not claim to know the store's revision.
	if now.newest > m.state.newest || len(steps) > 0 {
		steps = append(steps, encode(kindMark, store.Entry{Revision: now.newest})...)
	}
	if len(steps) == 0 {
		return nil
	}
	if err := m.write(steps); err != nil {
		return err
	}
	if err := m.compact(); err != nil {
		return err
	}
	return m.f.Sync()
}

// lost lists what a store that was damaged has to get back to be as the mirror, or
// later: records with their values, and those that had been deleted.
func (m *file) lost(now *snapshot) (put []store.Entry, deleted []string, err error) {
	wanted := make(map[string]store.Revision)
	for key, was := range m.state.marks {
		is, ok := now.entries[key]
		if !ok || is.Revision < was.revision || is.Revision <= m.state.newest && (is.Revision != was.revision || checksum(is.Value) != was.sum) {
			wanted[key] = was.revision
		}
	}
	for key, is := range now.entries {
		if _, ok := m.state.marks[key]; !ok && is.Revision <= m.state.newest {
			deleted = append(deleted, key)
		}
	}
	r := bufio.NewReaderSize(io.NewSectionReader(m.f, int64(len(magic)), m.size-int64(len(magic))), 1<<20)
	for {
		body, err := readStep(r)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		if kind, e := split(body); kind == kindPut && wanted[e.Key] == e.Revision && e.Revision > 0 {
			put = append(put, e)
			delete(wanted, e.Key)
		}
	}
	if len(wanted) > 0 {
		return nil, nil, fmt.Errorf("%d records are not in their copy", len(wanted))
	}
	slices.Sort(deleted)
	slices.SortFunc(put, func(a, b store.Entry) int { return cmp.Compare(a.Revision, b.Revision) })
	return put, deleted, nil
}

// missing lists the records that the file does not have, the oldest first.
func (m *file) missing(now *snapshot) []store.Entry {
	var list []store.Entry
	for key, e := range now.entries {
		if m.state.marks[key].revision != e.Revision {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b store.Entry) int { return cmp.Compare(a.Revision, b.Revision) })
	return list
}

// compact writes the live steps to a new file when too much of it is dead.
func (m *file) compact() error {
	if m.size <= 2*m.live+slack {
		return nil
	}
	tmp, err := os.OpenFile(m.path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	fresh := &file{path: m.path, f: tmp, state: state{marks: make(map[string]mark)}}
	err = fresh.copyLive(m)
	if err == nil {
		err = errors.Join(tmp.Sync(), os.Rename(m.path+".new", m.path), syncDirectory(filepath.Dir(m.path)))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("compact: %w", err), tmp.Close(), remove(m.path+".new"))
	}
	old := m.f
	*m = *fresh
	return old.Close()
}

func (m *file) copyLive(from *file) error {
	if err := m.begin(); err != nil {
		return err
	}
	r := bufio.NewReaderSize(io.NewSectionReader(from.f, int64(len(magic)), from.size-int64(len(magic))), 1<<20)
	w := bufio.NewWriterSize(m.f, 1<<20)
	put := func(step []byte) error {
		_, err := w.Write(step)
		m.note(step[stepHeader:])
		m.size += int64(len(step))
		return err
	}
	for {
		body, err := readStep(r)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		kind, e := split(body)
		if known, ok := from.state.marks[e.Key]; !ok || kind != kindPut || known.revision != e.Revision {
			continue
		}
		if err := put(encode(kind, e)); err != nil {
			return err
		}
	}
	if err := put(encode(kindMark, store.Entry{Revision: from.state.newest})); err != nil {
		return err
	}
	return w.Flush()
}

// close syncs and closes; a file that was never opened is closed.
func (m *file) close() error {
	if m == nil {
		return nil
	}
	return errors.Join(m.f.Sync(), m.f.Close())
}

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
