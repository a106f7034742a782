package local

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"thaw/internal/store"
	"thaw/internal/store/damage"
)

const (
	// groupRecords is how many records share one group by default, and so one sync of
	// the disk. A call's own records are never parted, so a group may be larger by one
	// call.
	groupRecords = 1024
	// groupBytes bounds what is gathered; one call is below it.
	groupBytes = maxGroup - 1<<20
)

// journal is the memory of records and queues on the disk. One goroutine writes; it also removes
// what is dead at the front, and moves what keeps it from doing so to the end.
type journal struct {
	root   string // of the store
	dir    string // of the segments
	logger *slog.Logger
	now    func() time.Time
	slack  int64 // bytes
	limit  int   // records of a group
	calls  chan *call
	done   chan struct{} // closed when the goroutine is to end
	ended  sync.WaitGroup

	// Of the writing goroutine, and of open before it:
	held   *call // taken from calls, but of the next group
	mark   mark
	marked *os.File // the mark's
	active *os.File // the last segment's, nil before the first write
	spare  *os.File // the next one's, nil if the disk has no room for it
	buffer []byte
	tried  time.Time // when a spare was last tried to be made
	full   bool      // that was told
	moving []record  // of the first segment, to be written anew
	table  *records

	mu       sync.Mutex
	segments []*segment                 // the oldest first
	spots    map[string]map[string]spot // of the live events, by queue and ID

	reporting sync.Mutex
	damage    damage.Log
}

// spot is where a live event's record lies.
type spot struct {
	segment *segment
	offset  int64
	size    int32
	sum     uint32 // of the record's bytes
}

// call is one caller's records, and then their outcome.
type call struct {
	records []record
	// change is for calls that write a record: what they do to the table, if the
	// record's revision is still expect.
	change *store.Change
	expect store.Revision
	urgent bool // may use the room that is kept for the ends of things
	size   int
	number uint64 // of their group
	err    error
	ready  chan struct{}
}

func (c *call) isPurge() bool { return c.records[0].op == opPurge }

// close ends the goroutine and leaves the files no longer than they need to be, save
// the spare segment: the next life may find a disk that is full.
func (j *journal) close() error {
	close(j.done)
	j.ended.Wait()
	var err error
	if j.spare != nil {
		err = j.endSegment()
	} // else its room is all there is
	return errors.Join(err, j.marked.Sync(), j.closeFiles())
}

