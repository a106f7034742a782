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
	"sync"
	"time"

	"thaw/internal/telemetry"
)

// Defaults of the options.
const (
	// DefaultKeep is as long as CloudWatch keeps values by the minute.
	DefaultKeep      = 15 * 24 * time.Hour
	DefaultDiskBytes = 1 << 30
	DefaultSeries    = 100_000
)

const (
	// lateness is how long after its end an hour takes values: invocations count when
	// they have begun, and may run for fifteen minutes.
	lateness = 20 // minutes
	// settle is how long after a minute's end it is written.
	settle = time.Second
)

// Options is what Open needs.
type Options struct {
	Dir       string        // made if it is not there
	Keep      time.Duration // how long values are kept
	DiskBytes int64         // bounds what is kept on the disk; the oldest go first
	Series    int           // bounds the series that are told apart at one time
	Logger    *slog.Logger
	Now       func() time.Time
}

// Store measures and keeps.
type Store struct {
	opts   Options
	leaves *leaves

	endFlushing context.CancelFunc
	flushed     sync.WaitGroup

	// mu is held for reading while something is read, so that nothing is on its way
	// from the leaves to the hours then.
	mu    sync.RWMutex
	hours map[int64]*hour // open, by start

	filesMu  sync.Mutex
	files    map[int64]int64    // closed hours, and their sizes in bytes
	verified map[int64]struct{} // those whose index is known to be good
	known    map[string]int64   // series, and the start of the last hour with a value; nil: not read yet
}

