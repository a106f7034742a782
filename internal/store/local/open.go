package local

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	crand "crypto/rand"

	"thaw/internal/store/damage"
)

// liveEvent is an event of the journal, without its body.
type liveEvent struct {
	record
	sequence uint64 // of its group
}

// openJournal reads all segments and returns the live events by queue and ID.
func openJournal(o Options) (*journal, map[string]map[string]liveEvent, error) {
	j := &journal{
		root:   o.Dir,
		dir:    filepath.Join(o.Dir, "journal"),
		logger: o.Logger,
		now:    o.Now,
		slack:  o.Slack,
		limit:  o.GroupRecords,
		calls:  make(chan *call),
		done:   make(chan struct{}),
		spots:  make(map[string]map[string]spot),
		damage: damage.In(o.Dir),
	}
	if err := makeDirectory(j.dir); err != nil {
		return nil, nil, err
	}
	l := &loader{journal: j, live: make(map[string]map[string]liveEvent), names: make(map[string]string)}
	if err := l.load(); err != nil {
		return nil, nil, errors.Join(err, j.closeFiles())
	}
	return j, l.live, nil
}

// begin has the journal take what is written to it.
func (j *journal) begin(r *records) {
	j.table = r
	j.ended.Go(j.run)
}

// keep has a file among the evidence if that can be: it is no reason not to start.
func (j *journal) keep(path string, at time.Time) (kept string) {
	kept, err := j.damage.Keep(path, at)
	if err != nil {
		j.logger.Warn("damaged file not kept", slog.Any("error", err))
	}
	return kept
}

// name is a path within the store's directory.
func (j *journal) name(path string) string {
	name, err := filepath.Rel(j.root, path)
	if err != nil {
		return path
	}
	return name
}

// loader reads a journal: what is there into the journal's state, and what is not
// into findings.
type loader struct {
	*journal
	live  map[string]map[string]liveEvent
	names map[string]string // of queues and partitions, each once in memory
	known []damage.Finding  // of earlier starts
	found []damage.Finding

	last, puts uint64 // of the last group read
	whole      bool   // the last segment has its room, and nothing behind its last group
}

func (l *loader) load() error {
	var err error
	if l.known, err = l.damage.Read(); err != nil {
		return err
	}
	marked, markErr := readMark(l.root)
	if markErr != nil && !errors.Is(markErr, fs.ErrNotExist) && !errors.Is(markErr, errMark) {
		return markErr
	}
	numbers, err := l.list()
	if err != nil {
		return err
	}
	if markErr == nil {
		// Older ones are of before a cut of the power that undid their removal.
		if numbers, err = l.removeBefore(numbers, marked.first); err != nil {
			return err
		}
		l.mark = marked
	} else if err := l.withoutMark(numbers, markErr); err != nil {
		return err
	}
	l.last = l.mark.first - 1
	for i, first := range numbers {
		limit := ^uint64(0)
		if i+1 < len(numbers) {
			limit = numbers[i+1] - 1
		}
		if err := l.read(first, limit); err != nil {
			return err
		}
	}
	// A segment is begun when all before it is on the disk: its name is a mark too.
	if n := len(numbers); n > 0 && numbers[n-1] > l.mark.last+1 && l.last < numbers[n-1]-1 {
		l.mark.last, l.mark.puts = numbers[n-1]-1, l.puts+maxEvents // how many is not known
	}
	if l.last < l.mark.last {
		l.whole = false
		if err := l.missing(l.last+1, l.mark.last, l.mark.puts-min(l.puts, l.mark.puts)); err != nil {
			return err
		}
		l.last, l.puts = l.mark.last, max(l.puts, l.mark.puts)
	}
	if err := l.resume(); err != nil {
		return err
	}
	l.mark.last, l.mark.puts = l.last, l.puts
	// What is found is told and on the disk before the mark knows of it no more.
	if err := l.report(l.found...); err != nil {
		return err
	}
	if markErr == nil && marked.salt == l.mark.salt {
		// In its place: a disk that is full has room for that.
		if l.marked, err = os.OpenFile(filepath.Join(l.root, markFile), os.O_RDWR, 0); err == nil {
			err = errors.Join(l.writeMark(), l.marked.Sync())
		}
		return err
	}
	l.marked, err = createMark(l.root, l.mark)
	return err
}

