package logstore_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/telemetry/logstore"
)

func TestGroupsSurvive(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	s := open(t, logstore.Options{Dir: dir})
	want := logstore.Group{Name: "g", Class: "STANDARD", Tags: map[string]string{"a": "b"}, Retention: 7}
	if err := s.CreateGroup(want); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateGroup(want); !errors.Is(err, logstore.ErrGroupExists) {
		t.Errorf("twice: %v", err)
	}
	for i := range 1200 { // enough that the list is written anew at the next start
		if err := s.UpdateGroup("g", func(g *logstore.Group) { g.Tags["n"] = fmt.Sprint(i) }); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	before, _ := os.Stat(filepath.Join(dir, "groups"))
	again := open(t, logstore.Options{Dir: dir})
	got, err := again.Group("g")
	want.Created, want.Tags["n"] = got.Created, "1199"
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if after, _ := os.Stat(filepath.Join(dir, "groups")); after.Size() > before.Size()/100 {
		t.Errorf("the list has %d bytes, and had %d", after.Size(), before.Size())
	}
}

func TestDeleteGroup(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	s := open(t, logstore.Options{Dir: dir})
	s.Append(group, "s", start, "one\n")
	settle(t, s)
	if err := s.UpdateGroup(group, func(g *logstore.Group) { g.Protected = true }); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteGroup(group); !errors.Is(err, logstore.ErrProtected) {
		t.Errorf("a protected group: %v", err)
	}
	if err := s.UpdateGroup(group, func(g *logstore.Group) { g.Protected = false }); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteGroup(group); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteGroup(group); !errors.Is(err, logstore.ErrNoGroup) {
		t.Errorf("twice: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(left) > 0 {
		t.Errorf("left on disk: %v", left)
	}
	s.Append(group, "s", start, "two\n")
	if diff := cmp.Diff([]string{"two\n"}, all(t, s, group)); diff != "" {
		t.Errorf("a group made anew (-want +got):\n%s", diff)
	}
	s.Close()
	again := open(t, logstore.Options{Dir: dir})
	if diff := cmp.Diff([]string{"two\n"}, all(t, again, group)); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
}

func TestStreams(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	s := open(t, logstore.Options{Dir: dir})
	if err := s.CreateStream(group, "s"); !errors.Is(err, logstore.ErrNoGroup) {
		t.Errorf("in no group: %v", err)
	}
	if err := s.CreateGroup(logstore.Group{Name: group}); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(group, "s", []logstore.Event{{At: start, Message: "x"}}); !errors.Is(err, logstore.ErrNoStream) {
		t.Errorf("put into no stream: %v", err)
	}
	for _, name := range []string{"s", "t"} {
		if err := s.CreateStream(group, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CreateStream(group, "s"); !errors.Is(err, logstore.ErrStreamExists) {
		t.Errorf("twice: %v", err)
	}
	for _, name := range []string{"s", "t"} {
		if err := s.Put(group, name, []logstore.Event{{At: start, Message: name}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteStream(group, "s"); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteStream(group, "s"); !errors.Is(err, logstore.ErrNoStream) {
		t.Errorf("twice: %v", err)
	}
	s.Append(group, "s", start.Add(time.Second), "anew")
	want := []string{"t", "anew"}
	if diff := cmp.Diff(want, all(t, s, group)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.Close()
	again := open(t, logstore.Options{Dir: dir})
	if diff := cmp.Diff(want, all(t, again, group)); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
	streams, err := again.Streams(group)
	if err != nil || len(streams) != 2 || !streams[0].FirstEvent.Equal(start.Add(time.Second)) {
		t.Errorf("streams %+v %v", streams, err)
	}
}

// TestStreamsAreBounded: who may create streams cannot fill memory and disk with
// them.
func TestStreamsAreBounded(t *testing.T) {
	s := open(t, logstore.Options{Dir: filepath.Join(t.TempDir(), "logs")})
	if err := s.CreateGroup(logstore.Group{Name: group}); err != nil {
		t.Fatal(err)
	}
	const most = 10_000
	for i := range most {
		if err := s.CreateStream(group, fmt.Sprint(i)); err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
	}
	if err := s.CreateStream(group, "more"); !errors.Is(err, logstore.ErrTooManyStreams) {
		t.Errorf("one more: %v", err)
	}
	s.Append(group, "environment", start, "an environment is not kept from its log")
	settle(t, s)
	if streams, err := s.Streams(group); err != nil || len(streams) != most+1 {
		t.Errorf("%d streams %v", len(streams), err)
	}
}

// TestStreamsThatComeAndGo: what is told of streams counts as events do.
func TestStreamsThatComeAndGo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	s := open(t, logstore.Options{Dir: dir, GroupBytes: 64 << 10, SegmentBytes: 8 << 10})
	s.Append(group, "e", start, "event")
	settle(t, s)
	full := 0
	for i := range 3000 {
		err := s.CreateStream(group, "comes and goes")
		switch {
		case err == nil:
			if err := s.DeleteStream(group, "comes and goes"); err != nil {
				t.Fatal(err)
			}
		case errors.Is(err, logstore.ErrTooManyStreams):
			full++
			s.Append(group, "e", start.Add(time.Duration(i)), "event")
			settle(t, s)
		default:
			t.Fatal(err)
		}
	}
	if size := diskUse(t, dir); size > 96<<10 || full == 0 || full > 300 {
		t.Errorf("%d bytes on disk, %d times full", size, full)
	}
}

// TestManyGroups: memory and open files are those of LoadedGroups, whatever the
// number of groups that log.
func TestManyGroups(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	s := open(t, logstore.Options{Dir: dir, LoadedGroups: 8})
	for round := range 3 {
		for i := range 300 {
			s.Append(fmt.Sprintf("g%03d", i), "s", start.Add(time.Duration(round)*time.Second), fmt.Sprintln(round))
		}
		settle(t, s)
		if n := s.Loaded(); n > 8 {
			t.Errorf("%d groups are loaded", n)
		}
		if n := openSegments(t, dir); n > 8 {
			t.Errorf("%d segments are open", n)
		}
	}
	for i := range 300 {
		if diff := cmp.Diff([]string{"0\n", "1\n", "2\n"}, all(t, s, fmt.Sprintf("g%03d", i))); diff != "" {
			t.Fatalf("group %d (-want +got):\n%s", i, diff)
		}
	}
}

func openSegments(t *testing.T, dir string) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	for _, entry := range entries {
		target, _ := os.Readlink("/proc/self/fd/" + entry.Name())
		if filepath.Ext(target) == ".log" && filepath.Dir(filepath.Dir(target)) == dir {
			n++
		}
	}
	return n
}

func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	s := open(t, logstore.Options{Dir: dir, SegmentBytes: 1})
	s.Append(group, "s", start, "one\n")
	s.Append(group, "s", start, "two\n")
	settle(t, s)
	seen := 0
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		want := os.FileMode(0o600)
		if info.IsDir() {
			want = 0o700
		}
		if seen++; info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	})
	if err != nil || seen < 6 { // two folders, the list, two segments, an index
		t.Errorf("%d files: %v", seen, err)
	}
}

func TestFollow(t *testing.T) {
	s := open(t, logstore.Options{})
	f := s.Follow(logstore.Filter{Groups: []string{group}, Prefixes: []string{"a"}})
	defer f.Close()
	s.Append(group, "b1", start, "another stream\n")
	s.Append("other", "a1", start, "another group\n")
	s.Append(group, "a1", start, "this\n")
	settle(t, s)
	<-f.Ready()
	events, dropped := f.Take()
	if len(events) != 1 || events[0].Message != "this\n" || events[0].Group != group || dropped != 0 {
		t.Errorf("events %+v, %d dropped", events, dropped)
	}
	for range 10_005 {
		s.Append(group, "a1", start, "x")
	}
	settle(t, s)
	if events, dropped := f.Take(); len(events) != 10_000 || dropped != 5 {
		t.Errorf("%d events, %d dropped", len(events), dropped)
	}
}
