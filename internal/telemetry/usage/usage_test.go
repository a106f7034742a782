package usage_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/telemetry"
	"thaw/internal/telemetry/usage"
)

func open(t *testing.T, dir string, change ...func(*usage.Options)) *usage.Store {
	t.Helper()
	o := usage.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&o)
	}
	s, err := usage.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeStore(t *testing.T, s *usage.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func days(t *testing.T, s *usage.Store, function string, n int) []usage.Day {
	t.Helper()
	found, err := s.Days(function, n)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// report is the end of an invocation, and whether it failed.
func report(run, init time.Duration, memoryMB int, failed ...bool) (telemetry.Report, bool) {
	return telemetry.Report{Metrics: telemetry.NewReportMetrics(run, init, 0, memoryMB, 0)}, len(failed) > 0
}

// firstDay is the day on which the virtual clock begins.
const firstDay = "2000-01-01"

func TestCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir())
		defer closeStore(t, s)
		count := s.Counter("f")
		count(report(1500*time.Microsecond, 10*time.Millisecond, 512))
		count(report(time.Second, 0, 1024))
		count(report(3*time.Second, 0, 1024, true))
		s.Counter("e")(report(0, 0, 128, true))
		f := usage.Totals{Invocations: 3, Errors: 1, BilledMS: 12 + 4000, InitMS: 10, MBMS: 12*512 + 4000*1024, InitMBMS: 10 * 512}
		want := []usage.Day{{Date: firstDay, Functions: []usage.Function{
			{Name: "e", Totals: usage.Totals{Invocations: 1, Errors: 1, BilledMS: 1, MBMS: 128}},
			{Name: "f", Totals: f},
		}}}
		if diff := cmp.Diff(want, days(t, s, "", 7)); diff != "" {
			t.Errorf("use (-want +got):\n%s", diff)
		}
		if got := days(t, s, "f", 1); len(got) != 1 || len(got[0].Functions) != 1 || got[0].Functions[0].Totals != f {
			t.Errorf("of one function: %+v", got)
		}
		if got := days(t, s, "none", 7); len(got) != 0 {
			t.Errorf("of no function: %+v", got)
		}
		if got, want := f.GBSeconds(), 4.006; got != want {
			t.Errorf("%v GB-seconds, want %v", got, want)
		}
		if got, want := f.InitGBSeconds(), 0.005; got != want {
			t.Errorf("%v GB-seconds of init, want %v", got, want)
		}
	})
}

// TestKilled: what a process that is killed has counted is there, but for the last
// seconds; and nothing is counted twice.
func TestKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		killed := open(t, dir)
		defer closeStore(t, killed) // long after
		count := killed.Counter("f")
		for range 10 {
			count(report(time.Millisecond, 0, 128))
			time.Sleep(time.Second)
		}
		synctest.Wait()
		next := open(t, copyOf(t, dir))
		if got := days(t, next, "f", 1)[0].Functions[0].Invocations; got < 5 || got > 10 {
			t.Errorf("%d of 10 invocations are left", got)
		}
		before := days(t, next, "f", 1)[0].Functions[0].Invocations
		next.Counter("f")(report(time.Millisecond, 0, 128))
		closeStore(t, next)
		if got := days(t, next, "f", 1)[0].Functions[0].Invocations; got != before+1 {
			t.Errorf("%d invocations after one more than %d", got, before)
		}
	})
}

func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestDays: an invocation counts on the day that it ends, also while nothing can
// be written, and on a day that an earlier process has begun.
func TestDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		later := `{"version":1,"date":"2000-01-03","functions":[{"function":"f","invocations":40,"errors":0,"billed_ms":0,"init_ms":0,"mb_ms":0,"init_mb_ms":0}]}`
		if err := os.WriteFile(filepath.Join(dir, "2000-01-03.json"), []byte(later), 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir, func(o *usage.Options) { o.FlushInterval = 100 * time.Hour })
		defer closeStore(t, s)
		time.Sleep(24*time.Hour - time.Second) // the clock begins at midnight
		count := s.Counter("f")
		for range 3 {
			count(report(time.Millisecond, 0, 128))
			time.Sleep(time.Second)
			count(report(time.Millisecond, 0, 128))
			time.Sleep(24*time.Hour - time.Second)
		}
		got := map[string]uint64{}
		for _, day := range days(t, s, "", 9) {
			got[day.Date] = day.Functions[0].Invocations
		}
		want := map[string]uint64{firstDay: 1, "2000-01-02": 2, "2000-01-03": 42, "2000-01-04": 1}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("invocations by day (-want +got):\n%s", diff)
		}
	})
}

// TestClockGoesBack: no day is begun twice.
func TestClockGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := time.Duration(0)
		s := open(t, t.TempDir(), func(o *usage.Options) { o.Now = func() time.Time { return time.Now().Add(-back) } })
		defer closeStore(t, s)
		time.Sleep(24 * time.Hour)
		s.Counter("f")(report(time.Millisecond, 0, 128))
		back = 2 * time.Hour
		s.Counter("f")(report(time.Millisecond, 0, 128))
		back = 0
		if got := days(t, s, "f", 3); len(got) != 1 || got[0].Date != "2000-01-02" || got[0].Functions[0].Invocations != 2 {
			t.Errorf("%+v", got)
		}
	})
}

func TestOldDaysGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		keep := func(o *usage.Options) { o.Keep = 2 }
		s := open(t, dir, keep)
		for range 5 {
			s.Counter("f")(report(time.Millisecond, 0, 128))
			time.Sleep(24 * time.Hour)
		}
		closeStore(t, s)
		closeStore(t, open(t, dir, keep))
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(files) != 1 || filepath.Base(files[0]) != "2000-01-05.json" {
			t.Errorf("kept on the sixth day: %v, %v", files, err)
		}
	})
}

// TestTooManyFunctions: no more are told apart than the bound, and none is lost.
func TestTooManyFunctions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir(), func(o *usage.Options) { o.Functions = 3 })
		defer closeStore(t, s)
		for i := range 10 {
			s.Counter(fmt.Sprint("f", i%5))(report(time.Millisecond, 0, 128))
		}
		got := map[string]uint64{}
		for _, f := range days(t, s, "", 1)[0].Functions {
			got[f.Name] = f.Invocations
		}
		if diff := cmp.Diff(map[string]uint64{"f0": 2, "f1": 2, "f2": 2, "": 4}, got); diff != "" {
			t.Errorf("invocations (-want +got):\n%s", diff)
		}
	})
}

// TestManyCount: nothing is lost where many count while it is written.
func TestManyCount(t *testing.T) {
	s := open(t, t.TempDir(), func(o *usage.Options) { o.FlushInterval = time.Millisecond })
	defer closeStore(t, s)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			count := s.Counter("f")
			for range 500 {
				count(report(time.Millisecond, 0, 128))
			}
		})
	}
	all.Wait()
	var total uint64
	for _, day := range days(t, s, "f", 2) { // midnight may pass
		total += day.Functions[0].Invocations
	}
	if total != 8*500 {
		t.Errorf("%d invocations of %d", total, 8*500)
	}
}

// TestUnwritable: counting goes on where nothing can be written, and is written
// later.
func TestUnwritable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "usage")
		var log strings.Builder
		s := open(t, dir, func(o *usage.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		s.Counter("f")(report(time.Millisecond, 0, 128))
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if !strings.Contains(log.String(), "usage cannot be written") {
			t.Errorf("the log says %q", log.String())
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		closeStore(t, s)
		if got := days(t, s, "f", 1); len(got) != 1 || got[0].Functions[0].Invocations != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// TestDamagedDayIsPutAside: it is kept and told of, and keeps neither the server
// from starting nor other days from being read.
func TestDamagedDayIsPutAside(t *testing.T) {
	const yesterday = "1999-12-31"
	tests := map[string]struct{ content, want string }{
		"no JSON":       {"{", "unexpected EOF"},
		"other version": {`{"version":2,"date":"DAY","functions":[]}`, "format version 2"},
		"other day":     {`{"version":1,"date":"1999-01-01","functions":[]}`, "it is of 1999-01-01"},
		"no day":        {`{"version":1,"date":"today","functions":[]}`, "cannot parse"},
		"two days":      {`{"version":1,"date":"DAY","functions":[]}{}`, "something follows"},
		"unknown":       {`{"version":1,"date":"DAY","functions":[],"more":1}`, "unknown field"},
		"negative":      {`{"version":1,"date":"DAY","functions":[{"function":"f","invocations":-1}]}`, "cannot unmarshal"},
		"twice":         {`{"version":1,"date":"DAY","functions":[{"function":"f"},{"function":"f"}]}`, "not in its order"},
		"too large":     {strings.Repeat(" ", 16<<20+1), "at most"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				content := func(day string) string { return strings.ReplaceAll(tt.content, "DAY", day) }
				for _, day := range []string{yesterday, firstDay} {
					if err := os.WriteFile(filepath.Join(dir, day+".json"), []byte(content(day)), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				var log strings.Builder
				s := open(t, dir, func(o *usage.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
				defer closeStore(t, s)
				s.Counter("f")(report(time.Millisecond, 0, 128))
				if got := days(t, s, "", 2); len(got) != 1 || got[0].Date != firstDay || got[0].Functions[0].Invocations != 1 {
					t.Errorf("%+v", got)
				}
				if n := strings.Count(log.String(), tt.want); n != 2 {
					t.Errorf("the log says %q %d times, want 2: %s", tt.want, n, log.String())
				}
				for _, day := range []string{yesterday, firstDay} {
					if kept, err := os.ReadFile(filepath.Join(dir, day+".json.damaged")); err != nil || string(kept) != content(day) {
						t.Errorf("what is kept of %s: %d bytes, %v", day, len(kept), err)
					}
				}
			})
		})
	}
}

// TestFile holds the format: what is written today must be read for years.
func TestFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir)
		s.Counter("f")(report(3*time.Millisecond, 2*time.Millisecond, 128))
		s.Counter("e")(report(time.Millisecond, 0, 256, true))
		closeStore(t, s)
		got, err := os.ReadFile(filepath.Join(dir, firstDay+".json"))
		if err != nil {
			t.Fatal(err)
		}
		want := `{"version":1,"date":"2000-01-01","functions":[
{"function":"e","invocations":1,"errors":1,"billed_ms":1,"init_ms":0,"mb_ms":256,"init_mb_ms":0},
{"function":"f","invocations":1,"errors":0,"billed_ms":5,"init_ms":2,"mb_ms":640,"init_mb_ms":256}
]}
`
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("file (-want +got):\n%s", diff)
		}
	})
}

func BenchmarkCount(b *testing.B) {
	s, err := usage.Open(usage.Options{Dir: b.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	count := s.Counter("f")
	r, failed := report(time.Millisecond, 0, 128)
	b.ReportAllocs()
	for b.Loop() {
		count(r, failed)
	}
}
