package async_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/async"
	"thaw/internal/lambda"
	"thaw/internal/telemetry/trace"
)

// TestEngineHistories runs random events of several functions through engines
// that end in the middle and begin again, and then compares what has happened
// with what the documentation says must.
func TestEngineHistories(t *testing.T) {
	const histories = 3000
	base := firstSeed()
	for i := range uint64(histories) {
		ok := t.Run("", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { (&history{seed: base + i, random: rand.New(rand.NewPCG(base+i, 0))}).run(t) })
		})
		if !ok {
			t.Fatalf("replay with -seed %d", base+i)
		}
	}
}

// history is one of them.
type history struct {
	seed      uint64
	random    *rand.Rand // of its steps
	s         *stage
	functions map[string]*temper
	events    map[string]*fate
	restarts  int
	delivered map[string]int // tries of deliveries
}

// temper is how a function behaves.
type temper struct {
	f              *lambda.Function
	refuses, fails float64
	retries        int
	age            time.Duration
}

// fate is what has become of an event.
type fate struct {
	function string
	at       time.Time // when it was enqueued
	tries    []try
	unknown  bool // a try was cut off by the end of an engine
}

type try struct {
	begun, ended time.Time
	how          async.Ending
}

func (h *history) run(t *testing.T) {
	h.s, h.functions, h.events = newStage(t), map[string]*temper{}, map[string]*fate{}
	h.delivered = map[string]int{}
	h.s.opts.Concurrency = 1 + h.random.IntN(8)
	h.s.invoke, h.s.deliver = h.invoke, h.deliver
	for i := range 1 + h.random.IntN(3) {
		h.addFunction(fmt.Sprint("f", i))
	}
	h.s.open()
	for range h.random.IntN(12) {
		h.step()
	}
	time.Sleep(24 * time.Hour)
	h.s.close(t.Context())
	h.check(t)
}

func (h *history) addFunction(name string) {
	f := function(name)
	m := &temper{f: f, refuses: h.random.Float64() * 0.9, fails: h.random.Float64(), retries: async.DefaultRetries, age: async.DefaultAge}
	var c lambda.EventInvokeConfig
	c.Qualifier = lambda.Latest
	if h.random.IntN(2) == 0 {
		m.retries = h.random.IntN(3)
		c.MaximumRetries = &m.retries
	}
	if h.random.IntN(2) == 0 {
		m.age = time.Duration(60+h.random.IntN(300)) * time.Second
		c.MaximumAgeSeconds = number(int(m.age.Seconds()))
	}
	c.OnSuccess, c.OnFailure = "arn:aws:sqs:us-east-1:000000000000:good", "arn:aws:sqs:us-east-1:000000000000:bad"
	f.Configs.EventInvoke = []lambda.EventInvokeConfig{c}
	f.Latest.Recorded = map[string][]byte{"DeadLetterConfig": []byte(`{"TargetArn":"arn:aws:sqs:us-east-1:000000000000:dead"}`)}
	h.functions[name], h.s.functions[name] = m, f
}

func (h *history) step() {
	switch h.random.IntN(10) {
	default:
		name := fmt.Sprint("f", h.random.IntN(len(h.functions)))
		h.s.mu.Lock()
		id := fmt.Sprintf("event-%d", len(h.events))
		h.events[id] = &fate{function: name, at: time.Now()}
		h.s.mu.Unlock()
		e := async.Event{RequestID: id, Function: name, Payload: []byte("1"), Trace: trace.Accept("", time.Now())}
		if err := h.s.engine.Enqueue(h.s.t.Context(), e); err != nil {
			h.s.t.Fatal(err)
		}
	case 6, 7, 8:
		time.Sleep(time.Duration(h.random.Int64N(int64(3 * time.Minute))))
	case 9: // what is in hand is left where it stands
		h.restarts++
		synctest.Wait() // or a try that just begins would not be seen
		h.s.mu.Lock()
		for _, f := range h.events {
			if n := len(f.tries); n > 0 && f.tries[n-1].ended.IsZero() {
				f.unknown = true
			}
		}
		h.s.mu.Unlock()
		ctx, cancel := context.WithCancel(h.s.t.Context())
		cancel()
		h.s.close(ctx)
		h.s.open()
	}
}

