package local

import (
	"fmt"
	"log/slog"
	"path/filepath"

	"thaw/internal/store"
	"thaw/internal/store/damage"
)

// Damaged tells whether damage was found, at this start or before, since the records
// were last settled.
func (s *Store) Damaged() (bool, error) {
	found, err := s.journal.damage.Read()
	return damage.Open(found), err
}

// Restore has records be as they are in a copy: those to put keep their revisions,
// those to delete go, and the next change takes a revision after newest.
func (s *Store) Restore(put []store.Entry, deleted []string, newest store.Revision) error {
	if err := s.records.restore(put, deleted, newest); err != nil {
		return fmt.Errorf("restore records: %w", err)
	}
	return nil
}

// Settle reports that the records were compared with their copy, and what was
// restored.
func (s *Store) Settle(restored []string) error {
	f := damage.Finding{At: s.now(), File: "journal", Records: restored, Settles: true, What: "the records agree with their copy"}
	if len(restored) > 0 {
		f.What = "records were restored from their copy"
		s.logger.Error(f.What, slog.Int("records", len(restored)))
	}
	s.journal.reporting.Lock()
	defer s.journal.reporting.Unlock()
	return s.journal.damage.Add(f)
}

// keepBlob takes a damaged blob away.
func (s *Store) keepBlob(path string) error {
	s.journal.reporting.Lock()
	defer s.journal.reporting.Unlock()
	f := damage.Finding{At: s.now(), File: s.journal.name(path), What: "a blob is damaged: deploy its package again"}
	var err error
	if f.Kept, err = s.journal.damage.Move(path, f.At); err != nil {
		return err
	}
	s.logger.Error("a blob is damaged", slog.String("sha256", filepath.Base(path)), slog.String("kept", f.Kept))
	return s.journal.damage.Add(f)
}
