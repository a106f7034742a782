package logstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// magic begins every segment: its last byte is the version of the format.
const magic = "THAWLOG\x01"

const (
	segmentSuffix = ".log"
	indexSuffix   = ".idx"
	damagedSuffix = ".damaged"
	// blockBytes is the size at which a block is full.
	blockBytes = 32 << 10
	// blockStreams is how many streams a block names; one that has more is read
	// for every stream.
	blockStreams = 8
)

// segment is what is known of one file of events, without its messages.
type segment struct {
	path    string
	Base    uint64 // number of the first event
	Count   uint64
	Created int64 // milliseconds since 1970, as all times here
	Size    int64
	Blocks  []block
	Streams []streamStat // by id
	Deleted []deletion
}

// block is a run of frames.
type block struct {
	Offset, Length int64
	First, Last    int64 // times of its events
	Seq            uint64
	Streams        []uint32 // ids, sorted; none if there are too many to name
	Many           bool
}

// streamStat is what a segment holds of one stream.
type streamStat struct {
	Name     string
	Created  int64
	First    int64 // First > Last: no events
	Last     int64
	Ingested int64
	Bytes    int64
	Dead     bool // the stream was deleted in this segment
}

// deletion hides the events of a stream whose numbers are below Before.
type deletion struct {
	Name   string
	Before uint64
}

// errForeign is a file that does not begin as a segment does.
var errForeign = errors.New("it is not a log segment")

func segmentName(base uint64) string { return fmt.Sprintf("%016x%s", base, segmentSuffix) }

// segmentBase reads a segment's name.
func segmentBase(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	base, err := strconv.ParseUint(digits, 16, 64)
	return base, err == nil
}

// apply notes a record whose frame has size bytes and is the next of the file.
func (s *segment) apply(r record, size int64) error {
	switch r.kind {
	case kindHeader:
		s.Base, s.Created = r.number, r.at
	case kindStream:
		if r.number != uint64(len(s.Streams)) {
			return errRecord
		}
		s.Streams = append(s.Streams, streamStat{Name: string(r.text), Created: r.at, First: math.MaxInt64, Last: math.MinInt64})
	case kindDeletion:
		s.remove(string(r.text))
	case kindEvent:
		if r.number >= uint64(len(s.Streams)) {
			return errRecord
		}
		s.event(r, size)
	}
	s.Size += size
	return nil
}

func (s *segment) remove(name string) {
	for i := range s.Streams {
		if s.Streams[i].Name == name {
			s.Streams[i].Dead = true
		}
	}
	s.Deleted = append(s.Deleted, deletion{name, s.Base + s.Count})
}

func (s *segment) event(r record, size int64) {
	stat := &s.Streams[r.number]
	stat.First, stat.Last = min(stat.First, r.at), max(stat.Last, r.at)
	stat.Ingested = max(stat.Ingested, r.ingested)
	stat.Bytes += int64(len(r.text))
	if n := len(s.Blocks); n == 0 || s.Blocks[n-1].Length >= blockBytes {
		s.Blocks = append(s.Blocks, block{Offset: s.Size, First: r.at, Last: r.at, Seq: s.Base + s.Count})
	}
	b := &s.Blocks[len(s.Blocks)-1]
	b.Length = s.Size + size - b.Offset
	b.First, b.Last = min(b.First, r.at), max(b.Last, r.at)
	b.name(uint32(r.number))
	s.Count++
}

func (b *block) name(id uint32) {
	i, found := slices.BinarySearch(b.Streams, id)
	switch {
	case found || b.Many:
	case len(b.Streams) == blockStreams:
		b.Streams, b.Many = nil, true
	default:
		// A search may hold the old list.
		b.Streams = slices.Insert(slices.Clone(b.Streams), i, id)
	}
}

// scan reads a segment's whole content. What cannot be read ends it; torn tells
// how many bytes that is.
func scan(path string, data []byte) (s *segment, torn int64, err error) {
	if len(data) < len(magic) || string(data[:len(magic)]) != magic {
		return nil, 0, fmt.Errorf("read %s: %w", path, errForeign)
	}
	s = &segment{path: path, Size: int64(len(magic))}
	for rest := data[len(magic):]; ; {
		payload, after, err := nextFrame(rest)
		if err == nil && payload == nil {
			return s, 0, nil
		}
		var r record
		if err == nil {
			r, err = decodeRecord(payload)
		}
		if err == nil {
			err = s.apply(r, int64(len(rest)-len(after)))
		}
		if err != nil {
			return s, int64(len(rest)), nil
		}
		rest = after
	}
}

// openSegment learns what a file holds, from its index if that fits. A torn tail
// is cut off.
func openSegment(path string) (s *segment, cut int64, sealed bool, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, false, err
	}
	if s := readIndex(path, info.Size()); s != nil {
		return s, 0, true, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, 0, false, err
	}
	s, cut, err = scan(path, data)
	if err != nil {
		return nil, 0, false, err
	}
	if cut > 0 {
		if err := os.Truncate(path, s.Size); err != nil {
			return nil, 0, false, fmt.Errorf("cut off a torn tail: %w", err)
		}
	}
	return s, cut, false, nil
}

func indexPath(path string) string { return strings.TrimSuffix(path, segmentSuffix) + indexSuffix }

// writeIndex saves what is known of a sealed segment: one frame of JSON. It is a
// cache; without it the segment is scanned.
func (s *segment) writeIndex() error {
	content, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if len(content) > maxFrame {
		return nil // of tens of thousands of streams: it takes as long to read as the segment
	}
	frame := endFrame(append(beginFrame(nil), content...), 0)
	return writeFile(indexPath(s.path), frame)
}

// readIndex returns nil unless the index is whole and of a segment of that size.
func readIndex(path string, size int64) *segment {
	data, err := os.ReadFile(indexPath(path))
	if err != nil {
		return nil
	}
	payload, rest, err := nextFrame(data)
	if err != nil || len(payload) == 0 || len(rest) > 0 {
		return nil
	}
	s := &segment{}
	if json.Unmarshal(payload, s) != nil || s.Size != size || !s.sound() {
		return nil
	}
	s.path = path
	return s
}

// sound tells whether an index can be searched without harm.
func (s *segment) sound() bool {
	for _, b := range s.Blocks {
		if b.Offset < 0 || b.Length < 0 || b.Offset > s.Size || b.Length > s.Size-b.Offset {
			return false
		}
	}
	return true
}

// writeFile replaces a file in one step.
func writeFile(path string, content []byte) error {
	temp := path + ".new"
	if err := os.WriteFile(temp, content, 0o600); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return fmt.Errorf("replace %s: %w", filepath.Base(path), err)
	}
	return nil
}
