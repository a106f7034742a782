// Package usage counts what functions use, per function and day: invocations,
// errors, billed time, and memory times billed time. It is fed by the reports that
// invocations end with, so that its sums are those of the REPORT lines.
//
// Vocabulary. A day is one of UTC, written 2026-01-02; an invocation counts on the
// day that it ends. Billed time is milliseconds; MB-milliseconds are the unit in
// which memory times billed time is summed, because they are whole numbers:
// 1,024,000 of them are a GB-second. Init is the part of billed time that was
// initialisation.
//
// Life cycle. Open reads the present day, Close writes what has been counted since
// the last write, which is at most FlushInterval before: so much is lost when a
// process is killed.
//
// Concurrency: all methods may be called from many goroutines. Counting takes one
// lock and touches no file; one goroutine writes.
package usage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"thaw/internal/telemetry"
)

// Defaults of the options.
const (
	DefaultFlushInterval = 5 * time.Second
	// DefaultKeep is how many days are kept, the present one included: a year and
	// the month before it.
	DefaultKeep = 400
	// DefaultFunctions bounds the functions that are told apart on one day; those
	// beyond are counted together, under no name.
	DefaultFunctions = 10_000
)

// maxUnwritten bounds the days that are kept in memory because they could not be
// written.
const maxUnwritten = 8

// Options is what Open needs.
type Options struct {
	Dir           string // made if it is not there
	FlushInterval time.Duration
	Keep          int
	Functions     int
	Logger        *slog.Logger
	Now           func() time.Time
}

// Totals is what a function has used on a day.
type Totals struct {
	Invocations uint64 `json:"invocations"`
	Errors      uint64 `json:"errors"` // those of them that were answered with a function error
	BilledMS    uint64 `json:"billed_ms"`
	InitMS      uint64 `json:"init_ms"`
	MBMS        uint64 `json:"mb_ms"`
	InitMBMS    uint64 `json:"init_mb_ms"`
}

const mbMSPerGBSecond = 1024 * 1000

// GBSeconds is memory times billed time.
func (t Totals) GBSeconds() float64 { return float64(t.MBMS) / mbMSPerGBSecond }

// InitGBSeconds is the part of GBSeconds that was initialisation.
func (t Totals) InitGBSeconds() float64 { return float64(t.InitMBMS) / mbMSPerGBSecond }

// Add sums two.
func (t Totals) Add(o Totals) Totals {
	return Totals{
		t.Invocations + o.Invocations, t.Errors + o.Errors, t.BilledMS + o.BilledMS,
		t.InitMS + o.InitMS, t.MBMS + o.MBMS, t.InitMBMS + o.InitMBMS,
	}
}

// Function is one function's use of a day. The name is empty for those that were
// too many to tell apart.
type Function struct {
	Name string `json:"function"`
	Totals
}

// Day is the use of one day, by name.
type Day struct {
	Date      string     `json:"date"`
	Functions []Function `json:"functions"`
}

// Store counts and keeps.
type Store struct {
	opts   Options
	cancel context.CancelFunc
	flush  sync.WaitGroup

	writing sync.Mutex // held while files are written

	mu        sync.Mutex
	today     *tally
	unwritten []*tally // days that have ended, the oldest first
}

// tally is a day in memory.
type tally struct {
	number    int64
	date      string
	functions map[string]Totals
	// whole is set once what an earlier process has written of the day is in it.
	whole bool
	// dirty is set while there is something that is not on the disk.
	dirty bool
}

