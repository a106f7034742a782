package jetstream

import (
	"context"

	"thaw/internal/store"
)

// SetSlack sets how many bytes of the journal may be dead; before its first use.
func (s *Store) SetSlack(bytes int) { s.queues.journal.slack = bytes }

// SyncAlways tells whether the server syncs the disk before it answers.
func (s *Store) SyncAlways() bool { return s.server.JetStreamConfig().SyncAlways }

// JournalMessages is how many messages the journal has on the disk.
func (s *Store) JournalMessages(ctx context.Context) (uint64, error) {
	info, err := s.queues.journal.stream.Info(ctx)
	if err != nil {
		return 0, err
	}
	return info.State.Msgs, nil
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
