package runtimeapi_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/runtimeapi"
	"thaw/internal/telemetry"
)

// TestHostilePeers plays histories in which peers do anything at any moment:
// take part or lie, read or do not, send halves and garbage, hang up. Whatever
// they do, every delivery ends by its cut, an exchange ends at most once and
// first for the runtime, and nothing is left after Close: the bubble of the
// virtual clock fails a history that leaves a goroutine or stands still.
func TestHostilePeers(t *testing.T) {
	for seed := range uint64(300) {
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newHistory(t, seed).play() })
		})
		if !ok {
			return // a seed is enough to look at
		}
	}
}

// history is one server among peers that are not to be trusted.
type history struct {
	t        *testing.T
	seed     uint64
	server   *runtimeapi.Server
	listener *pipeListener
	peers    sync.WaitGroup
	stop     chan struct{}

	mu  sync.Mutex
	ids []string // identifiers that peers have been given
}

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{t: t, seed: seed, listener: newPipeListener(), stop: make(chan struct{})}
	h.server = runtimeapi.New(runtimeapi.Options{
		Extensions: []string{"x", "y"}, Subscriptions: nobody{}, SnapStart: seed%4 == 0, MaxResponse: 100,
		OnExtension:    func(telemetry.Extension) { h.server.Extensions() },
		OnSubscription: func(telemetry.Record) { h.server.Fault() },
	})
	return h
}

func (h *history) play() {
	served := make(chan error, 1)
	go func() { served <- h.server.Serve(h.listener) }()
	for i := range uint64(8) {
		h.peers.Go(func() { h.peer(rand.New(rand.NewPCG(h.seed, i))) })
	}
	rng := rand.New(rand.NewPCG(h.seed, 100))
	for range 20 {
		h.invoke(rng)
		if rng.IntN(8) == 0 {
			h.server.Restored()
		}
		if rng.IntN(20) == 0 {
			h.server.Shutdown("failure", time.Now().Add(time.Second))
		}
		if n := len(h.server.Extensions()); n > 10 {
			h.t.Errorf("%d extensions", n)
		}
		time.Sleep(time.Duration(rng.IntN(100)) * time.Millisecond)
	}
	if err := h.server.Close(); err != nil {
		h.t.Errorf("Close: %v", err)
	}
	close(h.stop)
	h.peers.Wait()
	if err := <-served; err != nil {
		h.t.Errorf("Serve: %v", err)
	}
}

// invoke delivers an event, if somebody waits for one, and watches it a while.
func (h *history) invoke(rng *rand.Rand) {
	limit := time.Duration(rng.IntN(500)) * time.Millisecond
	cut := time.AfterFunc(limit, h.server.Cut)
	defer cut.Stop()
	began := time.Now()
	x, err := h.server.Deliver(lambda.Invocation{RequestID: "id", Payload: make([]byte, rng.IntN(100)), Deadline: began.Add(limit)})
	if took := time.Since(began); took > limit {
		h.t.Errorf("delivery took %v, cut after %v", took, limit)
	}
	if err != nil {
		if !errors.Is(err, runtimeapi.ErrNotReady) {
			h.t.Errorf("Deliver: %v", err)
		}
		return
	}
	var done, idle atomic.Int32
	x.WhenRuntimeDone(func() { done.Add(1) })
	x.WhenIdle(func() {
		if done.Load() != 1 {
			h.t.Error("idle before the runtime was done")
		}
		idle.Add(1)
	})
	select {
	case <-x.Responded():
		if o := x.Outcome(); len(o.Payload) > 100 {
			h.t.Errorf("%d bytes of response, limit 100", len(o.Payload))
		}
	case <-time.After(limit):
	}
	time.Sleep(time.Duration(rng.IntN(100)) * time.Millisecond)
	if done.Load() > 1 || idle.Load() > 1 {
		h.t.Errorf("done %d times, idle %d times", done.Load(), idle.Load())
	}
}

// peer opens connections one after the other and does what comes to its mind.
func (h *history) peer(rng *rand.Rand) {
	for !closed(h.stop) {
		p, ok := h.listener.tryDial(rng.IntN(5) == 0)
		if !ok {
			return
		}
		for range 1 + rng.IntN(6) {
			p.nc.SetWriteDeadline(time.Now().Add(time.Duration(1+rng.IntN(200)) * time.Millisecond))
			p.send(h.request(rng))
			time.Sleep(time.Duration(rng.IntN(40)) * time.Millisecond)
			h.learn(p)
		}
		p.nc.Close()
		<-p.ended
	}
}

var identifiers = regexp.MustCompile(`Lambda-Extension-Identifier: (\S+)`)

// learn takes note of the identifiers that a peer has been given.
func (h *history) learn(p *peer) {
	for _, m := range identifiers.FindAllStringSubmatch(p.take(), -1) {
		h.mu.Lock()
		h.ids = append(h.ids, m[1])
		h.mu.Unlock()
	}
}

func (h *history) identifier(rng *rand.Rand) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.ids) == 0 || rng.IntN(10) == 0 {
		return lambda.NewUUID()
	}
	return h.ids[rng.IntN(len(h.ids))]
}

// request makes up something to send: mostly what a good peer would send now and
// then, sometimes a part of it.
func (h *history) request(rng *rand.Rand) string {
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	var b strings.Builder
	body := pick("", "{}", `{"events":["INVOKE"]}`, `{"events":["INVOKE","SHUTDOWN"]}`, strings.Repeat("z", 200))
	switch rng.IntN(10) {
	case 0, 1, 2:
		b.WriteString("GET /2018-06-01/runtime/" + pick("invocation/next", "invocation/next", "invocation/next", "restore/next"))
	case 3, 4:
		b.WriteString("POST /2018-06-01/runtime/" + pick("invocation/id/response", "invocation/id/response", "invocation/id/error", "invocation/other/response", "init/error", "restore/error"))
	case 5, 6:
		b.WriteString("GET /2020-01-01/extension/event/next")
	case 7, 8:
		b.WriteString("POST /2020-01-01/extension/" + pick("register", "register", "register", "register", "init/error", "exit/error"))
	default:
		b.WriteString("PUT /2022-07-01/telemetry")
	}
	fmt.Fprintf(&b, " HTTP/1.1\r\nLambda-Extension-Name: %s\r\nLambda-Extension-Identifier: %s\r\n", pick("x", "y", "z", ""), h.identifier(rng))
	if rng.IntN(20) == 0 {
		b.WriteString("Lambda-Extension-Function-Error-Type: E\r\nConnection: close\r\n")
	}
	if !strings.HasPrefix(b.String(), "GET") {
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	} else {
		b.WriteString("\r\n")
	}
	if rng.IntN(12) == 0 {
		return b.String()[:rng.IntN(b.Len())]
	}
	return b.String()
}
