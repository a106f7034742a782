package logstore

import (
	"container/list"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// group is the files of one log group and, while it is loaded, their index.
type group struct {
	id    uint64
	dir   string
	store *Store

	// Guarded by Store.mu.
	state   groupState
	pins    int           // uses under way; a pinned group stays loaded
	element *list.Element // in Store.recent

	bytes atomic.Int64 // on disk, as the sweep and the writer know it

	mu       sync.Mutex
	gone     bool // deleted
	loaded   bool
	segments []*segment // by number
	file     *os.File   // of the last segment, nil if that is sealed
	ids      map[string]uint32
	streams  map[string]*streamStat
	hidden   map[string]uint64 // deleted streams: events below this number are gone
	next     uint64            // number of the next event
}

// groupState is what the catalogue keeps of a group.
type groupState struct {
	ID        uint64            `json:"id"`
	Name      string            `json:"name"`
	Created   int64             `json:"created"`
	Retention int               `json:"retention,omitempty"` // days; 0 is for ever
	Class     string            `json:"class,omitempty"`
	Protected bool              `json:"protected,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
	Deleted   bool              `json:"deleted,omitempty"`
}

// incoming is one event on its way to a file.
type incoming struct {
	group, stream string
	at            int64
	message       string
}

// load reads the index of the group's files. The caller holds g.mu.
func (g *group) load() error {
	if g.gone {
		return ErrNoGroup
	}
	if g.loaded {
		return nil
	}
	g.segments, g.next = nil, 1
	entries, err := os.ReadDir(g.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	sealed := true
	for _, entry := range entries { // sorted by name, which is by number
		if _, ok := segmentBase(entry.Name()); !ok {
			continue
		}
		one, hasIndex, err := g.loadSegment(filepath.Join(g.dir, entry.Name()))
		if err != nil {
			return err
		}
		if one != nil {
			g.segments, sealed = append(g.segments, one), hasIndex
			g.next = max(g.next, one.Base+one.Count)
		}
	}
	if n := len(g.segments); n > 0 && !sealed {
		if g.file, err = os.OpenFile(g.segments[n-1].path, os.O_WRONLY|os.O_APPEND, 0); err != nil {
			return err
		}
	}
	g.loaded = true
	g.rebuild()
	return nil
}

// loadSegment returns nil for a file that is no segment, which is put aside: it
// must not cost the function its further log.
func (g *group) loadSegment(path string) (one *segment, sealed bool, err error) {
	one, cut, sealed, err := openSegment(path)
	if errors.Is(err, errForeign) {
		g.store.log.Error("a segment of a log is damaged and put aside", "segment", path+damagedSuffix)
		return nil, false, os.Rename(path, path+damagedSuffix)
	}
	if cut > 0 {
		g.store.log.Warn("cut off the torn tail of a log", "segment", path, "bytes", cut)
	}
	return one, sealed, err
}

// rebuild gathers the streams from the segments.
func (g *group) rebuild() {
	g.streams, g.hidden, g.ids = map[string]*streamStat{}, map[string]uint64{}, map[string]uint32{}
	var total int64
	for i, s := range g.segments {
		total += s.Size
		for _, d := range s.Deleted {
			delete(g.streams, d.Name)
			g.hidden[d.Name] = d.Before
		}
		for id, stat := range s.Streams {
			if stat.Dead {
				continue
			}
			g.merge(stat)
			if i == len(g.segments)-1 {
				g.ids[stat.Name] = uint32(id)
			}
		}
	}
	g.setBytes(total)
}

func (g *group) merge(stat streamStat) {
	known := g.streams[stat.Name]
	if known == nil {
		g.streams[stat.Name] = &stat
		return
	}
	known.Created = min(known.Created, stat.Created)
	known.First, known.Last = min(known.First, stat.First), max(known.Last, stat.Last)
	known.Ingested = max(known.Ingested, stat.Ingested)
	known.Bytes += stat.Bytes
}

func (g *group) setBytes(total int64) {
	g.store.total.Add(total - g.bytes.Swap(total))
}

// unload gives back memory and the open file. What was written stays.
func (g *group) unload() {
	if g.file != nil {
		g.file.Close() // nothing is buffered
	}
	g.file, g.loaded, g.segments, g.streams, g.hidden, g.ids = nil, false, nil, nil, nil, nil
}

// append writes events and returns them with their numbers, and how many are in a
// file. After an error the group is loaded anew from what the files hold. The
// caller holds g.mu.
func (g *group) append(events []incoming, now int64) (numbered []Event, written int, err error) {
	defer func() {
		if err != nil {
			g.unload()
		}
	}()
	if err := g.load(); err != nil {
		return nil, 0, err
	}
	var buf []byte
	for _, e := range events {
		if g.file == nil || g.full(now) {
			if err := g.write(buf); err != nil {
				return numbered, written, err
			}
			buf, written = buf[:0], len(numbered)
			if err := g.rotate(now); err != nil {
				return numbered, written, err
			}
		}
		if buf, err = g.encode(buf, e, now); err != nil {
			return numbered, written, err
		}
		numbered = append(numbered, Event{Seq: g.next, Stream: e.stream, At: time.UnixMilli(e.at), Ingested: time.UnixMilli(now), Message: e.message, group: g.id})
		g.next++
	}
	if err := g.write(buf); err != nil {
		return numbered, written, err
	}
	return numbered, len(numbered), nil
}

func (g *group) active() *segment { return g.segments[len(g.segments)-1] }

// full tells whether the active segment is to be sealed before the next event.
func (g *group) full(now int64) bool {
	s := g.active()
	return s.Count > 0 && (s.Size >= g.store.opts.SegmentBytes || now-s.Created >= segmentAge.Milliseconds())
}

// encode adds an event to buf, and its stream before its first event.
func (g *group) encode(buf []byte, e incoming, now int64) ([]byte, error) {
	id, known := g.ids[e.stream]
	var err error
	if !known {
		if buf, id, err = g.encodeStream(buf, e.stream, now); err != nil {
			return nil, err
		}
	}
	stat := g.streams[e.stream]
	stat.First, stat.Last = min(stat.First, e.at), max(stat.Last, e.at)
	stat.Ingested, stat.Bytes = max(stat.Ingested, now), stat.Bytes+int64(len(e.message))
	return g.encodeRecord(buf, record{kind: kindEvent, number: uint64(id), at: e.at, ingested: now, text: []byte(e.message)})
}

// encodeStream names a stream in the active segment; one that is in earlier ones
// keeps the time of its creation.
func (g *group) encodeStream(buf []byte, name string, now int64) ([]byte, uint32, error) {
	s := g.active()
	id := uint32(len(s.Streams))
	stat := g.streams[name]
	if stat == nil {
		stat = &streamStat{Name: name, Created: now, First: math.MaxInt64, Last: math.MinInt64}
		g.streams[name] = stat
	}
	g.ids[name] = id
	buf, err := g.encodeRecord(buf, record{kind: kindStream, number: uint64(id), at: stat.Created, text: []byte(name)})
	return buf, id, err
}

func (g *group) encodeRecord(buf []byte, r record) ([]byte, error) {
	start := len(buf)
	buf = appendRecord(buf, r)
	return buf, g.active().apply(r, int64(len(buf)-start))
}

func (g *group) write(buf []byte) error {
	if len(buf) == 0 {
		return nil
	}
	if _, err := g.file.Write(buf); err != nil {
		return err
	}
	g.store.total.Add(int64(len(buf)))
	g.bytes.Add(int64(len(buf)))
	return nil
}

// rotate seals the active segment and begins the next one.
func (g *group) rotate(now int64) error {
	if err := g.seal(); err != nil {
		return err
	}
	if err := os.MkdirAll(g.dir, 0o700); err != nil {
		return err
	}
	s := &segment{path: filepath.Join(g.dir, segmentName(g.next)), Size: int64(len(magic))}
	file, err := os.OpenFile(s.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("begin a segment: %w", err)
	}
	g.file, g.segments, g.ids = file, append(g.segments, s), map[string]uint32{}
	buf, err := g.encodeRecord([]byte(magic), record{kind: kindHeader, number: g.next, at: now, text: []byte(g.name())})
	if err != nil {
		return err
	}
	if err := g.write(buf); err != nil {
		return err
	}
	g.trim()
	return nil
}

func (g *group) seal() error {
	if g.file == nil {
		return nil
	}
	s := g.active()
	if err := g.file.Sync(); err != nil {
		return err
	}
	if err := g.file.Close(); err != nil {
		return err
	}
	g.file = nil
	return s.writeIndex()
}

func (g *group) name() string { return g.state.Name } // never changes

// trim drops the oldest segments of a group that is too large.
func (g *group) trim() {
	if g.bytes.Load() > g.store.opts.GroupBytes {
		excess := g.bytes.Load() - g.store.opts.GroupBytes
		g.drop(func(s *segment) bool {
			excess -= s.Size
			return excess+s.Size > 0 // it was too much before this one
		})
	}
}

// drop deletes sealed segments from the oldest on, as long as doomed says so.
func (g *group) drop(doomed func(*segment) bool) (dropped int) {
	sealed := len(g.segments)
	if g.file != nil {
		sealed--
	}
	for dropped < sealed && doomed(g.segments[dropped]) {
		if err := removeSegment(g.segments[dropped].path); err != nil {
			g.store.log.Error("a segment of the log cannot be deleted", "group", g.name(), "error", err)
			break
		}
		dropped++
	}
	if dropped > 0 {
		g.segments = slices.Clone(g.segments[dropped:])
		g.rebuild()
		g.store.log.Debug("dropped the oldest events of a log", "group", g.name(), "segments", dropped)
	}
	return dropped
}

func removeSegment(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Remove(indexPath(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
