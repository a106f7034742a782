package queue_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/catalog"
	"thaw/internal/lambda"
	"thaw/internal/queue"
	"thaw/internal/store"
	"thaw/internal/store/memory"
)

var scope = lambda.Scope{Partition: "aws", Region: "us-east-1", Account: "123456789012"}

const prefix = "arn:aws:sqs:us-east-1:123456789012:"

// bench is a service over a store in memory.
type bench struct {
	*queue.Service
	t       *testing.T
	store   *memory.Store
	catalog *catalog.Catalog
	dir     string // for files
	state   string // file
	// events is the store's queue of a name.
	events func(name string) store.Queue
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, store: memory.New()}
	b.events = b.store.Queue
	var err error
	if b.catalog, err = catalog.Open(t.Context(), b.store.Metadata(), catalog.Options{Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	b.Service = b.open()
	return b
}

func (b *bench) open() *queue.Service {
	b.t.Helper()
	s, err := queue.Open(queue.Options{Catalog: b.catalog, Events: b.events, Scope: scope, State: b.state, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// restart is another process over the same store.
func (b *bench) restart() {
	b.must(b.Close())
	b.Service = b.open()
}

func (b *bench) close() {
	if err := errors.Join(b.Close(), b.catalog.Close(), b.store.Close()); err != nil {
		b.t.Error(err)
	}
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) create(name string, attributes map[string]string) {
	b.t.Helper()
	b.must(b.Create(b.t.Context(), name, attributes, nil))
}

func (b *bench) send(name, body string) string {
	b.t.Helper()
	sent, err := b.Send(b.t.Context(), name, queue.Outgoing{Body: body})
	b.must(err)
	return sent.ID
}

func (b *bench) receive(name string, visibility, wait time.Duration) []queue.Message {
	b.t.Helper()
	list, err := b.Receive(b.t.Context(), name, queue.Want{Max: 10, Visibility: &visibility, Wait: &wait})
	b.must(err)
	return list
}

// one is the only message that is received.
func (b *bench) one(name string, visibility time.Duration) queue.Message {
	b.t.Helper()
	list := b.receive(name, visibility, 0)
	if len(list) != 1 {
		b.t.Fatalf("received %d messages, want one", len(list))
	}
	return list[0]
}

func (b *bench) none(name string) {
	b.t.Helper()
	if list := b.receive(name, time.Second, 0); len(list) != 0 {
		b.t.Fatalf("received %+v, want nothing", list)
	}
}

// counts are the messages that wait, are in flight and are delayed.
func (b *bench) counts(name string) [3]string {
	b.t.Helper()
	a, err := b.Attributes(b.t.Context(), name, []string{"All"})
	b.must(err)
	return [3]string{a["ApproximateNumberOfMessages"], a["ApproximateNumberOfMessagesNotVisible"], a["ApproximateNumberOfMessagesDelayed"]}
}

// virtual runs a test under a virtual clock.
func virtual(t *testing.T, run func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir() // it goes last
		b := newBench(t)
		b.dir = dir
		t.Cleanup(b.close)
		run(t, b)
	})
}

func refused(t *testing.T, err error, code, text string) {
	t.Helper()
	told := new(lambda.Error)
	if !errors.As(err, &told) || told.Code != code || !strings.Contains(told.Message, text) {
		t.Errorf("error %v, want %s: …%s…", err, code, text)
	}
}

func TestLifeOfAMessage(t *testing.T) {
	virtual(t, func(t *testing.T, b *bench) {
		b.create("q", map[string]string{"VisibilityTimeout": "5"})
		sent := time.Now()
		out := queue.Outgoing{
			Body: "hello", Trace: "Root=1", Sender: "AIDA", Group: "tenant",
			Attributes: map[string]queue.Attribute{"n": {Type: "Number.int", Value: []byte("1")}, "b": {Type: "Binary", Value: []byte{0, 1}}},
		}
		answer, err := b.Send(t.Context(), prefix+"q", out) // by its ARN
		b.must(err)
		time.Sleep(time.Second)
		list, err := b.Receive(t.Context(), "q", queue.Want{Max: 1})
		b.must(err)
		if len(list) != 1 {
			t.Fatalf("received %d", len(list))
		}
		got := list[0]
		want := queue.Message{ID: answer.ID, Receipt: got.Receipt, Body: "hello", Trace: "Root=1", Sender: "AIDA", Group: "tenant", Attributes: out.Attributes,
			SentAt: sent, ReceiveCount: 1, FirstReceivedAt: sent.Add(time.Second)}
		if diff := cmp.Diff(want, got, cmp.Comparer(sameMillisecond)); diff != "" {
			t.Errorf("received (-want +got):\n%s", diff)
		}
		b.none("q")
		time.Sleep(4*time.Second + 999*time.Millisecond)
		b.none("q")
		time.Sleep(time.Millisecond)
		again := b.one("q", 5*time.Second)
		if again.ID != got.ID || again.Receipt == got.Receipt || again.ReceiveCount != 2 || !sameMillisecond(again.FirstReceivedAt, got.FirstReceivedAt) {
			t.Errorf("received again: %+v", again)
		}
		b.must(b.DeleteMessage(t.Context(), "q", got.Receipt)) // an old handle deletes nothing
		if n := b.counts("q"); n != [3]string{"0", "1", "0"} {
			t.Errorf("counts %v", n)
		}
		b.must(b.DeleteMessage(t.Context(), "q", again.Receipt))
		b.must(b.DeleteMessage(t.Context(), "q", again.Receipt))
		time.Sleep(time.Hour)
		b.none("q")
		if n := b.counts("q"); n != [3]string{"0", "0", "0"} {
			t.Errorf("counts %v", n)
		}
	})
}

func sameMillisecond(a, b time.Time) bool { return a.UnixMilli() == b.UnixMilli() }

// TestLongPolling: a message wakes up at once who waits for it; a delayed one when
// its time has come.
func TestLongPolling(t *testing.T) {
	virtual(t, func(t *testing.T, b *bench) {
		b.create("q", nil)
		start := time.Now()
		if got := b.receive("q", time.Second, 20*time.Second); len(got) != 0 || time.Since(start) != 20*time.Second {
			t.Errorf("received %d after %v", len(got), time.Since(start))
		}
		start = time.Now()
		go func() {
			time.Sleep(3 * time.Second)
			b.send("q", "now")
		}()
		if got := b.receive("q", time.Hour, 20*time.Second); len(got) != 1 || time.Since(start) != 3*time.Second {
			t.Errorf("received %d after %v", len(got), time.Since(start))
		}
		_, err := b.Send(t.Context(), "q", queue.Outgoing{Body: "later", Delay: new(7 * time.Second)})
		b.must(err)
		if n := b.counts("q"); n != [3]string{"0", "1", "1"} {
			t.Errorf("counts %v", n)
		}
		start = time.Now()
		if got := b.receive("q", time.Hour, 20*time.Second); len(got) != 1 || time.Since(start) != 7*time.Second {
			t.Errorf("received %d after %v", len(got), time.Since(start))
		}
	})
}

// TestWaitingEnds with the queue and with the service.
func TestWaitingEnds(t *testing.T) {
	virtual(t, func(t *testing.T, b *bench) {
		b.create("q", nil)
		go func() {
			time.Sleep(time.Second)
			b.must(b.Service.Delete(t.Context(), "q"))
		}()
		wait := 20 * time.Second
		_, err := b.Receive(t.Context(), "q", queue.Want{Max: 1, Wait: &wait})
		refused(t, err, "QueueDoesNotExist", "does not exist")
		b.create("q", nil)
		start := time.Now()
		go func() {
			time.Sleep(time.Second)
			b.restart()
		}()
		if got := b.receive("q", time.Second, wait); len(got) != 0 || time.Since(start) != time.Second {
			t.Errorf("received %d after %v", len(got), time.Since(start))
		}
		synctest.Wait()
	})
}

func TestDeadLetters(t *testing.T) {
	virtual(t, func(t *testing.T, b *bench) {
		b.create("dead", nil)
		b.create("q", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + prefix + `dead","maxReceiveCount":"2"}`})
		id := b.send("q", "poison")
		var first queue.Message
		for i := range 2 {
			m := b.one("q", time.Second)
			if m.ReceiveCount != i+1 {
				t.Errorf("receipt %d: %+v", i, m)
			}
			if i == 0 {
				first = m
			}
			time.Sleep(time.Second)
		}
		b.none("q")
		if n := b.counts("q"); n != [3]string{"0", "0", "0"} {
			t.Errorf("counts %v", n)
		}
		m := b.one("dead", time.Minute)
		if m.ID != id || m.Body != "poison" || m.Source != prefix+"q" || m.ReceiveCount != 3 || m.SentAt != first.SentAt || !sameMillisecond(m.FirstReceivedAt, first.FirstReceivedAt) {
			t.Errorf("dead letter %+v", m)
		}
		sources, err := b.Sources("dead", "")
		b.must(err)
		if diff := cmp.Diff([]string{"q"}, sources); diff != "" {
			t.Error(diff)
		}
		// Without its dead-letter queue a message goes on being received.
		b.send("q", "poison too")
		b.must(b.Service.Delete(t.Context(), "dead"))
		for i := range 5 {
			if m := b.one("q", time.Second); m.ReceiveCount != i+1 {
				t.Errorf("receipt %d: %+v", i, m)
			}
			time.Sleep(time.Second)
		}
	})
}

// TestRetention: nobody receives what is too old, in whatever queue it is now, and
// what is left of it is taken off the disk.
func TestRetention(t *testing.T) {
	virtual(t, func(t *testing.T, b *bench) {
		b.create("dead", map[string]string{"MessageRetentionPeriod": "600"})
		b.create("q", map[string]string{"MessageRetentionPeriod": "300", "RedrivePolicy": `{"deadLetterTargetArn":"` + prefix + `dead","maxReceiveCount":1}`})
		b.send("q", "one")
		b.one("q", time.Second)
		time.Sleep(200 * time.Second)
		b.none("q") // it goes to the other queue
		b.send("q", "two")
		time.Sleep(299 * time.Second)
		b.one("q", 0)
		time.Sleep(time.Second)
		b.none("q")
		time.Sleep(99 * time.Second)
		b.one("dead", 0)
		time.Sleep(time.Second)
		b.none("dead")
		for _, name := range []string{"q", "dead"} {
			b.send(name, "unseen")
		}
		time.Sleep(15 * time.Minute)
		for _, name := range []string{"q", "dead"} {
			if n := b.counts(name); n != [3]string{"0", "0", "0"} {
				t.Errorf("%s: %v", name, n)
			}
		}
		// A shorter retention is for what is there, too.
		b.send("q", "three")
		time.Sleep(2 * time.Minute)
		b.must(b.SetAttributes(t.Context(), "q", map[string]string{"MessageRetentionPeriod": "60"}))
		b.none("q")
	})
}

func TestChangeVisibility(t *testing.T) {
	virtual(t, func(t *testing.T, b *bench) {
		b.create("q", nil)
		b.send("q", "m")
		m := b.one("q", 10*time.Second)
		b.must(b.ChangeVisibility(t.Context(), "q", m.Receipt, 30*time.Second))
		time.Sleep(29 * time.Second)
		b.none("q")
		go func() { // whoever waits gets it
			time.Sleep(100 * time.Millisecond)
			b.must(b.ChangeVisibility(t.Context(), "q", m.Receipt, 0))
		}()
		start := time.Now()
		if got := b.receive("q", 10*time.Second, 20*time.Second); len(got) != 1 || time.Since(start) != 100*time.Millisecond {
			t.Errorf("received %d after %v", len(got), time.Since(start))
		}
		refused(t, b.ChangeVisibility(t.Context(), "q", m.Receipt, time.Second), queue.CodeInvalidValue, "not available for visibility timeout change")
		time.Sleep(10 * time.Second)
		m = b.one("q", 0)
		time.Sleep(time.Millisecond)
		refused(t, b.ChangeVisibility(t.Context(), "q", m.Receipt, time.Second), queue.CodeInvalidValue, "not available")
		m = b.one("q", time.Minute)
		time.Sleep(time.Second)
		refused(t, b.ChangeVisibility(t.Context(), "q", m.Receipt, 12*time.Hour), queue.CodeInvalidValue, "beyond the limit")
		refused(t, b.ChangeVisibility(t.Context(), "q", m.Receipt, 12*time.Hour+time.Second), queue.CodeInvalidValue, "43200")
		b.must(b.ChangeVisibility(t.Context(), "q", m.Receipt, 11*time.Hour))
		refused(t, b.ChangeVisibility(t.Context(), "q", "AAAA", time.Second), "ReceiptHandleIsInvalid", "")
		b.create("other", nil)
		refused(t, b.DeleteMessage(t.Context(), "other", m.Receipt), "ReceiptHandleIsInvalid", "receipt handle is invalid")
	})
}

// TestRestart: a handle from before deletes its message, unless that was received
// again.
func TestRestart(t *testing.T) {
	virtual(t, func(t *testing.T, b *bench) {
		b.create("q", nil)
		b.send("q", "one")
		b.send("q", "two")
		old := b.receive("q", time.Second, 0)
		if len(old) != 2 {
			t.Fatalf("received %d", len(old))
		}
		b.restart()
		b.must(b.DeleteMessage(t.Context(), "q", old[0].Receipt))
		time.Sleep(time.Second)
		m := b.one("q", time.Second)
		if m.ID != old[1].ID {
			t.Errorf("received %+v, which was deleted", m)
		}
		b.must(b.DeleteMessage(t.Context(), "q", old[1].Receipt))
		refused(t, b.ChangeVisibility(t.Context(), "q", old[1].Receipt, time.Second), queue.CodeInvalidValue, "not available")
		time.Sleep(time.Second)
		b.must(b.DeleteMessage(t.Context(), "q", b.one("q", time.Second).Receipt))
		b.none("q")
	})
}

// TestTenantsTakeTurns: a long backlog of one message group does not hold up another.
func TestTenantsTakeTurns(t *testing.T) {
	virtual(t, func(t *testing.T, b *bench) {
		b.create("q", nil)
		for i := range 51 {
			group := "many"
			if i == 50 {
				group = "one"
			}
			_, err := b.Send(t.Context(), "q", queue.Outgoing{Body: "m", Group: group})
			b.must(err)
		}
		groups := map[string]int{}
		for _, m := range b.receive("q", time.Minute, 0) {
			groups[m.Group]++
		}
		if groups["one"] != 1 || groups["many"] != 9 {
			t.Errorf("received of groups %v", groups)
		}
	})
}

func TestPurgeAndDelete(t *testing.T) {
	virtual(t, func(t *testing.T, b *bench) {
		b.create("q", nil)
		b.send("q", "in flight")
		m := b.one("q", time.Hour)
		b.send("q", "waiting")
		b.must(b.Purge(t.Context(), "q"))
		b.must(b.DeleteMessage(t.Context(), "q", m.Receipt))
		if n := b.counts("q"); n != [3]string{"0", "0", "0"} {
			t.Errorf("counts %v", n)
		}
		b.send("q", "goes with it")
		record, _ := b.catalog.Queue("q")
		b.must(b.Service.Delete(t.Context(), "q"))
		b.orphans(record.Queue.ID)
		refused(t, b.Service.Delete(t.Context(), "q"), "QueueDoesNotExist", "")
		_, err := b.Send(t.Context(), "q", queue.Outgoing{Body: "m"})
		refused(t, err, "QueueDoesNotExist", "The specified queue does not exist.")
		b.create("q", nil)
		b.none("q")
		refused(t, b.DeleteMessage(t.Context(), "q", m.Receipt), "ReceiptHandleIsInvalid", "")
	})
}

// orphans fails the test if a queue that was deleted has left messages.
func (b *bench) orphans(id string) {
	b.t.Helper()
	count, err := b.store.Queue("sqs/" + id).Count(b.t.Context())
	b.must(err)
	if count != (store.Count{}) {
		b.t.Errorf("left behind: %+v", count)
	}
}

// TestSweepInTime: messages are cleared away soon after their time, whenever they came
// and from wherever.
func TestSweepInTime(t *testing.T) {
	virtual(t, func(t *testing.T, b *bench) {
		b.create("q", map[string]string{"MessageRetentionPeriod": "3600"})
		time.Sleep(2 * time.Minute) // the first look was a minute ago
		b.send("q", "m")
		time.Sleep(time.Hour + 3*time.Minute)
		if n := b.counts("q"); n != [3]string{"0", "0", "0"} {
			t.Errorf("after its time: %v", n)
		}
		b.send("q", "poison")
		b.one("q", time.Second)
		time.Sleep(48 * time.Minute)
		b.create("dead", map[string]string{"MessageRetentionPeriod": "3600"})
		b.must(b.SetAttributes(t.Context(), "q", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + prefix + `dead","maxReceiveCount":1}`}))
		time.Sleep(2 * time.Minute) // it has been looked at, and was empty
		b.none("q")
		if n := b.counts("dead"); n != [3]string{"1", "0", "0"} {
			t.Errorf("dead letters: %v", n)
		}
		time.Sleep(13 * time.Minute)
		if n := b.counts("dead"); n != [3]string{"0", "0", "0"} {
			t.Errorf("dead letters after their time: %v", n)
		}
	})
}

