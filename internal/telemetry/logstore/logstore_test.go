package logstore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/telemetry/logstore"
)

const group = "/aws/lambda/f"

// start is when the tests' events begin.
var start = time.UnixMilli(1_700_000_000_000)

func open(t testing.TB, opts logstore.Options) *logstore.Store {
	t.Helper()
	if opts.Dir == "" {
		opts.Dir = filepath.Join(t.TempDir(), "logs")
	}
	s, err := logstore.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func settle(t testing.TB, s *logstore.Store) {
	t.Helper()
	if err := s.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func search(t testing.TB, s *logstore.Store, q logstore.Query) logstore.Page {
	t.Helper()
	if q.Group == "" {
		q.Group = group
	}
	page, err := s.Search(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func messages(events []logstore.Event) []string {
	var all []string
	for _, e := range events {
		all = append(all, e.Message)
	}
	return all
}

func all(t testing.TB, s *logstore.Store, name string) []string {
	t.Helper()
	return messages(search(t, s, logstore.Query{Group: name}).Events)
}

func TestAppendAndSearch(t *testing.T) {
	s := open(t, logstore.Options{})
	s.Append(group, "a", start.Add(2*time.Millisecond), "second\n")
	s.Append(group, "b", start, "first\n")
	s.Append(group, "a", start.Add(2*time.Millisecond), "third\n")
	page := search(t, s, logstore.Query{})
	if diff := cmp.Diff([]string{"first\n", "second\n", "third\n"}, messages(page.Events)); diff != "" {
		t.Errorf("by time, then arrival (-want +got):\n%s", diff)
	}
	only := search(t, s, logstore.Query{Stream: func(name string) bool { return name == "a" }})
	if diff := cmp.Diff([]string{"second\n", "third\n"}, messages(only.Events)); diff != "" {
		t.Errorf("of one stream (-want +got):\n%s", diff)
	}
	if id := page.Events[0].ID(); len(id) != 56 || id >= page.Events[1].ID() {
		t.Errorf("ids %s, %s: want 56 digits that rise", id, page.Events[1].ID())
	}
	streams, err := s.Streams(group)
	if err != nil || len(streams) != 2 || streams[0].Name != "a" || !streams[0].FirstEvent.Equal(start.Add(2*time.Millisecond)) {
		t.Errorf("streams %+v %v", streams, err)
	}
	if _, err := s.Search(t.Context(), logstore.Query{Group: "none"}); !errors.Is(err, logstore.ErrNoGroup) {
		t.Errorf("a group that is not there: %v", err)
	}
}

// TestPagesHaveNoHoles reads random logs in pages of random size, both ways, and
// compares with what was written.
func TestPagesHaveNoHoles(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := open(t, logstore.Options{SegmentBytes: 4 << 10})
		type event struct {
			at   int64
			n    int
			text string
		}
		var want []event
		for n := range 250 {
			e := event{at: start.UnixMilli() + int64(n/3) + r.Int64N(40), n: n}
			e.text = fmt.Sprint(n, strings.Repeat("x", r.IntN(5000)))
			s.Append(group, fmt.Sprint("s", n%3), time.UnixMilli(e.at), e.text)
			want = append(want, e)
		}
		slices.SortFunc(want, func(a, b event) int { return int(a.at-b.at)*1_000_000 + a.n - b.n })
		for _, backward := range []bool{false, true} {
			limit := 1 + r.IntN(200)
			var got []string
			for q := (logstore.Query{Group: group, Limit: limit, Backward: backward}); ; {
				page := search(t, s, q)
				if backward {
					got = append(messages(page.Events), got...)
					q.To = page.Next
				} else {
					got = append(got, messages(page.Events)...)
					q.From = page.Next
				}
				if !page.More {
					break
				}
			}
			var texts []string
			for _, e := range want {
				texts = append(texts, e.text)
			}
			if !slices.Equal(texts, got) {
				t.Fatalf("seed %d, backward %v, pages of %d: %d events, want %d", seed, backward, limit, len(got), len(texts))
			}
		}
	}
}

// TestRareMatches: a search that reads no more than a block at a time answers many
// pages, some of them empty, and in the end all that match.
func TestRareMatches(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	s := open(t, logstore.Options{SegmentBytes: 64 << 10, ScanBytes: 1})
	var want []string
	for n := range 3000 {
		text := fmt.Sprint("common ", n, strings.Repeat("x", 100))
		if n%500 == 250 {
			text = fmt.Sprint("rare ", n)
			want = append(want, text)
		}
		s.Append(group, "s", start.Add(time.Duration(n*10+r.IntN(9))*time.Millisecond), text)
	}
	for _, backward := range []bool{false, true} {
		var got []string
		pages, empty := 0, 0
		q := logstore.Query{Group: group, Backward: backward, Match: func(m []byte) bool { return strings.HasPrefix(string(m), "rare") }}
		for more := true; more; pages++ {
			page := search(t, s, q)
			if more = page.More; len(page.Events) == 0 {
				empty++
			}
			if backward {
				got, q.To = append(messages(page.Events), got...), page.Next
			} else {
				got, q.From = append(got, messages(page.Events)...), page.Next
			}
			if pages > 1000 {
				t.Fatal("it does not come to an end")
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("backward %v (-want +got):\n%s", backward, diff)
		}
		if pages < 5 || empty == 0 {
			t.Errorf("backward %v: %d pages, %d of them empty", backward, pages, empty)
		}
	}
}

func TestPageIsBoundedByBytes(t *testing.T) {
	s := open(t, logstore.Options{})
	for i := range 30 {
		s.Append(group, "s", start.Add(time.Duration(i)*time.Millisecond), strings.Repeat("x", 100<<10))
	}
	page := search(t, s, logstore.Query{})
	if len(page.Events) != 10 || !page.More {
		t.Errorf("%d events, more %v; want 10 of 100 KiB in 1 MiB, and more", len(page.Events), page.More)
	}
}

// TestSurvivesTheProcess copies the files of a running store, as a kill leaves
// them, and cuts or spoils the end of the newest one.
func TestSurvivesTheProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	s := open(t, logstore.Options{Dir: dir, SegmentBytes: 2 << 10})
	var want []string
	for i := range 100 {
		want = append(want, fmt.Sprintf("line %d of the log\n", i))
		s.Append(group, "s", start.Add(time.Duration(i)*time.Millisecond), want[i])
	}
	settle(t, s)
	segments, err := filepath.Glob(filepath.Join(dir, "*", "*.log"))
	if err != nil || len(segments) < 2 {
		t.Fatalf("segments %v %v", segments, err)
	}
	last, err := os.Stat(segments[len(segments)-1])
	if err != nil {
		t.Fatal(err)
	}
	inLast := 0
	for cut := int64(0); cut < min(last.Size(), 120); cut++ {
		copied := filepath.Join(t.TempDir(), "logs")
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		torn := strings.Replace(segments[len(segments)-1], dir, copied, 1)
		if err := os.Truncate(torn, last.Size()-cut); err != nil {
			t.Fatal(err)
		}
		again := open(t, logstore.Options{Dir: copied, SegmentBytes: 2 << 10})
		got := all(t, again, group)
		if len(got) > len(want) || !slices.Equal(got, want[:len(got)]) || cut == 0 && len(got) != len(want) {
			t.Fatalf("with %d bytes cut off: %d events", cut, len(got))
		}
		inLast = max(inLast, len(want)-len(got))
		again.Append(group, "s", start.Add(time.Hour), "after\n")
		if after := all(t, again, group); len(after) != len(got)+1 || after[len(got)] != "after\n" {
			t.Fatalf("with %d bytes cut off: %d events after one more", cut, len(after))
		}
		again.Close()
	}
	if inLast == 0 {
		t.Error("no cut has cost an event: the test cuts the wrong file")
	}
}

func TestDamagedSegmentIsPutAside(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	s := open(t, logstore.Options{Dir: dir})
	s.Append(group, "s", start, "lost\n")
	s.Close()
	segments, _ := filepath.Glob(filepath.Join(dir, "*", "*.log"))
	if err := os.WriteFile(segments[0], []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	again := open(t, logstore.Options{Dir: dir})
	again.Append(group, "s", start, "kept\n")
	if diff := cmp.Diff([]string{"kept\n"}, all(t, again, group)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := os.Stat(segments[0] + ".damaged"); err != nil {
		t.Error(err)
	}
}

func TestTornCatalogue(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	s := open(t, logstore.Options{Dir: dir})
	s.Append("one", "s", start, "1\n")
	settle(t, s)
	whole, err := os.ReadFile(filepath.Join(dir, "groups"))
	if err != nil {
		t.Fatal(err)
	}
	s.Append("two", "s", start, "2\n")
	settle(t, s)
	s.Close()
	if err := os.Truncate(filepath.Join(dir, "groups"), int64(len(whole))+5); err != nil {
		t.Fatal(err)
	}
	again := open(t, logstore.Options{Dir: dir})
	again.Append("three", "s", start, "3\n")
	if diff := cmp.Diff([]string{"3\n"}, all(t, again, "three")); diff != "" {
		t.Errorf("a new group reads what an unknown one has left (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"1\n"}, all(t, again, "one")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestWhatDoesNotFitIsCounted: an event larger than its group's half of the
// queue never fits, whatever the writer does.
func TestWhatDoesNotFitIsCounted(t *testing.T) {
	s := open(t, logstore.Options{QueueBytes: 4 << 10})
	s.Append(group, "s", start, strings.Repeat("x", 3<<10))
	settle(t, s)
	got := all(t, s, group)
	if len(got) != 1 || !strings.Contains(got[0], `"type":"platform.logsDropped"`) || !strings.Contains(got[0], `"droppedRecords":1,"droppedBytes":3072`) {
		t.Errorf("the log tells %q", got)
	}
}

// TestWhatCannotBeWrittenIsCounted: a group whose directory cannot be made loses
// its events, is told so when it can be, and costs others nothing.
func TestWhatCannotBeWrittenIsCounted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	s := open(t, logstore.Options{Dir: dir})
	if err := s.CreateGroup(logstore.Group{Name: group}); err != nil {
		t.Fatal(err)
	}
	obstacle := filepath.Join(dir, "00000000")
	if err := os.WriteFile(obstacle, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.Append(group, "s", start, "lost")
		s.Append("other", "s", start, "kept")
		settle(t, s)
	}
	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	s.Append(group, "s", start, "kept")
	got := all(t, s, group)
	if len(got) != 2 || got[0] != "kept" || !strings.Contains(got[1], `"droppedRecords":3,"droppedBytes":12`) {
		t.Errorf("the log tells %q", got)
	}
	if diff := cmp.Diff([]string{"kept", "kept", "kept"}, all(t, s, "other")); diff != "" {
		t.Errorf("another group (-want +got):\n%s", diff)
	}
}

func TestGroupIsBounded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	s := open(t, logstore.Options{Dir: dir, GroupBytes: 64 << 10, SegmentBytes: 8 << 10})
	const events = 3000
	for i := range events {
		s.Append(group, "s", start.Add(time.Duration(i)*time.Millisecond), fmt.Sprintf("line %d %s\n", i, strings.Repeat("x", 100)))
	}
	settle(t, s)
	if size := diskUse(t, dir); size > 72<<10 {
		t.Errorf("%d bytes on disk", size)
	}
	page := search(t, s, logstore.Query{})
	last := page.Events[len(page.Events)-1]
	if last.Seq != events || !strings.HasPrefix(last.Message, "line 2999 ") || page.Events[0].Seq == 1 {
		t.Errorf("events %d to %d, the last %q", page.Events[0].Seq, last.Seq, last.Message)
	}
}

func diskUse(t *testing.T, dir string) (total int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err == nil {
			total += info.Size()
		}
	}
	return total
}

func TestAllGroupsTogetherAreBounded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	s := open(t, logstore.Options{Dir: dir, TotalBytes: 100 << 10, LoadedGroups: 3})
	for i := range 40 {
		name := fmt.Sprintf("g%02d", i)
		s.Append(name, "s", start, strings.Repeat("x", 5<<10))
		settle(t, s)
		// The order of the files' times is the test's, not the clock's.
		files, _ := filepath.Glob(filepath.Join(dir, "*", "*.log"))
		for _, file := range files {
			at := start.Add(time.Duration(i) * time.Minute)
			if info, err := os.Stat(file); err == nil && info.ModTime().After(at) {
				os.Chtimes(file, at, at)
			}
		}
	}
	s.Sweep()
	if size := diskUse(t, dir); size > 100<<10 {
		t.Errorf("%d bytes on disk", size)
	}
	if got := all(t, s, "g39"); len(got) != 1 {
		t.Errorf("the newest group has %d events", len(got))
	}
	if got := all(t, s, "g00"); len(got) != 0 {
		t.Errorf("the oldest group has %d events", len(got))
	}
	s.Append("g00", "s", start, "again\n")
	if page := search(t, s, logstore.Query{Group: "g00"}); len(page.Events) != 1 || page.Events[0].Seq != 2 {
		t.Errorf("the count of the oldest group begins anew: %+v", page.Events)
	}
}

func TestRetention(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	var ahead atomic.Int64 // of the clock
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	s := open(t, logstore.Options{Dir: dir, Now: now})
	s.Append(group, "s", now(), "old\n")
	settle(t, s)
	if err := s.UpdateGroup(group, func(g *logstore.Group) { g.Retention = 3 }); err != nil {
		t.Fatal(err)
	}
	ahead.Store(int64(71 * time.Hour))
	s.Append(group, "s", now(), "new\n")
	if diff := cmp.Diff([]string{"old\n", "new\n"}, all(t, s, group)); diff != "" {
		t.Errorf("before its time (-want +got):\n%s", diff)
	}
	ahead.Add(int64(2 * time.Hour))
	if diff := cmp.Diff([]string{"new\n"}, all(t, s, group)); diff != "" {
		t.Errorf("after its time (-want +got):\n%s", diff)
	}
	ahead.Add(int64(365 * 24 * time.Hour))
	s.Sweep()
	if size := diskUse(t, dir); size > 100 {
		t.Errorf("%d bytes on disk", size)
	}
	if groups := s.Groups(nil); len(groups) != 1 || groups[0].Retention != 3 {
		t.Errorf("groups %+v", groups)
	}
}
