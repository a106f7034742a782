package metrics_test

import (
	"flag"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/telemetry"
	"thaw/internal/telemetry/metrics"
)

var seed = flag.Uint64("seed", 0, "run this history only")

func open(t testing.TB, dir string, o metrics.Options) *metrics.Store {
	t.Helper()
	o.Dir = dir
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := metrics.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closed(t testing.TB, s *metrics.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func read(t testing.TB, s *metrics.Store, q metrics.Query) []metrics.Value {
	t.Helper()
	values, err := s.Read(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// quick is a directory in memory, where there is one: histories sync thousands of times.
func quick(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "metrics")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// one reads what should be one period.
func one(t testing.TB, s *metrics.Store, series metrics.Series, from, to time.Time) metrics.Summary {
	t.Helper()
	values := read(t, s, metrics.Query{Series: series, From: from, To: to, Period: to.Sub(from)})
	if len(values) != 1 {
		t.Fatalf("%v: %d periods, want 1", series, len(values))
	}
	return values[0].Summary
}

// naive keeps every measure.
type naive []telemetry.Measure

// belongs tells whether a measure is one of a series.
func belongs(s metrics.Series, m telemetry.Measure) bool {
	if m.Metric != s.Metric {
		return false
	}
	resource := m.Function
	if m.Qualifier != "" {
		resource += ":" + m.Qualifier
	} else if metrics.Gauge(m.Metric) {
		resource = ""
	}
	if metrics.Gauge(m.Metric) {
		return s == metrics.Series{Metric: m.Metric, Function: m.Function, Resource: resource}
	}
	version := m.ExecutedVersion
	if m.Qualifier != "live" {
		version = ""
	}
	return (s.Function == "" || s.Function == m.Function) && (s.Resource == "" || s.Resource == resource) &&
		(s.ExecutedVersion == "" || s.ExecutedVersion == version)
}

type told struct {
	Start    time.Time
	Count    uint64
	Sum      float64
	Min, Max float64
}

func (n naive) read(q metrics.Query) (list []told, medians []float64) {
	values := map[time.Time][]float64{}
	for _, m := range n {
		minute := m.At.Truncate(time.Minute)
		if minute.Before(q.From) || !minute.Before(q.To) || !belongs(q.Series, m) {
			continue
		}
		start := q.From.Add(minute.Sub(q.From).Truncate(q.Period)).UTC()
		values[start] = append(values[start], m.Value)
	}
	for start, in := range values {
		one := told{Start: start, Count: uint64(len(in)), Min: slices.Min(in), Max: slices.Max(in)}
		for _, v := range in {
			one.Sum += v
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b told) int { return a.Start.Compare(b.Start) })
	for _, one := range list {
		in := values[one.Start]
		slices.Sort(in)
		medians = append(medians, in[(len(in)-1)/2])
	}
	return list, medians
}

// history is a random one: measures, late ones, restarts and the passing of time, and
// questions in between.
type history struct {
	t      *testing.T
	random *rand.Rand
	dir    string
	store  *metrics.Store
	all    naive
}

func (h *history) measure() {
	m := telemetry.Measure{
		Metric: []telemetry.Metric{telemetry.MetricInvocations, telemetry.MetricErrors, telemetry.MetricDuration, telemetry.MetricConcurrentExecutions}[h.random.IntN(4)],
		// "f" and "f1" begin alike, and so do versions 1 and 10.
		Function:        []string{"f", "f1", "g"}[h.random.IntN(3)],
		Qualifier:       []string{"", "", "1", "10", "live"}[h.random.IntN(5)],
		ExecutedVersion: []string{"1", "10"}[h.random.IntN(2)],
		Value:           1,
		// As late as the longest of invocations.
		At: time.Now().Add(-time.Duration(h.random.Int64N(int64(lateBy(h.random))))),
	}
	switch m.Metric {
	case telemetry.MetricErrors:
		m.Value = float64(h.random.IntN(2))
	case telemetry.MetricDuration, telemetry.MetricConcurrentExecutions:
		m.Value = math.Trunc(math.Exp(h.random.Float64()*12)*8) / 8 // sums are exact
	}
	h.store.Measure(m)
	h.all = append(h.all, m)
}

func lateBy(r *rand.Rand) time.Duration {
	if r.IntN(4) > 0 {
		return time.Second
	}
	return 15 * time.Minute
}

func (h *history) ask() {
	series := metrics.Series{Metric: []telemetry.Metric{telemetry.MetricInvocations, telemetry.MetricErrors, telemetry.MetricDuration, telemetry.MetricConcurrentExecutions}[h.random.IntN(4)]}
	depth := h.random.IntN(4)
	if depth > 0 {
		series.Function = []string{"f", "f1", "g"}[h.random.IntN(3)]
	}
	if depth > 1 {
		series.Resource = series.Function + []string{"", ":1", ":10", ":live"}[h.random.IntN(4)]
	}
	if depth > 2 && strings.HasSuffix(series.Resource, ":live") {
		series.ExecutedVersion = []string{"1", "10"}[h.random.IntN(2)]
	}
	period := time.Duration(1+h.random.IntN(90)) * time.Minute
	from := time.Now().UTC().Truncate(time.Minute).Add(-time.Duration(h.random.IntN(600)) * time.Minute)
	q := metrics.Query{Series: series, From: from, To: from.Add(time.Duration(1+h.random.IntN(800)) * time.Minute), Period: period}
	want, medians := h.all.read(q)
	var got []told
	for i, v := range read(h.t, h.store, q) {
		got = append(got, told{v.Start, v.Count, v.Sum, v.Min, v.Max})
		if p50 := v.Percentile(50); i < len(medians) && math.Abs(p50-medians[i]) > medians[i]*0.011 {
			h.t.Errorf("%+v: p50 %v, want %v", q, p50, medians[i])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		h.t.Fatalf("%+v (-want +got):\n%s", q, diff)
	}
}

func (h *history) restart() {
	closed(h.t, h.store)
	h.store = open(h.t, h.dir, metrics.Options{})
}

// TestRandomHistories compares with a list of all measures.
func TestRandomHistories(t *testing.T) {
	first, n := uint64(1), uint64(150)
	if *seed != 0 {
		first, n = *seed, 1
	}
	for i := first; i < first+n && !t.Failed(); i++ {
		synctest.Test(t, func(t *testing.T) {
			h := &history{t: t, random: rand.New(rand.NewPCG(i, 0)), dir: quick(t)}
			h.store = open(t, h.dir, metrics.Options{})
			defer func() { closed(t, h.store) }()
			for range 200 {
				switch n := h.random.IntN(40); {
				case n < 30:
					h.measure()
				case n < 34:
					h.ask()
				case n < 39:
					time.Sleep(time.Duration(h.random.Int64N(int64(20 * time.Minute))))
				default:
					h.restart()
				}
				if t.Failed() {
					t.Logf("replay by -seed %d", i)
					return
				}
			}
		})
	}
}

// TestManyAtOneTime: measures, flushes, readers and series that are forgotten meanwhile
// lose nothing of each other's.
func TestManyAtOneTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const measurers, each = 8, 300
		s := open(t, quick(t), metrics.Options{})
		from := time.Now().UTC().Truncate(time.Hour)
		var working sync.WaitGroup
		for i := range measurers {
			working.Go(func() {
				r := rand.New(rand.NewPCG(uint64(i), 1))
				for range each {
					s.Measure(telemetry.Measure{Metric: telemetry.MetricErrors, Function: "f", Value: 1, At: time.Now()})
					if r.IntN(100) == 0 {
						time.Sleep(25 * time.Hour) // long enough to be forgotten
					}
					time.Sleep(time.Duration(r.Int64N(int64(30 * time.Second))))
				}
			})
		}
		reading := make(chan struct{})
		working.Go(func() {
			for last := uint64(0); ; {
				select {
				case <-reading:
					return
				case <-time.After(3 * time.Minute):
				}
				got := one(t, s, metrics.Series{Metric: telemetry.MetricErrors, Function: "f"}, from, from.Add(14*24*time.Hour))
				if got.Count < last {
					t.Errorf("%d values have become %d", last, got.Count)
				}
				last = got.Count
			}
		})
		time.Sleep(14 * 24 * time.Hour)
		close(reading)
		working.Wait()
		for _, series := range []metrics.Series{{Metric: telemetry.MetricErrors}, {Metric: telemetry.MetricErrors, Function: "f", Resource: "f"}} {
			if got := one(t, s, series, from, from.Add(14*24*time.Hour)); got.Count != measurers*each {
				t.Errorf("%v: %d values, want %d", series, got.Count, measurers*each)
			}
		}
		closed(t, s)
	})
}

// TestKilled: what was over when the server was killed is kept; a block that was not
// written whole is not.
func TestKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, from := t.TempDir(), time.Now().UTC().Truncate(time.Hour)
		s := open(t, dir, metrics.Options{})
		measure := func(s *metrics.Store) {
			s.Measure(telemetry.Measure{Metric: telemetry.MetricInvocations, Function: "f", Value: 1, At: time.Now()})
		}
		measure(s)
		time.Sleep(time.Minute + 2*time.Second)
		measure(s)
		time.Sleep(time.Minute)
		measure(s) // of the minute that is not over
		synctest.Wait()
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		closed(t, s)

		count := func(dir string, want uint64) {
			t.Helper()
			s := open(t, dir, metrics.Options{})
			defer closed(t, s)
			if got := one(t, s, metrics.Series{Metric: telemetry.MetricInvocations}, from, from.Add(time.Hour)); got.Count != want {
				t.Errorf("%d are left, want %d", got.Count, want)
			}
		}
		count(dir, 3)
		count(copied, 2)
		logs, err := filepath.Glob(filepath.Join(copied, "*.log"))
		if err != nil || len(logs) != 1 {
			t.Fatalf("logs %v, %v", logs, err)
		}
		info, err := os.Stat(logs[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(logs[0], info.Size()-1); err != nil {
			t.Fatal(err)
		}
		count(copied, 1)
		s = open(t, copied, metrics.Options{})
		measure(s)
		closed(t, s)
		count(copied, 2)
	})
}

// TestDamagedHour: an hour that is damaged is told and put aside, and the others
// are read.
func TestDamagedHour(t *testing.T) {
	for _, at := range []int{12, -20, -70} { // a chunk, the footer, the index
		synctest.Test(t, func(t *testing.T) {
			dir, from := t.TempDir(), time.Now().UTC().Truncate(time.Hour)
			var said strings.Builder
			o := metrics.Options{Logger: slog.New(slog.NewTextHandler(&said, nil))}
			s := open(t, dir, o)
			for range 2 {
				for i := range 20 {
					s.Measure(telemetry.Measure{Metric: telemetry.MetricDuration, Function: "f", Value: float64(i), At: time.Now()})
				}
				time.Sleep(2 * time.Hour)
			}
			synctest.Wait()
			path := filepath.Join(dir, from.Format("2006-01-02T15")+".hour")
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			data[(at+len(data))%len(data)] ^= 0x40
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := one(t, s, metrics.Series{Metric: telemetry.MetricDuration}, from, from.Add(24*time.Hour)); got.Count != 20 {
				t.Errorf("%d are left of 40", got.Count)
			}
			if _, err := os.Stat(path + ".damaged"); err != nil || !strings.Contains(said.String(), "damaged") {
				t.Errorf("%v; told: %s", err, said.String())
			}
			closed(t, s)
		})
	}
}

// TestBounds: hours go when they are old or too much, and series beyond the limit
// count together.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, from := t.TempDir(), time.Now().UTC().Truncate(time.Hour)
		s := open(t, dir, metrics.Options{Keep: 10 * time.Hour, Series: 3})
		for i := range 20 {
			for f := range 5 {
				s.Measure(telemetry.Measure{Metric: telemetry.MetricInvocations, Function: fmt.Sprint("f", f), Value: 1, At: time.Now()})
			}
			if i == 0 {
				time.Sleep(30 * time.Minute)
			}
			time.Sleep(time.Hour)
		}
		synctest.Wait()
		all := read(t, s, metrics.Query{Series: metrics.Series{Metric: telemetry.MetricInvocations}, From: from, To: from.Add(48 * time.Hour), Period: time.Hour})
		for _, v := range all {
			if v.Count != 5 {
				t.Errorf("%d in the hour from %v", v.Count, v.Start)
			}
		}
		if n := len(all); n < 9 || n > 12 {
			t.Errorf("%d hours are kept of 20", n)
		}
		known, err := s.List(t.Context(), from)
		if err != nil {
			t.Fatal(err)
		}
		if len(known) != 1+3*2 {
			t.Errorf("%d series: %v", len(known), known)
		}
		closed(t, s)
		small := open(t, dir, metrics.Options{DiskBytes: 500})
		if err := small.Flush(); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.hour"))
		if err != nil || len(files) == 0 || len(files) > 3 {
			t.Errorf("%d files are left, %v", len(files), err)
		}
		closed(t, small)
	})
}

