package local

import (
	"errors"
	"fmt"
	"os"

	"thaw/internal/store/damage"
)

const (
	// defaultSlack is how many bytes may be dead in all, beyond what lives: from there
	// on old live records are written anew, so that the front can be removed.
	defaultSlack = 64 << 20
	// maxSegments is how many segments there may be for their size: each restart
	// begins one.
	maxSegments = 64
	// moveBytes is how much is written anew at a time, in bytes.
	moveBytes = 1 << 20
)

// tidy removes the segments at the front in which nothing lives, and moves what
// lives in the first one to the end, if too much behind it is dead.
func (j *journal) tidy() error {
	if err := j.dropFront(); err != nil {
		return err
	}
	if !j.crowded() {
		return nil
	}
	if len(j.moving) == 0 {
		var err error
		if j.moving, err = j.liveRecords(j.segments[0]); err != nil {
			return err
		}
	}
	return j.move()
}

// dropFront never takes the last segment.
func (j *journal) dropFront() error {
	j.mu.Lock()
	n := 0
	for n < len(j.segments)-1 && j.segments[n].live == 0 {
		n++
	}
	dropped := j.segments[:n]
	if n > 0 {
		j.mark.first = j.segments[n].first
	}
	j.segments = j.segments[n:]
	j.mu.Unlock()
	if n == 0 {
		return nil
	}
	j.moving = nil
	// With an older mark, the segments would be missed.
	if err := j.writeMark(); err != nil {
		return fmt.Errorf("mark the journal's beginning: %w", err)
	}
	if err := j.marked.Sync(); err != nil {
		return fmt.Errorf("mark the journal's beginning: %w", err)
	}
	for _, s := range dropped {
		if err := remove(s.path); err != nil {
			return fmt.Errorf("remove dead segment: %w", err)
		}
	}
	return nil
}

func (j *journal) crowded() bool {
	if len(j.segments) < 2 {
		return false
	}
	var size, live int64
	for _, s := range j.segments {
		size += s.size
		live += s.bytes
	}
	if j.full && j.spare == nil && j.active != nil { // on a full disk all that is dead is wanted
		room := segmentSize - j.segments[len(j.segments)-1].size
		return size > live+segmentSize && j.segments[0].bytes < room-segmentSize/4
	}
	return size > 2*live+j.slack || int64(len(j.segments)) > maxSegments+2*size/segmentSize
}

// liveRecords reads what lives in a segment. Live records that cannot be read any
// more are given up.
func (j *journal) liveRecords(s *segment) (live []record, err error) {
	b, err := os.ReadFile(s.path)
	if err != nil {
		return nil, fmt.Errorf("read segment %d: %w", s.first, err)
	}
	_, err = scan(b, j.mark.salt, s.first-1, func(g group) error {
		records, err := decodeGroup(g.records)
		offset := int64(g.offset)
		for _, r := range records {
			if at, ok := j.spot(r.queue, r.id); ok && r.op == opPut && at.segment == s && at.offset == offset {
				live = append(live, r)
			}
			offset += int64(r.size)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read segment %d: %w", s.first, err)
	}
	if len(live) < s.live {
		return live, j.giveUpMissing(s, b)
	}
	return live, nil
}

// giveUpMissing ends the live events of a segment that its bytes do not have.
func (j *journal) giveUpMissing(s *segment, b []byte) error {
	var missing, known []record
	j.mu.Lock()
	for queue, spots := range j.spots {
		for id, at := range spots {
			if at.segment != s || at.isIn(b) {
				continue
			}
			if queue == recordsQueue { // those are in memory
				known = append(known, j.table.record(id))
				continue
			}
			missing = append(missing, doneRecord(queue, id))
		}
	}
	j.mu.Unlock()
	if len(missing)+len(known) == 0 {
		return nil
	}
	return errors.Join(j.reportUnreadable(s, missing), j.append(append(missing, known...)))
}

// isIn tells whether a segment's bytes have the record as it was written.
func (s spot) isIn(b []byte) bool {
	end := s.offset + int64(s.size)
	return end <= int64(len(b)) && checksum(0, b[s.offset:end]) == s.sum
}

// reportUnreadable tells of events that were read once and cannot be any more.
func (j *journal) reportUnreadable(s *segment, ended []record) error {
	at := j.now()
	found := damage.Finding{At: at, File: j.name(s.path), Kept: j.keep(s.path, at), Events: uint64(len(ended)),
		What: "events that wait cannot be read any more and were given up"}
	for _, r := range ended[:min(len(ended), 100)] {
		found.Records = append(found.Records, r.queue+" "+r.id)
	}
	return j.report(found)
}

// move writes some of the records anew that still live where they were read.
func (j *journal) move() error {
	var batch []record
	size := 0
	for len(j.moving) > 0 && size < moveBytes {
		r := j.moving[0]
		j.moving = j.moving[1:]
		if at, ok := j.spot(r.queue, r.id); ok && at.segment == j.segments[0] {
			batch = append(batch, r)
			size += r.size
		}
	}
	if len(batch) == 0 {
		return nil
	}
	return j.append(batch)
}
