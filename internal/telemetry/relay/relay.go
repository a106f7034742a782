package relay

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"thaw/internal/telemetry"
)

// Options is what a relay works with.
type Options struct {
	// Dial connects to an address inside the sandbox.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Host is the address of sandbox.localdomain inside; empty means DefaultHost.
	Host string
	// Emit adds an event to the environment's stream, which publishes it here: what
	// a subscriber has lost is told to all, and in the log. It is called without
	// locks of the relay.
	Emit   func(telemetry.Record)
	Logger *slog.Logger
}

// DefaultHost is what sandbox.localdomain is inside.
const DefaultHost = "169.254.100.1"

// Relay delivers the events of one life of an environment.
type Relay struct {
	opts Options

	// idle is set when events have nobody to go to, now and later: a warm
	// invocation without subscribers pays one load for each event.
	idle atomic.Bool

	mu     sync.Mutex
	subs   map[string]*subscription
	early  history
	paused bool
	closed bool
	loops  sync.WaitGroup
}

// New makes a relay without subscriptions.
func New(opts Options) *Relay {
	if opts.Host == "" {
		opts.Host = DefaultHost
	}
	return &Relay{opts: opts, subs: map[string]*subscription{}, early: history{open: true}}
}

// The APIs by which extensions subscribe.
const (
	TelemetryAPI = "telemetry"
	LogsAPI      = "logs"
)

// maxSubscriptions is how many extensions an environment may have.
const maxSubscriptions = 10

var (
	errClosed   = errors.New("subscription is closed")
	errTooMany  = errors.New("too many subscriptions")
	errOtherAPI = errors.New("extension is already subscribed by the other API")
)

// Subscribe makes or replaces an extension's subscription. api is TelemetryAPI or
// LogsAPI; an error's text is what a client is told with status 400. A new
// subscriber is told what has happened in this init phase before.
func (r *Relay) Subscribe(extension, api string, body []byte) error {
	settings, err := parse(api, r.opts.Host, body)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.subs[extension]
	switch {
	case r.closed:
		return errClosed
	case s != nil && s.api != api:
		return errOtherAPI
	case s != nil:
		s.configure(settings)
		return nil
	case len(r.subs) >= maxSubscriptions:
		return errTooMany
	}
	s = newSubscription(extension, api, settings, r.opts)
	s.pause(r.paused)
	r.early.replay(s)
	r.subs[extension] = s
	r.idle.Store(false)
	r.loops.Go(s.run)
	return nil
}

// Publish gives an event to those who subscribed to its type. It never blocks.
func (r *Relay) Publish(e telemetry.Event) {
	if r.idle.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.early.add(e)
	for _, s := range r.subs {
		s.add(e)
	}
	r.idle.Store(!r.early.open && len(r.subs) == 0)
}

// Pause begins no more deliveries: it comes before the environment is frozen. One
// that is under way has all the time until Resume.
func (r *Relay) Pause() { r.setPaused(true) }

// Resume goes on after Pause.
func (r *Relay) Resume() { r.setPaused(false) }

func (r *Relay) setPaused(paused bool) {
	if r.idle.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = paused
	for _, s := range r.subs {
		s.pause(paused)
	}
}

// Flush delivers what is buffered, without waiting for more. It returns when that
// has been done or has failed, or when ctx ends. While the relay is paused it does
// nothing.
func (r *Relay) Flush(ctx context.Context) {
	r.mu.Lock()
	flushes := make([]<-chan struct{}, 0, len(r.subs))
	for _, s := range r.subs {
		flushes = append(flushes, s.flush())
	}
	r.mu.Unlock()
	for _, done := range flushes {
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
	}
}

// Close flushes until ctx ends, and ends all subscriptions. What could not be
// delivered is lost.
func (r *Relay) Close(ctx context.Context) {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.Flush(ctx)
	r.mu.Lock()
	for _, s := range r.subs {
		s.close()
	}
	r.mu.Unlock()
	r.loops.Wait()
	for _, s := range r.subs { // nothing adds to them any more
		s.tell(s.lost)
	}
}

// history keeps the events of an init phase, in which extensions subscribe one
// after the other, until it is over.
type history struct {
	open    bool
	events  []telemetry.Event
	bytes   int
	dropped tally
}

const (
	maxEarlyEvents = 1000
	maxEarlyBytes  = 256 << 10
)

func (h *history) add(e telemetry.Event) {
	if !h.open {
		return
	}
	switch e.Record.(type) {
	case telemetry.InitReport, telemetry.Start:
		*h = history{}
		return
	}
	size := sizeOf(e)
	if len(h.events) >= maxEarlyEvents || h.bytes+size > maxEarlyBytes {
		h.dropped.add(1, size)
		return
	}
	h.events = append(h.events, e)
	h.bytes += size
}

func (h *history) replay(s *subscription) {
	for _, e := range h.events {
		s.add(e)
	}
	s.lose(h.dropped)
}