// TestClockSetBack: an hour that was closed already takes more.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where nothing is flushed but by the test
		var clock atomic.Int64
		began := time.Date(2026, 1, 2, 3, 30, 0, 0, time.UTC)
		clock.Store(began.Unix())
		now := func() time.Time { return time.Unix(clock.Load(), 0) }
		s := open(t, t.TempDir(), metrics.Options{Now: now})
		defer closed(t, s)
		for range 2 {
			s.Measure(telemetry.Measure{Metric: telemetry.MetricInvocations, Function: "f", Value: 1, At: now()})
			for _, step := range []time.Duration{time.Minute, 2 * time.Hour, -2*time.Hour - time.Minute} {
				clock.Add(int64(step / time.Second))
				if err := s.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		from := began.Truncate(time.Hour)
		if got := one(t, s, metrics.Series{Metric: telemetry.MetricInvocations, Function: "f"}, from, from.Add(time.Hour)); got.Count != 2 {
			t.Errorf("%d are left of 2", got.Count)
		}
	})
}

func TestListAndTotals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, metrics.Options{})
		s.Measure(telemetry.Measure{Metric: telemetry.MetricInvocations, Function: "old", Value: 1, At: time.Now()})
		time.Sleep(5 * time.Hour)
		began := time.Now()
		s.Measure(telemetry.Measure{Metric: telemetry.MetricDuration, Function: "f", Qualifier: "live", ExecutedVersion: "2", Value: 7, At: began})
		s.Measure(telemetry.Measure{Metric: telemetry.MetricDuration, Function: "f", Qualifier: "2", ExecutedVersion: "2", Value: 0.5, At: began})
		s.Measure(telemetry.Measure{Metric: telemetry.MetricConcurrentExecutions, Function: "f", Value: 2, At: began})
		s.Measure(telemetry.Measure{Metric: telemetry.MetricDuration, Function: "f", Value: math.NaN(), At: began})
		names := func(s *metrics.Store, since time.Time) (list []string) {
			t.Helper()
			known, err := s.List(t.Context(), since)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range known {
				list = append(list, strings.Join([]string{string(k.Series.Metric), k.Series.Function, k.Series.Resource, k.Series.ExecutedVersion}, "/"))
			}
			return list
		}
		recent := []string{"ConcurrentExecutions/f//", "Duration///", "Duration/f//", "Duration/f/f:2/", "Duration/f/f:live/", "Duration/f/f:live/2"}
		if diff := cmp.Diff(recent, names(s, began.Add(-3*time.Hour))); diff != "" {
			t.Errorf("recently active (-want +got):\n%s", diff)
		}
		all := append(slices.Clone(recent), "Invocations///", "Invocations/old//", "Invocations/old/old/")
		if diff := cmp.Diff(all, names(s, began.Add(-24*time.Hour))); diff != "" {
			t.Errorf("all (-want +got):\n%s", diff)
		}
		var total metrics.Total
		s.Totals(func(one metrics.Total) {
			if one.Series.ExecutedVersion == "2" {
				total = one
			}
		})
		if total.Count != 1 || total.Sum != 7 || total.Buckets[3] != 1 {
			t.Errorf("total %+v", total)
		}
		closed(t, s)
		s = open(t, dir, metrics.Options{})
		if diff := cmp.Diff(all, names(s, began.Add(-24*time.Hour))); diff != "" {
			t.Errorf("after a restart (-want +got):\n%s", diff)
		}
		closed(t, s)
	})
}

