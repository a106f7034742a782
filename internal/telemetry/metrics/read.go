package metrics

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"thaw/internal/telemetry"
)

// Query asks for the values of one series.
type Query struct {
	Series Series
	// From is the first minute, To the first that is not wanted. Periods begin at
	// From, the last one may be cut short by To.
	From, To time.Time
	Period   time.Duration // whole minutes
}

// Value is the summary of one period.
type Value struct {
	Start time.Time
	Summary
}

// Read returns the periods in which there are values, in order of time.
func (s *Store) Read(ctx context.Context, q Query) ([]Value, error) {
	from, to, period := q.From.Unix()/60, q.To.Add(time.Minute-1).Unix()/60, int64(q.Period/time.Minute)
	if period < 1 || to <= from {
		return nil, nil
	}
	found := map[int64]*Summary{}
	take := func(minute int64, sum *Summary) {
		if minute < from || minute >= to {
			return
		}
		start := from + (minute-from)/period*period
		if found[start] == nil {
			found[start] = new(Summary)
		}
		found[start].Merge(sum)
	}
	if err := s.read(ctx, q.Series, from, to, take); err != nil {
		return nil, err
	}
	values := make([]Value, 0, len(found))
	for _, start := range slices.Sorted(maps.Keys(found)) {
		values = append(values, Value{time.Unix(start*60, 0).UTC(), *found[start]})
	}
	return values, nil
}

// read calls take for every point of a series between two minutes, wherever it is.
func (s *Store) read(ctx context.Context, series Series, from, to int64, take func(minute int64, sum *Summary)) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	prefix := series.prefix()
	first, last := from/60*60, (to-1)/60*60
	for _, start := range s.closedBetween(first, last) {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := s.inFile(start, func(f *hourFile) error {
			return f.find(prefix, func(_ string, chunk []byte) { takeChunk(start, chunk, take) })
		})
		if err != nil {
			return err
		}
	}
	for start, h := range s.hours {
		if start < first || start > last {
			continue
		}
		if series.kept() {
			takeChunk(start, h.points[prefix], take)
			continue
		}
		for key, chunk := range h.points {
			if strings.HasPrefix(key, prefix) {
				takeChunk(start, chunk, take)
			}
		}
	}
	s.takeOpen(series, take)
	return nil
}

// takeChunk takes the points of a chunk. Checksums have been looked at: what cannot be
// read was never written.
func takeChunk(start int64, chunk []byte, take func(int64, *Summary)) {
	r := &reading{data: chunk}
	for len(r.data) > 0 {
		p, err := r.point()
		if err != nil {
			return
		}
		take(start+int64(p.minute), &p.Summary)
	}
}

// takeOpen takes the minutes that are not over.
func (s *Store) takeOpen(series Series, take func(int64, *Summary)) {
	prefix := series.prefix()
	s.leaves.each(series.Function, func(l *leaf) {
		whole := series.Function == "" && l.series.Metric == series.Metric && !gauges[series.Metric]
		if !whole && !strings.HasPrefix(l.series.key(), prefix) {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		for i := range l.slots {
			take(l.slots[i].minute, &l.slots[i].Summary)
		}
	})
}

// closedBetween are the closed hours from one to another, both included.
func (s *Store) closedBetween(first, last int64) []int64 {
	s.filesMu.Lock()
	defer s.filesMu.Unlock()
	var starts []int64
	for start := range s.files {
		if start >= first && start <= last {
			starts = append(starts, start)
		}
	}
	slices.Sort(starts)
	return starts
}

// inFile opens the file of an hour for f. One that is damaged is put aside, and its
// values are gone; one that is gone has none.
func (s *Store) inFile(start int64, f func(*hourFile) error) error {
	path := filepath.Join(s.opts.Dir, hourName(start)+hourSuffix)
	err := s.openFile(path, start, f)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case !errors.Is(err, errDamaged):
		return err
	}
	s.filesMu.Lock()
	defer s.filesMu.Unlock()
	if _, still := s.files[start]; !still {
		return nil // another reader has seen it too
	}
	delete(s.files, start)
	if renameErr := os.Rename(path, path+damagedSuffix); renameErr != nil {
		return errors.Join(err, renameErr)
	}
	s.opts.Logger.Error("metrics of an hour are damaged and put aside: they are not counted any more",
		slog.String("file", path+damagedSuffix), slog.Any("error", err))
	return nil
}