// list returns the numbers of the segments' names, in order.
func (l *loader) list() (numbers []uint64, err error) {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if first, ok := segmentNumber(e.Name()); ok {
			numbers = append(numbers, first)
		} else if e.Name() == spareFile {
			if err := l.reuseSpare(); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// reuseSpare takes the spare segment of an earlier life: on a disk that is full there
// would be no other, for the ends of what waits. Nothing was ever written to it but a
// header.
func (l *loader) reuseSpare() error {
	path := filepath.Join(l.dir, spareFile)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() != segmentSize {
		return remove(path)
	}
	l.spare, err = os.OpenFile(path, os.O_RDWR, 0)
	return err
}

func (l *loader) removeBefore(numbers []uint64, first uint64) ([]uint64, error) {
	n, _ := slices.BinarySearch(numbers, first)
	for _, old := range numbers[:n] {
		if err := remove(segmentPath(l.dir, old)); err != nil {
			return nil, err
		}
	}
	return numbers[n:], nil
}

// withoutMark begins a journal, or goes by the segments alone.
func (l *loader) withoutMark(numbers []uint64, reason error) error {
	l.mark = mark{salt: newSalt(), first: 1}
	if len(numbers) > 0 {
		l.mark.first = numbers[0]
		l.mark.last = numbers[0] - 1
		if salt, ok := l.anySalt(numbers); ok {
			l.mark.salt = salt
		}
	} else if errors.Is(reason, fs.ErrNotExist) {
		return nil // a new journal
	}
	finding := damage.Finding{At: l.now(), File: markFile,
		What: "the mark of the journal is missing: that its end is complete cannot be told"}
	if errors.Is(reason, errMark) {
		finding.What = "the mark of the journal is damaged: that its end is complete cannot be told"
		finding.Kept = l.keep(filepath.Join(l.root, markFile), finding.At)
	}
	l.found = append(l.found, finding)
	return nil
}

func (l *loader) anySalt(numbers []uint64) (uint64, bool) {
	for _, first := range numbers {
		head := make([]byte, segmentHeader)
		f, err := os.Open(segmentPath(l.dir, first))
		if err != nil {
			continue
		}
		_, err = f.ReadAt(head, 0)
		if err := errors.Join(err, f.Close()); err != nil {
			continue
		}
		if _, salt, err := decodeSegmentHeader(head); err == nil {
			return salt, true
		}
	}
	return 0, false
}

func newSalt() uint64 {
	var b [8]byte
	if _, err := crand.Read(b[:]); err != nil {
		return rand.Uint64()
	}
	return binary.BigEndian.Uint64(b[:])
}

// read takes in one segment: its groups up to limit, for those behind it are in the
// next segment anew.
func (l *loader) read(first, limit uint64) error {
	path := segmentPath(l.dir, first)
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := l.checkHeader(path, b, first); err != nil {
		return err
	}
	s := &segment{path: path, first: first, size: segmentHeader}
	l.segments = append(l.segments, s)
	clean, err := scan(b, l.mark.salt, l.last, func(g group) error {
		if g.number > limit {
			return nil
		}
		records, err := decodeGroup(g.records)
		if err != nil {
			return fmt.Errorf("group %d: %w", g.number, err)
		}
		if g.number > l.last+1 {
			puts := l.puts
			for _, r := range records {
				if r.op == opPut {
					puts++
				}
			}
			if err := l.missing(l.last+1, g.number-1, g.puts-min(g.puts, puts)); err != nil {
				return err
			}
		}
		l.last, l.puts = g.number, g.puts
		s.size = int64(g.offset + len(g.records))
		l.take(s, g, records)
		return nil
	})
	if err != nil {
		return fmt.Errorf("segment %s: %w", filepath.Base(path), err)
	}
	l.whole = clean && len(b) == segmentSize && len(l.found) == 0
	return nil
}

// resume makes the last segment durable as it was read, for a process that was killed
// may not have come to that; and goes on with it if it can: its room is there.
func (l *loader) resume() error {
	if len(l.segments) == 0 {
		return nil
	}
	f, err := os.OpenFile(l.segments[len(l.segments)-1].path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil || !l.whole {
		return errors.Join(err, f.Close())
	}
	l.active = f
	return nil
}

// checkHeader reports a header that is not the one that was written. The groups have
// sums of their own.
func (l *loader) checkHeader(path string, b []byte, first uint64) error {
	named, salt, err := decodeSegmentHeader(b)
	if err == nil && named == first && salt == l.mark.salt {
		return nil
	}
	f := damage.Finding{At: l.now(), File: l.name(path), What: "the header of a segment is damaged"}
	for _, old := range l.known {
		if old.File == f.File && old.What == f.What {
			return nil
		}
	}
	f.Kept = l.keep(path, f.At)
	l.found = append(l.found, f)
	return nil
}

// missing reports groups that were acknowledged and are not there, with at most so
// many events. What was damaged before them, and what follows, is kept aside.
func (l *loader) missing(from, to, events uint64) error {
	for _, old := range l.known {
		if old.From == from && old.To == to {
			return nil
		}
	}
	f := damage.Finding{At: l.now(), File: l.name(l.dir), From: from, To: to, Events: events,
		What: fmt.Sprintf("%d groups of the journal are damaged or missing", to-from+1)}
	for _, s := range l.segments[max(0, len(l.segments)-2):] {
		f.File, f.Kept = l.name(s.path), l.keep(s.path, f.At)
	}
	l.found = append(l.found, f)
	return nil
}

// take takes a group's records into the state.
func (l *loader) take(s *segment, g group, records []record) {
	for i := range records {
		r := &records[i]
		r.queue, r.event.Partition = l.intern(r.queue), l.intern(r.event.Partition)
		switch r.op {
		case opPut:
			e := liveEvent{record: *r, sequence: g.number}
			if e.event.Body = nil; r.queue == recordsQueue {
				e.event.Body = bytes.Clone(r.event.Body)
			}
			if l.live[r.queue] == nil {
				l.live[r.queue] = make(map[string]liveEvent)
			}
			l.live[r.queue][r.id] = e
		case opDone:
			delete(l.live[r.queue], r.id)
		case opPurge:
			delete(l.live, r.queue)
		}
	}
	l.apply(s, int64(g.offset), g.records, records)
}

// intern gives equal names one place in memory.
func (l *loader) intern(name string) string {
	if same, ok := l.names[name]; ok {
		return same
	}
	l.names[name] = name
	return name
}
