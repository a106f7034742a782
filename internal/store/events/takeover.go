package events

import (
	"errors"
	"fmt"
	"iter"

	"thaw/internal/store"
)

// TakeOver enqueues what lives in a journal that was kept elsewhere: groups are its
// groups of records, the oldest first. Events that are there already are left as
// they are, so that it can be done again after a crash.
func (es *Events) TakeOver(groups iter.Seq2[[]byte, error]) error {
	live := make(map[string]map[string]record)
	for b, err := range groups {
		if err != nil {
			return err
		}
		records, err := decodeGroup(b)
		if err != nil {
			return err
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
		q := es.queue(name)
		for _, r := range records {
			if err := q.takeOver(r); err != nil {
				return fmt.Errorf("take over event %q: %w", r.id, err)
			}
		}
	}
	return nil
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
