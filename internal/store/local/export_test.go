package local

import (
	"thaw/internal/store"
)

// SetSlack sets how many bytes of the journal may be dead; before its first use.
func (s *Store) SetSlack(bytes int64) { s.journal.slack = bytes }

// Size is how many bytes the segments have.
func (s *Store) Size() (size int64) {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	for _, one := range s.journal.segments {
		size += one.size
	}
	return size
}

// Group encodes puts of events, and a done for each of the IDs.
func Group(events []store.Event, done ...string) []byte {
	var b []byte
	for i, e := range events {
		r := putRecord("q", e, i)
		b = r.append(b)
	}
	for _, id := range done {
		r := doneRecord("q", id)
		b = r.append(b)
	}
	return b
}

// DecodeGroup returns the puts of a group and the IDs of its dones; sizes is the
// sum of its records' sizes.
func DecodeGroup(b []byte) (events []store.Event, done []string, sizes int, err error) {
	records, err := decodeGroup(b)
	for _, r := range records {
		sizes += r.size
		if r.op == opPut {
			events = append(events, r.event)
			continue
		}
		done = append(done, r.id)
	}
	return events, done, sizes, err
}

// QueuesOf is the queue of each record of a group.
func QueuesOf(b []byte) (queues []string) {
	records, _ := decodeGroup(b)
	for _, r := range records {
		queues = append(queues, r.queue)
	}
	return queues
}