func (j *journal) closeFiles() (err error) {
	for _, f := range []*os.File{j.active, j.spare, j.marked} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

// write makes the records durable, all or none, and returns the number of their
// group. It has no context: once handed over, the outcome is to be known.
func (j *journal) write(records ...record) (number uint64, err error) {
	return j.call(&call{records: records})
}

func (j *journal) call(c *call) (number uint64, err error) {
	c.ready = make(chan struct{})
	for _, r := range c.records {
		c.size += r.size
	}
	select {
	case j.calls <- c:
	case <-j.done:
		return 0, errClosed
	}
	<-c.ready
	return c.number, c.err
}

// spot finds a live event's record.
func (j *journal) spot(queue, id string) (spot, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s, ok := j.spots[queue][id]
	return s, ok
}

func (j *journal) run() {
	for {
		c := j.held
		j.held = nil
		if c == nil {
			select {
			case c = <-j.calls:
			case <-j.done:
				return
			}
		}
		j.commit(j.gather(c))
		if err := j.tidy(); err != nil {
			j.logger.Warn("journal not tidied", slog.Any("error", err))
		}
	}
}

// gather takes the calls that are waiting at this moment. A purge is a group by
// itself: what is of an earlier group than it is ended, and nothing else.
func (j *journal) gather(first *call) []*call {
	group := []*call{first}
	if first.isPurge() {
		return group
	}
	records, size := len(first.records), first.size
	for records < j.limit {
		select {
		case c := <-j.calls:
			if size+c.size > groupBytes || c.isPurge() {
				j.held = c
				return group
			}
			group = append(group, c)
			records += len(c.records)
			size += c.size
		default:
			return group
		}
	}
	return group
}

func (j *journal) commit(group []*call) {
	var records []record
	var changes []store.Change
	revision, touched := j.table.newest(), map[string]bool{}
	for _, c := range group {
		if c.err = j.admit(c); c.err != nil {
			continue
		}
		if c.change != nil {
			// Who writes a record twice at once cannot know of the first writing.
			if c.err = j.table.admit(c.change.Key, c.expect); c.err == nil && touched[c.change.Key] {
				c.err = store.ErrConflict
			}
			if c.err != nil {
				continue
			}
			touched[c.change.Key] = true
			revision++
			c.change.Revision = revision
			stamp(c.records, revision)
			changes = append(changes, *c.change)
		}
		records = append(records, c.records...)
	}
	var err error
	if len(records) > 0 {
		err = j.append(records)
	}
	if err == nil {
		j.table.Apply(changes...)
	}
	for _, c := range group {
		if c.err == nil {
			c.number, c.err = j.mark.last, err
		}
		close(c.ready)
	}
}

// admit refuses events that a purge has overtaken, and, while there is no room for
// another segment, new ones: the rest of this one is for the ends of those that are
// there.
func (j *journal) admit(c *call) error {
	for _, r := range c.records {
		if r.op != opPut {
			continue
		}
		if r.retry {
			if _, there := j.spot(r.queue, r.id); !there {
				return fmt.Errorf("event %q was purged: %w", r.id, store.ErrConflict)
			}
		}
		if j.spare == nil && j.active != nil {
			j.prepareAgain()
			room := segmentSize - j.segments[len(j.segments)-1].size
			if j.spare == nil && (!r.retry && !c.urgent || room < segmentSize/2) {
				return fmt.Errorf("%w: %w", store.ErrFull, syscall.ENOSPC)
			}
		}
	}
	return nil
}

// append writes one group and takes note of it.
func (j *journal) append(records []record) error {
	number, puts := j.mark.last+1, j.mark.puts
	size := 0
	for i := range records {
		size += records[i].size
		if records[i].op == opPut {
			puts++
		}
	}
	payload := j.buffer[:0]
	for i := range records {
		payload = records[i].append(payload)
	}
	j.buffer = payload
	if err := j.makeRoom(int64(groupHeader + len(payload))); err != nil {
		return noSpace(err)
	}
	s := j.segments[len(j.segments)-1]
	b := appendGroup(make([]byte, 0, groupHeader+len(payload)), j.mark.salt, number, puts, payload)
	if _, err := j.active.WriteAt(b, s.size); err != nil {
		return noSpace(err) // what was written of it is written over
	}
	if err := syscall.Fdatasync(int(j.active.Fd())); err != nil {
		// What the disk has now is not known, and asking again would not tell. The next
		// group goes to a new segment, which counts from its first group on.
		j.logger.Error("journal not synced", slog.Any("error", err))
		return errors.Join(noSpace(err), j.endSegment())
	}
	j.mark.last, j.mark.puts = number, puts
	if err := j.writeMark(); err != nil {
		j.logger.Warn("mark of the journal not written", slog.Any("error", err))
	}
	j.apply(s, s.size+groupHeader, payload, records)
	s.size += int64(len(b))
	return nil
}

func (j *journal) writeMark() error {
	_, err := j.marked.WriteAt(j.mark.encode(), 0)
	return err
}

// noSpace has the lack of room be told by the port's word for it too.
func noSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}

// apply is what a group's records do to the state in memory; payload is their
// bytes, which begin at offset.
func (j *journal) apply(s *segment, offset int64, payload []byte, records []record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range records {
		r := &records[i]
		spots := j.spots[r.queue]
		if r.op == opPurge {
			for _, old := range spots {
				old.kill()
			}
			delete(j.spots, r.queue)
		} else if old, ok := spots[r.id]; ok {
			old.kill()
			delete(spots, r.id)
		}
		if r.op == opPut {
			if spots == nil {
				spots = make(map[string]spot)
				j.spots[r.queue] = spots
			}
			now := spot{segment: s, offset: offset, size: int32(r.size), sum: checksum(0, payload[:r.size])}
			spots[r.id] = now
			s.live++
			s.bytes += int64(r.size)
		}
		offset += int64(r.size)
		payload = payload[r.size:]
	}
}

func (s spot) kill() {
	s.segment.live--
	s.segment.bytes -= int64(s.size)
}

// report makes findings durable and tells them.
func (j *journal) report(found ...damage.Finding) error {
	j.reporting.Lock()
	defer j.reporting.Unlock()
	for _, f := range found {
		j.logger.Error("the journal is damaged", slog.String("file", f.File), slog.String("what", f.What),
			slog.Uint64("lost_at_most", f.Events), slog.String("kept", f.Kept))
	}
	return j.damage.Add(found...)
}
