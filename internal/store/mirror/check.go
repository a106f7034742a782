package mirror

import (
	"fmt"

	"thaw/internal/store"
)

// state is what a mirror knows of the store.
type state struct {
	newest store.Revision
	marks  map[string]mark
}

// mark is a record without its value.
type mark struct {
	revision store.Revision
	sum      uint64 // of the value
	size     int    // in the file, bytes
}

// snapshot is what the store has now.
type snapshot struct {
	newest  store.Revision
	entries map[string]store.Entry
}

func (s *snapshot) apply(c store.Change) {
	if c.Deleted {
		delete(s.entries, c.Key)
	} else {
		s.entries[c.Key] = c.Entry
	}
	s.newest = max(s.newest, c.Revision)
}

// compare tells whether the store can have come out of the mirror's state by
// further changes: none of its revisions is older, each is newer than the
// mirror's own or equal to it in full, and there were enough changes for all
// that is new or gone, for every one takes a revision of its own.
func compare(seen *state, now *snapshot) error {
	if now.newest < seen.newest {
		return fmt.Errorf("%w: it ends at revision %d with %d records, the copy at revision %d with %d",
			ErrBehind, now.newest, len(now.entries), seen.newest, len(seen.marks))
	}
	var changes uint64 // at the least, since the mirror was written
	for key, was := range seen.marks {
		is, ok := now.entries[key]
		switch {
		case !ok, is.Revision > seen.newest:
			changes++
		case is.Revision != was.revision:
			return fmt.Errorf("%w: record %q has revision %d, in the copy %d", ErrBehind, key, is.Revision, was.revision)
		case checksum(is.Value) != was.sum:
			return fmt.Errorf("%w: record %q differs from the copy's at the same revision %d", ErrBehind, key, is.Revision)
		}
	}
	for key, is := range now.entries {
		if _, ok := seen.marks[key]; ok {
			continue
		}
		if is.Revision <= seen.newest {
			return fmt.Errorf("%w: record %q of revision %d is not in the copy, which ends at %d", ErrBehind, key, is.Revision, seen.newest)
		}
		changes++
	}
	if possible := uint64(now.newest - seen.newest); changes > possible {
		return fmt.Errorf("%w: %d records are gone or new, and there were only %d changes", ErrBehind, changes, possible)
	}
	return nil
}
