package crash_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"thaw/internal/store"
	"thaw/internal/store/damage"
	"thaw/internal/store/local"
	"thaw/internal/store/mirror"
)

// contents are everything that a data directory holds.
type contents struct {
	records map[string]string // by key; revision and value
	events  map[string]string // by queue and ID
	blobs   map[string]string // by digest; the error of reading it, or empty
}

// opening is what a start over a directory gave.
type opening struct {
	contents
	warnings string // of the log
	findings []damage.Finding
}

// openAndRead starts over a directory as a server does, and reads everything.
func openAndRead(dir string, queues []string, digests []string) (o opening, err error) {
	ctx := context.Background()
	before, err := damage.In(filepath.Join(dir, "store")).Read()
	if err != nil {
		return o, err
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := local.Open(ctx, local.Options{Dir: filepath.Join(dir, "store"), Logger: logger})
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	m, err := mirror.Open(ctx, mirror.Options{Path: filepath.Join(dir, mirror.FileName), Metadata: s.Metadata(), Engine: s, Logger: logger})
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	if o.contents, err = readAll(ctx, s, queues, digests); err != nil {
		return o, err
	}
	after, err := damage.In(filepath.Join(dir, "store")).Read()
	o.findings = slices.DeleteFunc(after[len(before):], func(f damage.Finding) bool { return f.Settles && len(f.Records) == 0 })
	o.warnings = log.String()
	return o, err
}

func readAll(ctx context.Context, s store.Store, queues, digests []string) (c contents, err error) {
	c = contents{records: map[string]string{}, events: map[string]string{}, blobs: map[string]string{}}
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	watch, err := s.Metadata().Watch(watching, "")
	if err != nil {
		return c, err
	}
	for change := range watch {
		if change.Synced {
			break
		}
		c.records[change.Key] = fmt.Sprintf("%d %s", change.Revision, change.Value)
	}
	for _, name := range queues {
		q := s.Queue(name)
		for {
			count, err := q.Count(ctx)
			if err != nil {
				return c, err
			}
			if count.Waiting == 0 {
				break
			}
			leased, err := q.Lease(ctx, 1000, time.Hour)
			if err != nil {
				return c, err
			}
			for _, l := range leased {
				c.events[name+" "+l.ID] = fmt.Sprintf("%s %d %s", l.Partition, l.Attempts, l.Body)
			}
		}
	}
	for _, digest := range digests {
		c.blobs[digest] = readBlob(ctx, s.Blobs(), digest)
	}
	return c, nil
}

func readBlob(ctx context.Context, b store.Blobs, digest string) string {
	f, err := b.Open(ctx, digest)
	if err == nil {
		_, err = io.Copy(io.Discard, f)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return "not readable" // the path is in the error
	}
	return ""
}

// example is a data directory with a little of everything, after a clean end and,
// as it was in the middle of a life, after a kill.
type example struct {
	clean, killed string
	queues        []string
	digests       []string
	want          contents
}

func newExample(t *testing.T, dir string, random *rand.Rand) *example {
	t.Helper()
	x := &example{clean: filepath.Join(dir, "clean"), killed: filepath.Join(dir, "killed"), queues: []string{"async", "sqs/one", "sqs/two"}}
	revisions := map[string]store.Revision{}
	for life := range 4 {
		if err := x.live(life, random, revisions); err != nil {
			t.Fatal(err)
		}
	}
	o, err := openAndRead(x.clean, x.queues, x.digests)
	if err != nil {
		t.Fatal(err)
	}
	x.want = o.contents
	if o.warnings != "" || len(o.findings) > 0 || len(x.want.records) < 20 || len(x.want.events) < 20 || len(x.want.blobs) < 3 {
		t.Fatalf("the example: %+v", o)
	}
	return x
}

// live works on the example's directory for a while.
func (x *example) live(life int, random *rand.Rand, revisions map[string]store.Revision) (err error) {
	ctx := context.Background()
	logger := slog.New(slog.DiscardHandler)
	s, err := local.Open(ctx, local.Options{Dir: filepath.Join(x.clean, "store"), Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	m, err := mirror.Open(ctx, mirror.Options{Path: filepath.Join(x.clean, mirror.FileName), Metadata: s.Metadata(), Engine: s, Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	for n := range 40 {
		key := fmt.Sprintf("function/f%d", random.IntN(40))
		if old := revisions[key]; old > 0 && random.IntN(4) == 0 {
			err = s.Metadata().Delete(ctx, key, old)
			delete(revisions, key)
		} else {
			revisions[key], err = s.Metadata().Put(ctx, key, fmt.Appendf(nil, "%d %d %s", life, n, strings.Repeat("v", random.IntN(500))), old)
		}
		if err != nil {
			return err
		}
		q := s.Queue(x.queues[random.IntN(len(x.queues))])
		events := make([]store.Event, 1+random.IntN(3))
		for i := range events {
			id := fmt.Sprintf("%d-%d-%d", life, n, i)
			events[i] = store.Event{ID: id, Partition: "p", Body: []byte(id + strings.Repeat("b", random.IntN(700)))}
		}
		if err := q.EnqueueBatch(ctx, events); err != nil {
			return err
		}
		if n%3 == 0 {
			if err := workOff(ctx, q, random); err != nil {
				return err
			}
		}
	}
	if life == 1 {
		err = s.Queue(x.queues[2]).Purge(ctx)
	}
	digest, _, putErr := s.Blobs().Put(ctx, strings.NewReader(strings.Repeat(fmt.Sprint("blob", life), 200)))
	x.digests = append(x.digests, digest)
	if err := errors.Join(err, putErr); err != nil || life < 3 {
		return err
	}
	// The mirror follows; what it has written is in the file at once.
	newest, err := s.Metadata().Newest(ctx)
	if err != nil {
		return err
	}
	for m.Newest() < newest {
		time.Sleep(time.Millisecond)
	}
	if err := os.CopyFS(x.killed, os.DirFS(x.clean)); err != nil {
		return err
	}
	return x.shorten()
}

// shorten leaves little of the room that the killed life had set aside: there is
// nothing in it to break, and it takes long to copy.
func (x *example) shorten() error {
	dir := filepath.Join(x.killed, "store", "journal")
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		return err
	}
	last := slices.Max(logs)
	b, err := os.ReadFile(last)
	if err != nil {
		return err
	}
	used := len(bytes.TrimRight(b, "\x00"))
	return errors.Join(os.Truncate(last, int64(used)+4096), os.Truncate(filepath.Join(dir, "spare.new"), 0))
}

func workOff(ctx context.Context, q store.Queue, random *rand.Rand) error {
	leased, err := q.Lease(ctx, 3, time.Hour)
	for _, l := range leased {
		if random.IntN(3) == 0 {
			err = errors.Join(err, q.RetryAt(ctx, l, append(l.Body, "again"...), time.Now()))
		} else {
			err = errors.Join(err, q.Ack(ctx, l))
		}
	}
	return err
}

// corrupt breaks one file and tells how.
func corrupt(dir string, random *rand.Rand) (what string, err error) {
	var files []string
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && d.Name() != "lock" && d.Name() != "spare.new" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	path := files[random.IntN(len(files))]
	if random.IntN(2) == 0 { // most of what there is to break
		logs, err := filepath.Glob(filepath.Join(dir, "store", "journal", "*.log"))
		if err != nil {
			return "", err
		}
		path = logs[random.IntN(len(logs))]
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	// A segment that is being written has room at its end, of which nobody learns.
	used := max(len(bytes.TrimRight(b, "\x00")), 1)
	at := random.IntN(used)
	name, _ := filepath.Rel(dir, path)
	switch kind := random.IntN(100); {
	case kind < 50:
		what = fmt.Sprintf("bit %d of byte %d", random.IntN(8), at)
		b[at] ^= 1 << random.IntN(8)
	case kind < 75:
		what = fmt.Sprintf("cut off at %d", at)
		b = b[:at]
	case kind < 90:
		n := min(len(b)-at, 1+random.IntN(600))
		what = fmt.Sprintf("%d bytes overwritten at %d", n, at)
		for i := range n {
			b[at+i] = byte(random.Uint32())
		}
	case kind < 97:
		start := at / 512 * 512
		end := min(len(b), start+512)
		what = fmt.Sprintf("sector at %d zeroed", start)
		clear(b[start:end])
	default:
		return name + ": removed", os.Remove(path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return "", err
	}
	return name + ": " + what, errors.Join(os.WriteFile(path, b, 0o600), os.Chmod(path, info.Mode()))
}

// TestCorruption breaks files at rest: whatever is broken is harmless or reported,
// what was not lost with it is there, and the next start finds nothing new.
func TestCorruption(t *testing.T) {
	first := newSeed(t)
	dir := directory(t)
	x := newExample(t, dir, source(first))
	all := repeat(120, 12_000)
	began := time.Now()
	var mu sync.Mutex
	outcomes := map[string]int{}
	var workers sync.WaitGroup
	for w := range 2 {
		workers.Go(func() {
			for n := w; n < all; n += 2 {
				random := source(first + uint64(n))
				outcome, err := x.breakOnce(filepath.Join(dir, fmt.Sprint("w", w)), random)
				mu.Lock()
				outcomes[outcome]++
				if err != nil {
					t.Errorf("-crash.seed=%d, corruption %d: %v", first, n, err)
				}
				if *long && n%2000 == 0 {
					fmt.Printf("corruption: %d of %d in %v: %v\n", n, all, time.Since(began).Round(time.Second), outcomes)
				}
				mu.Unlock()
				if t.Failed() {
					return
				}
			}
		})
	}
	workers.Wait()
	t.Logf("%d corruptions in %v: %v", all, time.Since(began).Round(time.Millisecond), outcomes)
	if outcomes["reported"] < all/4 {
		t.Errorf("only %d of %d corruptions met anything", outcomes["reported"], all)
	}
}

// breakOnce breaks a copy of the example, and starts over it twice.
func (x *example) breakOnce(dir string, random *rand.Rand) (outcome string, err error) {
	from := x.clean
	if random.IntN(2) == 0 {
		from = x.killed
	}
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		return "error", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	what, err := corrupt(dir, random)
	if err != nil {
		return "error", err
	}
	what = filepath.Base(from) + ": " + what
	o, err := openAndRead(dir, x.queues, x.digests)
	if err != nil {
		return "error", fmt.Errorf("%s: it does not start: %w", what, err)
	}
	if outcome, err = x.judge(what, o); err != nil {
		return outcome, err
	}
	again, err := openAndRead(dir, x.queues, x.digests)
	if err != nil {
		return "error", fmt.Errorf("%s: it does not start again: %w", what, err)
	}
	if len(again.findings) > 0 || again.warnings != "" {
		return "error", fmt.Errorf("%s: found again: %v %s", what, again.findings, again.warnings)
	}
	if !maps.Equal(again.records, o.records) || !maps.Equal(again.events, o.events) {
		return "error", fmt.Errorf("%s: the next start has something else", what)
	}
	return outcome, nil
}

// judge tells whether a start over broken files is as it has to be.
func (x *example) judge(what string, o opening) (outcome string, err error) {
	reported := o.warnings != "" || len(o.findings) > 0
	bound, lost := uint64(0), uint64(0)
	for _, f := range o.findings {
		bound += f.Events
	}
	for key, body := range x.want.events {
		got, there := o.events[key]
		if !there {
			lost++
		} else if got != body && !reported { // an older form of a retried event
			return "error", fmt.Errorf("%s: event %s is %q, want %q, and nothing is said", what, key, got, body)
		}
	}
	for key := range o.events {
		if _, ended := x.want.events[key]; !ended && !reported {
			return "error", fmt.Errorf("%s: event %s is back, and nothing is said", what, key)
		}
	}
	if lost > bound {
		return "error", fmt.Errorf("%s: %d events are lost, and said to be at most %d: %+v %s", what, lost, bound, o.findings, o.warnings)
	}
	if !maps.Equal(x.want.records, o.records) {
		return "error", fmt.Errorf("%s: records differ: %d, want %d; %+v %s", what, len(o.records), len(x.want.records), o.findings, o.warnings)
	}
	unreadable := 0
	for digest, was := range x.want.blobs {
		if o.blobs[digest] != was {
			unreadable++
		}
	}
	switch {
	case unreadable > 0 && strings.Contains(what, "blobs/"):
		return "blob refused", nil
	case unreadable > 0:
		return "error", fmt.Errorf("%s: %d blobs cannot be read", what, unreadable)
	case lost > 0:
		return "reported, events lost", nil
	case reported:
		return "reported", nil
	}
	return "harmless", nil
}
