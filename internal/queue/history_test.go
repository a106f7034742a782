package queue_test

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/queue"
)

var (
	seed      = flag.Uint64("seed", 0, "seed of the first random history; 0 takes one from the clock")
	histories = flag.Int("histories", 1000, "random histories")
)

// naiveMessage is a message of the naive queue.
type naiveMessage struct {
	id       string
	order    int       // of those that are due at the same time
	due      time.Time // when it can be received
	sent     time.Time
	inFlight bool
	receipt  string // the last
	receives int    // from this queue
	before   int    // from others
	first    time.Time
	source   string
}

// naiveQueue is a queue as a list.
type naiveQueue struct {
	name      string
	messages  []*naiveMessage
	dead      *naiveQueue
	most      int // receives; 0: any number
	retention time.Duration
	pastDue   bool // some were too old: the service may not count them any more
}

func (q *naiveQueue) remove(m *naiveMessage) {
	q.messages = slices.DeleteFunc(q.messages, func(o *naiveMessage) bool { return o == m })
}

// naive is all of them.
type naive struct {
	queues []*naiveQueue
	order  int
}

// take is what one receipt does at a time: the messages that are handed out.
func (n *naive) take(q *naiveQueue, now time.Time, limit int, visibility time.Duration) (handed []*naiveMessage) {
	var due []*naiveMessage
	for _, m := range q.messages {
		if !m.due.After(now) {
			due = append(due, m)
		}
	}
	slices.SortFunc(due, func(a, b *naiveMessage) int { return cmp.Or(a.due.Compare(b.due), a.order-b.order) })
	for _, m := range due {
		if len(handed) == limit {
			break
		}
		if now.Sub(m.sent) >= q.retention {
			q.remove(m)
			q.pastDue = true
			continue
		}
		if m.first.IsZero() {
			m.first = now
		}
		if q.dead != nil && m.receives == q.most {
			n.order++
			q.remove(m)
			q.dead.messages = append(q.dead.messages, &naiveMessage{id: m.id, order: n.order, due: now, sent: m.sent, before: m.before + m.receives, first: m.first, source: prefix + q.name})
			continue
		}
		m.receives++
		m.due, m.inFlight = now.Add(max(visibility, time.Millisecond)), true
		handed = append(handed, m)
	}
	return handed
}

// TestRandomHistories compares with the naive queues: what is received and when, how
// often, what a deletion deletes, what a change of visibility does, where messages go
// that were received too often, and how many there are.
func TestRandomHistories(t *testing.T) {
	base := *seed
	if base == 0 {
		base = uint64(time.Now().UnixNano())
	}
	for i := range uint64(*histories) {
		t.Run(fmt.Sprint("seed=", base+i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				t.Cleanup(b.close)
				(&history{bench: b, random: rand.New(rand.NewPCG(base+i, 0))}).run()
			})
		})
	}
}

type history struct {
	*bench
	naive
	random *rand.Rand
	// receipts are all that were given, with their messages.
	receipts []struct {
		q      *naiveQueue
		m      *naiveMessage
		handle string
	}
	step int
}

func (h *history) fatal(format string, args ...any) {
	h.t.Helper()
	h.t.Fatalf("step %d: %s", h.step, fmt.Sprintf(format, args...))
}