func (s *Store) openFile(path string, start int64, f func(*hourFile) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	h, err := openHour(file, info.Size())
	if err != nil {
		return err
	}
	s.filesMu.Lock()
	_, good := s.verified[start]
	s.filesMu.Unlock()
	if !good {
		if err := h.verify(); err != nil {
			return err
		}
		s.filesMu.Lock()
		s.verified[start] = struct{}{}
		s.filesMu.Unlock()
	}
	return f(h)
}

// Known is a series with values, and the start of the last hour that has any.
type Known struct {
	Series Series
	Last   time.Time
}

// List returns the series that have values since a time, in an order that stays the
// same: by metric, and the wholes before their parts.
func (s *Store) List(ctx context.Context, since time.Time) ([]Known, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.learn(ctx); err != nil {
		return nil, err
	}
	last := map[Series]int64{}
	see := func(series Series, start int64) {
		for _, one := range series.wholes() {
			last[one] = max(last[one], start)
		}
	}
	s.filesMu.Lock()
	for key, start := range s.known {
		if series, ok := parseKey(key); ok {
			see(series, start)
		}
	}
	s.filesMu.Unlock()
	s.leaves.each("", func(l *leaf) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for i := range l.slots {
			see(l.series, l.slots[i].minute/60*60)
		}
	})
	oldest := since.Unix() / 3600 * 60 // its hour
	var list []Known
	for series, start := range last {
		if start >= oldest {
			list = append(list, Known{series, time.Unix(start*60, 0).UTC()})
		}
	}
	slices.SortFunc(list, func(a, b Known) int { return strings.Compare(a.Series.key(), b.Series.key()) })
	return list, nil
}

// wholes are a kept series and those that it is a part of.
func (s Series) wholes() []Series {
	if gauges[s.Metric] {
		return []Series{s}
	}
	list := []Series{{Metric: s.Metric}}
	if s.Function != "" {
		list = append(list, Series{Metric: s.Metric, Function: s.Function})
	}
	if s.Resource != "" {
		list = append(list, Series{Metric: s.Metric, Function: s.Function, Resource: s.Resource})
	}
	if s.ExecutedVersion != "" {
		list = append(list, s)
	}
	return list
}

// learn reads which series the closed hours have, once; after that remember keeps it.
func (s *Store) learn(ctx context.Context) error {
	s.filesMu.Lock()
	done := s.known != nil
	s.filesMu.Unlock()
	if done {
		return nil
	}
	known := map[string]int64{}
	for _, start := range s.closedBetween(0, 1<<62) {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := s.inFile(start, func(f *hourFile) error {
			return f.keys(func(key string) { known[key] = max(known[key], start) })
		})
		if err != nil {
			return fmt.Errorf("read series of %s: %w", hourName(start), err)
		}
	}
	for start, h := range s.hours {
		for key := range h.points {
			known[key] = max(known[key], start)
		}
	}
	s.filesMu.Lock()
	defer s.filesMu.Unlock()
	if s.known == nil {
		s.known = known
	}
	return nil
}

// remember notes that a series has a value in an hour.
func (s *Store) remember(key string, start int64) {
	s.filesMu.Lock()
	defer s.filesMu.Unlock()
	if s.known != nil {
		s.known[key] = max(s.known[key], start)
	}
}

// Totals calls f for what has been measured of every series since the server began.
func (s *Store) Totals(f func(Total)) {
	s.leaves.each("", func(l *leaf) {
		l.mu.Lock()
		total := l.total
		l.mu.Unlock()
		f(total)
	})
}

// Meter is the Store as others feed it.
var _ telemetry.Meter = (*Store)(nil)