// TestSentOnce: a message that is sent again while it waits is one.
func TestSentOnce(t *testing.T) {
	virtual(t, func(t *testing.T, b *bench) {
		b.create("q", nil)
		at := time.Now()
		time.Sleep(time.Second)
		for range 3 {
			sent, err := b.Send(t.Context(), "q", queue.Outgoing{Body: "m", ID: queue.NewID(at, "delivery 1")})
			b.must(err)
			if sent.ID != queue.NewID(at, "delivery 1") {
				t.Errorf("sent as %s", sent.ID)
			}
		}
		_, err := b.Send(t.Context(), "q", queue.Outgoing{Body: "m", ID: queue.NewID(at, "delivery 2")})
		b.must(err)
		if n := b.counts("q"); n != [3]string{"2", "0", "0"} {
			t.Errorf("counts %v", n)
		}
	})
}

// TestEncryption: bodies are in the store as they were sent only if the queue says so.
func TestEncryption(t *testing.T) {
	virtual(t, func(t *testing.T, b *bench) {
		for _, sealed := range []string{"true", "false"} {
			b.create("q"+sealed, map[string]string{"SqsManagedSseEnabled": sealed})
			b.send("q"+sealed, "a secret text")
			record, _ := b.catalog.Queue("q" + sealed)
			events, err := b.store.Queue("sqs/"+record.Queue.ID).Lease(t.Context(), 1, time.Nanosecond)
			b.must(err)
			if plain := strings.Contains(string(events[0].Body), "secret"); plain != (sealed == "false") {
				t.Errorf("encrypted %s, in plain %t", sealed, plain)
			}
			time.Sleep(time.Second)
			b.restart()
			if m := b.one("q"+sealed, time.Second); m.Body != "a secret text" {
				t.Errorf("received %+v", m)
			}
		}
		// What is turned on is for new messages; old ones can be read all the same.
		b.must(b.SetAttributes(t.Context(), "qfalse", map[string]string{"SqsManagedSseEnabled": "true"}))
		time.Sleep(time.Second)
		if m := b.one("qfalse", time.Second); m.Body != "a secret text" {
			t.Errorf("received %+v", m)
		}
	})
}

func TestDamagedMessage(t *testing.T) {
	virtual(t, func(t *testing.T, b *bench) {
		b.create("q", nil)
		record, _ := b.catalog.Queue("q")
		events := b.store.Queue("sqs/" + record.Queue.ID)
		b.must(events.EnqueueBatch(t.Context(), []store.Event{{ID: "x", Body: []byte{1, 2, 3}}, {ID: "y"}, {ID: "z", Body: []byte{0, 9}}}))
		b.send("q", "whole")
		if m := b.one("q", time.Second); m.Body != "whole" {
			t.Errorf("received %+v", m)
		}
	})
}