func TestStatistics(t *testing.T) {
	var s metrics.Summary
	for i := 1; i <= 1000; i++ {
		s.Add(float64(i))
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > want*0.015 {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	near("p50", s.Percentile(50), 500)
	near("p99", s.Percentile(99), 990)
	near("p99.9", s.Percentile(99.9), 999)
	near("p0", s.Percentile(0), 1)
	near("p100", s.Percentile(100), 1000)
	low := s.Trim(0, 90, false)
	near("tc90", low.Count, 900)
	near("tm90", low.Sum/low.Count, 450.5)
	between := s.Trim(100, 200, true)
	near("tc(100:200)", between.Count, 100)
	near("ts(100:200)", between.Sum, 15050)
	var none metrics.Summary
	if none.Percentile(50) != 0 || none.Average() != 0 || none.Trim(0, 50, false).Count != 0 {
		t.Error("nothing has values")
	}
}

// BenchmarkMeasure is what an invocation pays for one measure.
func BenchmarkMeasure(b *testing.B) {
	s := open(b, b.TempDir(), metrics.Options{})
	defer closed(b, s)
	m := telemetry.Measure{Metric: telemetry.MetricDuration, Function: "function", ExecutedVersion: "$LATEST", At: time.Now()}
	b.Run("one", func(b *testing.B) {
		for i := range b.N {
			m.Value = float64(i%1000) / 10
			s.Measure(m)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			m := m
			for i := 0; pb.Next(); i++ {
				m.Value = float64(i%1000) / 10
				s.Measure(m)
			}
		})
	})
}
