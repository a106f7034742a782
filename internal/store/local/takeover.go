package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"thaw/internal/store"
	"thaw/internal/store/jetstream"
)

// earlierDir is where earlier releases kept records and events, and earlierAside
// what it is called afterwards.
const (
	earlierDir   = "jetstream"
	earlierAside = "jetstream.old"
)

// takeOver moves a store of an earlier release into the journal. It can be done again
// after a crash: what is there already is left or written anew as it is.
func (s *Store) takeOver(ctx context.Context, o Options) error {
	old := filepath.Join(o.Dir, earlierDir)
	if _, err := os.Stat(old); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	contents, err := jetstream.Read(ctx, o.Dir, o.Logger)
	if err != nil {
		return fmt.Errorf("take over an earlier release's store: %w", err)
	}
	if err := s.records.restore(contents.Records, nil, contents.Newest); err != nil {
		return fmt.Errorf("take over records: %w", err)
	}
	events, err := s.takeOverEvents(contents.Groups)
	if err != nil {
		return fmt.Errorf("take over events: %w", err)
	}
	if err := errors.Join(os.Rename(old, filepath.Join(o.Dir, earlierAside)), syncDirectory(o.Dir)); err != nil {
		return err
	}
	o.Logger.Info("took over an earlier release's store", slog.Int("records", len(contents.Records)), slog.Int("events", events),
		slog.String("kept", earlierAside))
	return nil
}

// takeOverEvents enqueues what lives in a journal that was kept elsewhere: its groups
// of entries, the oldest first.
func (s *Store) takeOverEvents(groups [][]byte) (n int, err error) {
	live := make(map[string]map[string]record)
	for _, b := range groups {
		records, err := decodeGroup(b)
		if err != nil {
			return 0, err
		}
		for _, r := range records {
			switch r.op {
			case opPut:
				if live[r.queue] == nil {
					live[r.queue] = make(map[string]record)
				}
				live[r.queue][r.id] = r
			case opDone:
				delete(live[r.queue], r.id)
			case opPurge:
				delete(live, r.queue)
			}
		}
	}
	for name, records := range live {
		q := s.queue(name)
		for _, r := range records {
			if err := q.takeOver(r); err != nil {
				return n, fmt.Errorf("event %q: %w", r.id, err)
			}
			n++
		}
	}
	return n, nil
}

func (q *queue) takeOver(r record) error {
	one := []store.Event{r.event}
	if err := q.index.Reserve(one); errors.Is(err, store.ErrConflict) {
		return nil
	} else if err != nil {
		return err
	}
	number, err := q.journal.write(putRecord(q.name, r.event, r.attempts))
	if err != nil {
		q.index.Forget(one)
		return err
	}
	q.index.Add(item(r.event, r.attempts, number))
	return nil
}