// Open reads the present day, removes those that are too old, and starts to count.
func Open(o Options) (*Store, error) {
	o.FlushInterval = cmp.Or(o.FlushInterval, DefaultFlushInterval)
	o.Keep = cmp.Or(o.Keep, DefaultKeep)
	o.Functions = cmp.Or(o.Functions, DefaultFunctions)
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open usage: %w", err)
	}
	s := &Store{opts: o}
	s.today = newTally(s.dayNumber())
	if err := s.complete(s.today); err != nil {
		return nil, fmt.Errorf("open usage: %w", err)
	}
	if err := s.sweep(); err != nil {
		return nil, fmt.Errorf("open usage: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.flush.Go(func() { s.flushNowAndThen(ctx) })
	return s, nil
}

const secondsPerDay = 24 * 60 * 60

// dayNumber counts the days since 1970.
func (s *Store) dayNumber() int64 { return s.opts.Now().Unix() / secondsPerDay }

func newTally(number int64) *tally {
	date := time.Unix(number*secondsPerDay, 0).UTC().Format(time.DateOnly)
	return &tally{number: number, date: date, functions: map[string]Totals{}}
}

// Counter counts the reports of a function's environments, and whether their
// callers got a function error. It waits for nothing but other counting.
func (s *Store) Counter(function string) func(r telemetry.Report, failed bool) {
	return func(r telemetry.Report, failed bool) { s.count(function, r, failed) }
}

func (s *Store) count(function string, r telemetry.Report, failed bool) {
	memory, billed := uint64(max(r.Metrics.MemorySizeMB, 0)), uint64(max(r.Metrics.BilledDurationMs, 0))
	init := min(billed, uint64((max(time.Duration(r.Metrics.InitDurationMs), 0)+time.Millisecond-1)/time.Millisecond))
	used := Totals{Invocations: 1, BilledMS: billed, InitMS: init, MBMS: billed * memory, InitMBMS: init * memory}
	if failed {
		used.Errors = 1
	}
	number := s.dayNumber()
	s.mu.Lock()
	defer s.mu.Unlock()
	if number > s.today.number { // a clock that goes back does not take the day along
		s.turn(number)
	}
	s.today.add(function, used, s.opts.Functions)
}

// turn begins a new day. The mutex is held.
func (s *Store) turn(number int64) {
	if s.today.dirty {
		s.unwritten = append(s.unwritten, s.today)
	}
	if len(s.unwritten) > maxUnwritten {
		s.opts.Logger.Error("usage of a day is lost: it could not be written", slog.String("date", s.unwritten[0].date))
		s.unwritten = s.unwritten[1:]
	}
	s.today = newTally(number)
}

func (t *tally) add(function string, used Totals, most int) {
	if _, known := t.functions[function]; !known && len(t.functions) >= most {
		function = ""
	}
	t.functions[function] = t.functions[function].Add(used)
	t.dirty = true
}

func (s *Store) flushNowAndThen(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(s.opts.FlushInterval):
		}
		if err := s.write(); err != nil {
			s.opts.Logger.Error("usage cannot be written", slog.Any("error", err))
		}
	}
}

// write brings to the disk what is not there yet.
func (s *Store) write() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	pending := append(slices.Clone(s.unwritten), s.today)
	s.mu.Unlock()
	var errs []error
	for _, t := range pending {
		errs = append(errs, s.writeDay(t))
	}
	s.mu.Lock()
	ended := len(s.unwritten)
	s.unwritten = slices.DeleteFunc(s.unwritten, func(t *tally) bool { return !t.dirty })
	ended -= len(s.unwritten)
	s.mu.Unlock()
	if ended > 0 {
		errs = append(errs, s.sweep())
	}
	return errors.Join(errs...)
}

func (s *Store) writeDay(t *tally) error {
	if !t.whole {
		if err := s.complete(t); err != nil {
			return err
		}
	}
	s.mu.Lock()
	dirty := t.dirty
	t.dirty = false
	day := t.day()
	s.mu.Unlock()
	if !dirty {
		return nil
	}
	err := writeFile(s.opts.Dir, day)
	if err != nil {
		s.mu.Lock()
		t.dirty = true
		s.mu.Unlock()
	}
	return err
}

// complete adds what is on the disk of a day. Only one goroutine at a time does.
func (s *Store) complete(t *tally) error {
	day, err := s.read(t.date)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range day.Functions {
		t.functions[f.Name] = t.functions[f.Name].Add(f.Totals)
	}
	t.whole = true
	return nil
}

// day is the tally in order. The mutex is held.
func (t *tally) day() Day {
	d := Day{Date: t.date, Functions: make([]Function, 0, len(t.functions))}
	for _, name := range slices.Sorted(maps.Keys(t.functions)) {
		d.Functions = append(d.Functions, Function{name, t.functions[name]})
	}
	return d
}

// Days gives the use of the last days, the present one included, the oldest
// first; days on which nothing was used are left out. With a function's name, only
// its own.
func (s *Store) Days(function string, days int) ([]Day, error) {
	if err := s.write(); err != nil {
		return nil, fmt.Errorf("read usage: %w", err)
	}
	present := s.opts.Now().UTC()
	found := []Day{}
	for back := min(days, s.opts.Keep) - 1; back >= 0; back-- {
		day, err := s.read(present.AddDate(0, 0, -back).Format(time.DateOnly))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("read usage: %w", err)
		}
		if function != "" {
			day.Functions = slices.DeleteFunc(day.Functions, func(f Function) bool { return f.Name != function })
		}
		if len(day.Functions) > 0 {
			found = append(found, day)
		}
	}
	return found, nil
}

// Close writes what is left.
func (s *Store) Close() error {
	s.cancel()
	s.flush.Wait()
	if err := s.write(); err != nil {
		return fmt.Errorf("close usage: %w", err)
	}
	return nil
}