// Open reads the hours that are open and closes those that are over.
func Open(o Options) (*Store, error) {
	if o.Keep <= 0 {
		o.Keep = DefaultKeep
	}
	if o.DiskBytes <= 0 {
		o.DiskBytes = DefaultDiskBytes
	}
	if o.Series <= 0 {
		o.Series = DefaultSeries
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Store{opts: o, leaves: newLeaves(o.Series), hours: map[int64]*hour{}, files: map[int64]int64{}, verified: map[int64]struct{}{}}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open metrics: %w", err)
	}
	if err := s.readDir(); err != nil {
		return nil, fmt.Errorf("open metrics: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.endFlushing = cancel
	s.flushed.Go(func() { s.flushEachMinute(ctx) })
	return s, nil
}

// readDir finds closed hours, and reads open ones.
func (s *Store) readDir() error {
	entries, err := os.ReadDir(s.opts.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		extension := filepath.Ext(e.Name())
		start, ok := hourOf(strings.TrimSuffix(e.Name(), extension))
		if !ok {
			continue
		}
		switch extension {
		case hourSuffix:
			info, err := e.Info()
			if err != nil {
				return err
			}
			s.files[start] = info.Size()
		case logSuffix:
			if err := s.openHour(start); err != nil {
				return err
			}
		}
	}
	// The server died between the file of an hour and the end of its log.
	for start := range s.files {
		if h := s.hours[start]; h != nil {
			delete(s.hours, start)
			if err := h.log.remove(); err != nil {
				return err
			}
		}
	}
	return nil
}

// openHour opens the log of an hour. One that cannot be read is put aside.
func (s *Store) openHour(start int64) error {
	h := &hour{start: start, points: map[string][]byte{}}
	path := filepath.Join(s.opts.Dir, hourName(start)+logSuffix)
	l, cut, err := openLog(path, h.add)
	if err != nil {
		if renameErr := os.Rename(path, path+damagedSuffix); renameErr != nil {
			return errors.Join(err, renameErr)
		}
		s.opts.Logger.Error("metrics of an hour are damaged and put aside", slog.String("file", path+damagedSuffix), slog.Any("error", err))
		if l, _, err = openLog(path, h.add); err != nil {
			return err
		}
	}
	if cut > 0 {
		s.opts.Logger.Warn("the last metrics of an hour were not written whole and are gone", slog.String("file", path), slog.Int64("bytes", cut))
	}
	h.log = l
	s.hours[start] = h
	return nil
}

// Measure counts one value. It is a telemetry.Meter's.
func (s *Store) Measure(m telemetry.Measure) { s.leaves.measure(&m) }

// flushEachMinute writes minutes when they are over.
func (s *Store) flushEachMinute(ctx context.Context) {
	for {
		now := s.opts.Now()
		wait := now.Truncate(time.Minute).Add(time.Minute + settle).Sub(now)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		if err := s.flush(false); err != nil {
			s.opts.Logger.Error("metrics were not written", slog.Any("error", err))
		}
	}
}

// Close writes what is not written. Nothing may be measured any more.
func (s *Store) Close() error {
	s.endFlushing()
	s.flushed.Wait()
	err := s.flush(true)
	for _, h := range s.hours {
		if h.log != nil {
			err = errors.Join(err, h.log.file.Close())
		}
	}
	return err
}

// flush moves the minutes that are over, or all, from the leaves to their hours.
// There is one at a time.
func (s *Store) flush(all bool) error {
	now := s.opts.Now().Unix() / 60
	byHour := s.gather(now, all)
	var errs []error
	for _, start := range slices.Sorted(maps.Keys(byHour)) {
		// What is not in the log is in memory, and in the file when the hour is closed.
		if err := s.write(s.hours[start], byHour[start]); err != nil {
			errs = append(errs, fmt.Errorf("hour %s: %w", hourName(start), err))
		}
	}
	s.leaves.prune(now)
	return errors.Join(append(errs, s.closeHours(now), s.sweep(now))...)
}

// write appends to the log of an hour, which may not be there yet.
func (s *Store) write(h *hour, records []record) (err error) {
	if h.log == nil {
		ignore := func(string, *point) {}
		if h.log, _, err = openLog(filepath.Join(s.opts.Dir, hourName(h.start)+logSuffix), ignore); err != nil {
			h.log = nil
			return err
		}
		if err := syncDir(s.opts.Dir); err != nil {
			return err
		}
	}
	return h.log.append(records)
}

// gather takes minutes from the leaves, puts them into their hours in memory, and
// returns them for the logs.
func (s *Store) gather(now int64, all bool) map[int64][]record {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := (now - lateness) / 60 * 60
	byHour := map[int64][]record{}
	sums := map[int64]map[telemetry.Metric]*Summary{} // over all functions, by minute
	put := func(key string, minute int64, sum *Summary) {
		start := minute / 60 * 60
		if s.hours[start] == nil {
			s.hours[start] = &hour{start: start, points: map[string][]byte{}}
		}
		p := &point{uint8(minute - start), *sum}
		data := appendPoint(nil, p)
		s.hours[start].points[key] = append(s.hours[start].points[key], data...)
		byHour[start] = append(byHour[start], record{key, data})
		s.remember(key, start)
	}
	s.leaves.each("", func(l *leaf) {
		key := ""
		for _, one := range l.take(now, all) {
			minute := min(max(one.minute, oldest), now) // clocks jump
			metric := l.series.Metric
			if gauges[metric] || l.series.Function != "" {
				if key == "" {
					key = l.series.key()
				}
				put(key, minute, &one.Summary)
			}
			if gauges[metric] {
				continue
			}
			if sums[minute] == nil {
				sums[minute] = map[telemetry.Metric]*Summary{}
			}
			if sums[minute][metric] == nil {
				sums[minute][metric] = new(Summary)
			}
			sums[minute][metric].Merge(&one.Summary)
		}
	})
	for minute, metrics := range sums {
		for metric, sum := range metrics {
			put(Series{Metric: metric}.key(), minute, sum)
		}
	}
	return byHour
}

// closeHours makes files of the hours that take no more values.
func (s *Store) closeHours(now int64) error {
	var errs []error
	for _, start := range slices.Sorted(maps.Keys(s.hours)) {
		h := s.hours[start]
		if start+60+lateness > now {
			continue
		}
		if err := s.closeHour(h); err != nil {
			errs = append(errs, fmt.Errorf("close hour %s: %w", hourName(start), err))
		}
	}
	return errors.Join(errs...)
}

func (s *Store) closeHour(h *hour) error {
	if len(h.points) > 0 {
		if err := s.keep(h); err != nil {
			return err
		}
	} else {
		s.mu.Lock()
		delete(s.hours, h.start)
		s.mu.Unlock()
	}
	if h.log == nil {
		return nil
	}
	return h.log.remove()
}

// keep moves the points of an hour from memory to its file.
func (s *Store) keep(h *hour) error {
	s.filesMu.Lock()
	_, again := s.files[h.start]
	s.filesMu.Unlock()
	points := h.points
	if again {
		// The clock was set back. No reader may see the points in both places.
		s.mu.Lock()
		defer s.mu.Unlock()
		points = maps.Clone(points)
		err := s.inFile(h.start, func(f *hourFile) error {
			return f.find("", func(key string, chunk []byte) { points[key] = append(chunk, points[key]...) })
		})
		if err != nil {
			return err
		}
	}
	size, err := writeHour(s.opts.Dir, &hour{start: h.start, points: points})
	if err != nil {
		return err
	}
	if !again {
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	delete(s.hours, h.start)
	s.filesMu.Lock()
	defer s.filesMu.Unlock()
	s.files[h.start] = size
	delete(s.verified, h.start)
	return nil
}

// sweep removes the hours that are too old, or too much.
func (s *Store) sweep(now int64) error {
	s.filesMu.Lock()
	defer s.filesMu.Unlock()
	total := int64(0)
	oldest := now - int64(s.opts.Keep/time.Minute)
	var errs []error
	for _, start := range slices.Backward(slices.Sorted(maps.Keys(s.files))) {
		total += s.files[start]
		if start+60 > oldest && total <= s.opts.DiskBytes {
			continue
		}
		path := filepath.Join(s.opts.Dir, hourName(start)+hourSuffix)
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
			continue
		}
		total -= s.files[start]
		delete(s.files, start)
		delete(s.verified, start)
	}
	maps.DeleteFunc(s.known, func(_ string, last int64) bool { return last+60 <= oldest })
	return errors.Join(errs...)
}