// dice are the numbers of one try: the same in each replay, whoever comes first.
func (h *history) dice(of string, try int) *rand.Rand {
	sum := fnv.New64a()
	fmt.Fprint(sum, of, try)
	return rand.New(rand.NewPCG(h.seed, sum.Sum64()))
}

func (h *history) invoke(e *async.Event) (r lambda.Result, err error) {
	m := h.functions[e.Function]
	h.s.mu.Lock()
	f := h.events[e.RequestID]
	at := len(f.tries)
	f.tries = append(f.tries, try{begun: time.Now()})
	h.s.mu.Unlock()
	dice := h.dice(e.RequestID, at)
	how := async.Succeeded
	switch {
	case dice.Float64() < m.refuses:
		how = async.Refused
		r, err = throttle(e)
		if dice.Float64() < 0.5 {
			r, err = broken(e)
		}
	case dice.Float64() < m.fails:
		how = async.Failed
		r, err = fail(e)
	default:
		r, err = succeed(e)
	}
	if how != async.Refused {
		time.Sleep(time.Duration(dice.Float64() * float64(10*time.Second)))
	}
	h.s.mu.Lock()
	f.tries[at].ended, f.tries[at].how = time.Now(), how
	h.s.mu.Unlock()
	return r, err
}

func (h *history) deliver(d *async.Delivery) error {
	h.s.mu.Lock()
	h.delivered[d.ID]++
	try := h.delivered[d.ID]
	h.s.mu.Unlock()
	if h.dice(d.ID, try).Float64() < 0.2 {
		return errors.New("no connection")
	}
	return nil
}

func (h *history) check(t *testing.T) {
	if n := h.s.left(); n != 0 {
		t.Errorf("%d events and deliveries are left", n)
	}
	told := map[string]map[async.DeliveryKind]int{}
	for _, d := range h.s.deliveries {
		id := d.ID[:len(d.ID)-len(d.Kind)-1]
		if told[id] == nil {
			told[id] = map[async.DeliveryKind]int{}
		}
		told[id][d.Kind]++
	}
	for id, f := range h.events {
		if err := h.judge(f, told[id]); err != nil {
			t.Errorf("%s of %s (retries %d, age %v) after %d restarts: %v\ntries %+v\ntold %v", id, f.function,
				h.functions[f.function].retries, h.functions[f.function].age, h.restarts, err, f.tries, told[id])
		}
	}
}

// judge tells what is wrong with an event's fate. After a restart a try and a
// delivery may have happened once more than they count.
func (h *history) judge(f *fate, told map[async.DeliveryKind]int) error {
	m := h.functions[f.function]
	succeeded, failed := 0, 0
	for i, one := range f.tries {
		switch one.how {
		case async.Succeeded:
			succeeded++
		case async.Failed:
			failed++
		}
		if i == 0 || f.unknown {
			continue
		}
		wait, before := one.begun.Sub(f.tries[i-1].ended), f.tries[i-1]
		switch {
		case before.how == async.Succeeded:
			return errors.New("a try after a success")
		case before.how == async.Failed && wait < time.Duration(failed-btoi(one.how == async.Failed))*time.Minute:
			return fmt.Errorf("a retry after %v", wait)
		case before.how == async.Refused && wait < 500*time.Millisecond:
			return fmt.Errorf("a try after a refusal after %v", wait)
		}
		if one.begun.Sub(f.at) >= m.age {
			return fmt.Errorf("a try at the age of %v", one.begun.Sub(f.at))
		}
	}
	good, bad, dead := told[async.OnSuccess], told[async.OnFailure], told[async.DeadLetter]
	if good+bad == 0 || bad > 0 && dead == 0 || dead > 0 && bad == 0 {
		return errors.New("nobody was told, or not all")
	}
	if f.unknown {
		return nil
	}
	switch {
	case good+bad > 1 || dead > 1:
		return errors.New("told twice")
	case good != succeeded:
		return errors.New("a success is not told, or none is")
	case failed > m.retries+1:
		return fmt.Errorf("%d attempts failed", failed)
	case bad == 1 && failed < m.retries+1 && m.age > time.Hour && len(f.tries) < 20:
		return errors.New("given up early")
	}
	return nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
