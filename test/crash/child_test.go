package crash_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"thaw/internal/async"
	"thaw/internal/lambda"
	"thaw/internal/store"
	"thaw/internal/store/damage"
	"thaw/internal/store/local"
	"thaw/internal/store/mirror"
	"thaw/internal/telemetry/trace"
)

// The child is this test binary with childDir in its environment: it opens the store
// in that directory as a server does, and works on it until it dies; with childDrain
// it works off what is there, and ends. It reports on its standard output, one line
// for each thing, ended by a semicolon, so that half a line is none:
//
//	found JSON     damage that this start has found
//	state KEY N    a record as it is at the start, and "states" after the last
//	try KEY N      a record is going to be written
//	record KEY N   it is acknowledged; every fifth N is a deletion
//	event ID       an event is acknowledged
//	blob DIGEST    a blob is acknowledged
//	dead ID        an event is in the dead-letter queue
//	drained        nothing waits any more
//
// What is executed is told in childExecuted, a file that outlives everything.
const (
	childDir      = "THAW_CRASH_DIR"
	childExecuted = "THAW_CRASH_EXECUTED"
	childLife     = "THAW_CRASH_LIFE"
	childDrain    = "THAW_CRASH_DRAIN"

	deadLetters = "sqs/dead"
	// failing begins the IDs of events whose function always fails.
	failing = "bad"
)

type child struct {
	life     uint64
	drain    bool
	store    *local.Store
	engine   *async.Engine
	executed *os.File
	out      sync.Mutex
}

func (c *child) say(format string, v ...any) {
	c.out.Lock()
	defer c.out.Unlock()
	// Nobody listens any more when the parent has seen enough.
	_, _ = fmt.Fprintf(os.Stdout, format+";\n", v...)
}

func childMain(root string) (err error) {
	c := &child{drain: os.Getenv(childDrain) != ""}
	if c.life, err = strconv.ParseUint(os.Getenv(childLife), 10, 64); err != nil {
		return err
	}
	if c.executed, err = os.OpenFile(os.Getenv(childExecuted), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600); err != nil {
		return err
	}
	ctx, dir := context.Background(), filepath.Join(root, "store")
	before, err := damage.In(dir).Read()
	if err != nil {
		return err
	}
	logger := slog.New(slog.DiscardHandler)
	// With little slack in every second life, so that what lives moves all the time.
	slack := int64(c.life%2) << 19
	if c.store, err = local.Open(ctx, local.Options{Dir: dir, Logger: logger, Slack: slack}); err != nil {
		return err
	}
	m, err := mirror.Open(ctx, mirror.Options{Path: filepath.Join(root, mirror.FileName), Metadata: c.store.Metadata(), Engine: c.store, Logger: logger})
	if err != nil {
		return err
	}
	after, err := damage.In(dir).Read()
	if err != nil {
		return err
	}
	for _, f := range after[len(before):] {
		line, err := json.Marshal(f)
		if err != nil {
			return err
		}
		c.say("found %s", line)
	}
	if err := c.tellStates(ctx); err != nil {
		return err
	}
	c.engine, err = async.Open(async.Options{
		Events: c.store.Queue(async.EventQueue), Deliveries: c.store.Queue(async.DeliveryQueue),
		Invoker: c, Deliverer: c, Function: function, Scope: lambda.Scope{Partition: "aws", Region: "us-east-1", Account: "000000000000"},
		Concurrency: 16, Delays: []time.Duration{5 * time.Millisecond}, Logger: logger,
	})
	if err != nil {
		return err
	}
	if !c.drain {
		return c.work(ctx)
	}
	if err := c.empty(ctx); err != nil {
		return err
	}
	ending, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return errors.Join(c.engine.Close(ending), m.Close(), c.store.Close())
}

// function has every function's failures go to the dead-letter queue.
func function(name string) *lambda.Function {
	return &lambda.Function{Name: name, Latest: lambda.Version{Number: lambda.Latest, Role: "arn:aws:iam::000000000000:role/r"},
		Configs: lambda.Configs{EventInvoke: []lambda.EventInvokeConfig{{Qualifier: lambda.Latest, OnFailure: "arn:aws:sqs:us-east-1:000000000000:dead"}}}}
}

// Invoke tells that an event is executed.
func (c *child) Invoke(_ context.Context, e *async.Event) (lambda.Result, error) {
	if _, err := c.executed.WriteString(e.RequestID + "\n"); err != nil {
		return lambda.Result{}, err
	}
	if strings.HasPrefix(e.RequestID, failing) {
		return lambda.Result{Payload: []byte(`{"errorMessage":"no"}`), FunctionError: "Unhandled"}, nil
	}
	return lambda.Result{Payload: []byte("null")}, nil
}