func (h *history) run() {
	dead := &naiveQueue{name: "dead", retention: time.Duration(1+h.random.IntN(3)) * time.Minute}
	live := &naiveQueue{name: "live", retention: time.Duration(1+h.random.IntN(3)) * time.Minute, dead: dead, most: 1 + h.random.IntN(3)}
	h.queues = []*naiveQueue{live, dead}
	h.create("dead", map[string]string{"MessageRetentionPeriod": itoa(int64(dead.retention / time.Second))})
	h.create("live", map[string]string{"MessageRetentionPeriod": itoa(int64(live.retention / time.Second)),
		"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":"%sdead","maxReceiveCount":%d}`, prefix, live.most)})
	actions := []func(*naiveQueue){h.sendSome, h.sendSome, h.receiveSome, h.receiveSome, h.receiveSome, h.deleteOne, h.deleteOne, h.change, h.rest, h.purge}
	for h.step = range 60 {
		// Nothing happens at the same time by chance.
		time.Sleep(time.Duration(1 + h.random.Int64N(int64(time.Second))))
		action := actions[h.random.IntN(len(actions)-1)]
		if h.random.IntN(40) == 0 {
			action = h.purge
		}
		q := h.queues[0]
		if h.random.IntN(4) == 0 {
			q = h.queues[1]
		}
		action(q)
		h.compare()
	}
}

func (h *history) sendSome(q *naiveQueue) {
	batch := make([]queue.Outgoing, 1+h.random.IntN(4))
	for i := range batch {
		batch[i].Body = fmt.Sprint("body ", i)
		if h.random.IntN(3) == 0 {
			batch[i].Delay = new(time.Duration(h.random.IntN(10)) * time.Second)
		}
	}
	results, err := h.SendBatch(h.t.Context(), q.name, batch)
	h.must(err)
	for i, r := range results {
		h.must(r.Err)
		h.order++
		m := &naiveMessage{id: r.Sent.ID, order: h.order, due: time.Now(), sent: time.UnixMilli(time.Now().UnixMilli())}
		if batch[i].Delay != nil {
			m.due = m.due.Add(*batch[i].Delay)
		}
		q.messages = append(q.messages, m)
	}
}

// expected is what a receipt gets by the naive queue, and when: after waiting for the
// next that is due, until something is handed out or the time is over.
func (h *history) expected(q *naiveQueue, limit int, visibility, wait time.Duration) (handed []*naiveMessage, at time.Time) {
	now := time.Now()
	end := now.Add(wait)
	for {
		if handed := h.take(q, now, limit, visibility); len(handed) > 0 {
			return handed, now
		}
		next := end
		for _, m := range q.messages {
			if m.due.After(now) && m.due.Before(next) {
				next = m.due
			}
		}
		if next == end {
			return nil, end
		}
		now = next
	}
}

func (h *history) receiveSome(q *naiveQueue) {
	limit, visibility := 1+h.random.IntN(5), time.Duration(h.random.IntN(10))*time.Second
	wait := time.Duration(h.random.IntN(3)) * 2 * time.Second
	want, at := h.expected(q, limit, visibility, wait)
	got, err := h.Receive(h.t.Context(), q.name, queue.Want{Max: limit, Visibility: &visibility, Wait: &wait})
	h.must(err)
	if !time.Now().Equal(at) {
		h.fatal("received at %v, want %v", time.Now(), at)
	}
	if len(got) != len(want) {
		h.fatal("received %d messages, want %d", len(got), len(want))
	}
	for i, m := range want {
		g := got[i]
		if g.ID != m.id || g.ReceiveCount != m.before+m.receives || g.SentAt.UnixMilli() != m.sent.UnixMilli() || g.FirstReceivedAt.UnixMilli() != m.first.UnixMilli() || g.Source != m.source {
			h.fatal("received %+v, want %+v", g, m)
		}
		m.receipt = g.Receipt
		h.receipts = append(h.receipts, struct {
			q      *naiveQueue
			m      *naiveMessage
			handle string
		}{q, m, g.Receipt})
	}
}

// latest tells whether a handle is the last of a message that is still there.
func latest(q *naiveQueue, m *naiveMessage, handle string) bool {
	return m.receipt == handle && slices.Contains(q.messages, m)
}

func (h *history) deleteOne(*naiveQueue) {
	if len(h.receipts) == 0 {
		return
	}
	r := h.receipts[h.random.IntN(len(h.receipts))]
	h.must(h.DeleteMessage(h.t.Context(), r.q.name, r.handle))
	if latest(r.q, r.m, r.handle) {
		r.q.remove(r.m)
	}
}

func (h *history) change(*naiveQueue) {
	if len(h.receipts) == 0 {
		return
	}
	r := h.receipts[h.random.IntN(len(h.receipts))]
	visibility := time.Duration(h.random.IntN(4)) * 3 * time.Second
	now := time.Now()
	err := h.ChangeVisibility(h.t.Context(), r.q.name, r.handle, visibility)
	if may := latest(r.q, r.m, r.handle) && r.m.due.After(now); may != (err == nil) {
		// What is too old may have been taken off the queue, or not yet.
		if !may || now.Sub(r.m.sent) < r.q.retention {
			h.fatal("change of visibility: %v, want it %t", err, may)
		}
		return
	}
	if err == nil {
		r.m.due = now.Add(visibility)
	}
}

func (h *history) rest(*naiveQueue) { time.Sleep(time.Duration(h.random.IntN(40)) * time.Second) }

func (h *history) purge(q *naiveQueue) {
	h.must(h.Purge(h.t.Context(), q.name))
	q.messages = nil
}

// compare compares the numbers of messages, as long as none is too old.
func (h *history) compare() {
	now := time.Now()
	for _, q := range h.queues {
		var waiting, inFlight, delayed int
		for _, m := range q.messages {
			switch {
			case now.Sub(m.sent) >= q.retention:
				q.pastDue = true
			case !m.due.After(now):
				waiting++
			case m.inFlight:
				inFlight++
			default:
				delayed++
			}
		}
		want := [3]string{itoa(int64(waiting)), itoa(int64(inFlight)), itoa(int64(delayed))}
		if got := h.counts(q.name); !q.pastDue && got != want {
			h.fatal("%s has %v, want %v", q.name, got, want)
		}
	}
}