// Deliver puts the failed event into the dead-letter queue.
func (c *child) Deliver(ctx context.Context, d async.Delivery) error {
	var record struct {
		RequestContext struct {
			RequestID string `json:"requestId"`
		} `json:"requestContext"`
	}
	if err := json.Unmarshal(d.Body, &record); err != nil {
		return err
	}
	id := record.RequestContext.RequestID
	err := c.store.Queue(deadLetters).EnqueueBatch(ctx, []store.Event{{ID: id, Body: []byte(id)}})
	if errors.Is(err, store.ErrConflict) { // it is there already
		return nil
	}
	return err
}

func (c *child) tellStates(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch, err := c.store.Metadata().Watch(ctx, "")
	if err != nil {
		return err
	}
	for change := range watch {
		if change.Synced {
			digests, err := c.store.Blobs().List(ctx)
			for _, digest := range digests {
				c.say("state blob/%s 0", digest)
			}
			c.say("states")
			return err
		}
		c.say("state %s %s", change.Key, change.Value)
	}
	return errors.New("the watch ended before it was synced")
}

// work writes until the process dies, or writing fails.
func (c *child) work(ctx context.Context) error {
	failed := make(chan error, 16)
	loop := func(write func(n int) error) {
		go func() {
			for n := 0; ; n++ {
				if err := write(n); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	for w := range 2 {
		loop(func(n int) error {
			return c.record(ctx, fmt.Sprintf("function/f%d-%d", w, n%20), c.life*1_000_000+uint64(n/20))
		})
	}
	for w := range 6 {
		loop(func(n int) error {
			id := fmt.Sprintf("ok-%d-%d-%d", c.life, w, n)
			if n%16 == 15 {
				id = fmt.Sprintf("%s-%d-%d-%d", failing, c.life, w, n)
			}
			payload := fmt.Sprintf(`{"id":%q,"pad":%q}`, id, strings.Repeat("x", n*37%3000))
			e := async.Event{RequestID: id, Function: fmt.Sprintf("f%d", n%5), Payload: []byte(payload), Trace: trace.Accept("", time.Now())}
			if err := c.engine.Enqueue(ctx, e); err != nil {
				return err
			}
			c.say("event %s", id)
			return c.slowDown(ctx)
		})
	}
	loop(func(n int) error {
		digest, _, err := c.store.Blobs().Put(ctx, strings.NewReader(fmt.Sprint(c.life, n)))
		if err == nil {
			c.say("blob %s", digest)
			time.Sleep(20 * time.Millisecond)
		}
		return err
	})
	return <-failed
}

// slowDown keeps the backlog from growing without end.
func (c *child) slowDown(ctx context.Context) error {
	for {
		count, err := c.store.Queue(async.EventQueue).Count(ctx)
		if err != nil || count.Waiting+count.Leased+count.Delayed < 500 {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// record writes a record anew, or deletes it.
func (c *child) record(ctx context.Context, key string, n uint64) error {
	records := c.store.Metadata()
	var revision store.Revision
	old, err := records.Get(ctx, key)
	switch {
	case err == nil:
		revision = old.Revision
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	deletes := isDeletion(n)
	if deletes && revision == 0 {
		return nil
	}
	c.say("try %s %d", key, n)
	if deletes {
		err = records.Delete(ctx, key, revision)
	} else {
		_, err = records.Put(ctx, key, strconv.AppendUint(nil, n, 10), revision)
	}
	if err == nil {
		c.say("record %s %d", key, n)
	}
	return err
}

func isDeletion(n uint64) bool { return n%5 == 4 }

// empty waits until nothing waits, and tells the dead letters.
func (c *child) empty(ctx context.Context) error {
	for _, name := range []string{async.EventQueue, async.DeliveryQueue, async.EventQueue, async.DeliveryQueue} {
		for {
			count, err := c.store.Queue(name).Count(ctx)
			if err != nil {
				return err
			}
			if count == (store.Count{}) {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	dead := c.store.Queue(deadLetters)
	for {
		count, err := dead.Count(ctx)
		if err != nil {
			return err
		}
		if count == (store.Count{}) {
			c.say("drained")
			return nil
		}
		leased, err := dead.Lease(ctx, 200, time.Hour)
		if err != nil {
			return err
		}
		for _, l := range leased {
			c.say("dead %s", l.Body)
			if err := dead.Ack(ctx, l); err != nil {
				return err
			}
		}
	}
}
