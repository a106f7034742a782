package runtimeapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"thaw/internal/lambda"
)

// ErrNotReady is returned by Deliver when no runtime waits for an event: it has
// not asked yet, it is busy, its connection is gone, or the server is closed.
var ErrNotReady = errors.New("runtime is not waiting for an event")

// Server speaks with one runtime process and the extensions beside it.
type Server struct {
	opts    Options
	closing chan struct{}
	wg      sync.WaitGroup // connections, Serve calls and events for extensions

	mu        sync.Mutex
	state     state
	parked    *conn     // the connection that waits in /next
	recipient *conn     // the one that the newest event was written to
	exchange  *Exchange // the open one
	conns     map[*conn]struct{}
	listeners map[net.Listener]struct{}

	extensions         []*extension // external ones first
	registrationClosed bool         // for internal ones
	runtimeAsked       bool         // for its first event
	leaving            bool         // Shutdown was called
	closed             bool

	milestones
	fault *Fault
}

// milestones are what a life passes once; the server's mu guards their passing.
type milestones struct {
	registered, started, restoreReady, ready, failed signal
}

// New makes a server for a runtime process that is about to start.
func New(opts Options) *Server {
	s := &Server{
		opts:      opts.withDefaults(),
		closing:   make(chan struct{}),
		state:     stateStarted,
		conns:     make(map[*conn]struct{}),
		listeners: make(map[net.Listener]struct{}),
		milestones: milestones{
			registered: newSignal(), started: newSignal(), restoreReady: newSignal(),
			ready: newSignal(), failed: newSignal(),
		},
	}
	for _, name := range opts.Extensions {
		s.extensions = append(s.extensions, &extension{name: name, external: true, state: extensionStarted})
	}
	s.checkRegistered()
	return s
}

// Serve accepts connections until Close, and returns nil then.
func (s *Server) Serve(l net.Listener) error {
	if !s.adopt(l) {
		return l.Close()
	}
	defer s.wg.Done()
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			s.open(nc)
		case s.isClosed():
			return nil
		case scarce(err):
			if !s.pause(50 * time.Millisecond) {
				return nil
			}
		default:
			return fmt.Errorf("accept: %w", err)
		}
	}
}

// scarce tells errors of accept that pass by themselves, from accept(2).
func scarce(err error) bool {
	for _, e := range []error{syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// pause waits a while; false if the server was closed meanwhile.
func (s *Server) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.closing:
		return false
	}
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *Server) adopt(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.listeners[l] = struct{}{}
	s.wg.Add(1)
	return true
}

func (s *Server) open(nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	refused := s.closed || len(s.conns) >= s.opts.MaxConnections
	if !refused {
		s.conns[c] = struct{}{}
		s.wg.Add(1)
	}
	s.mu.Unlock()
	if refused {
		nc.Close()
		s.opts.Logger.Debug("connection refused", slog.Int("limit", s.opts.MaxConnections))
		return
	}
	go func() {
		defer s.wg.Done()
		c.serve()
	}()
}

// forget takes a connection off the books.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	c.leave()
}

// Cut closes the connection on which the runtime waits, or on which it was given
// its newest event, so that a Deliver that writes to a runtime which does not read
// returns. It does not wait.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range []*conn{s.parked, s.recipient} {
		if c != nil {
			c.nc.Close()
		}
	}
}

// Close ends all listeners and connections and waits for their goroutines. An
// open exchange stays unanswered.
func (s *Server) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	var errs []error
	for l := range s.listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	clear(s.listeners)
	for c := range s.conns {
		c.nc.Close()
	}
	s.parked = nil
	s.mu.Unlock()
	s.wg.Wait()
	return errors.Join(errs...)
}

// Deliver gives an event to the runtime that waits for one, on the caller's own
// goroutine, and tells the extensions that asked for invocations. It returns
// ErrNotReady if the runtime or one of these does not wait, if something inside
// has reported that it cannot go on, or if the runtime's connection broke under
// the writing; the runtime may then ask again. A runtime that does not read holds
// it until Cut; an extension never does.
func (s *Server) Deliver(inv lambda.Invocation) (*Exchange, error) {
	s.mu.Lock()
	to, ok := s.state.next(eventDeliver)
	c := s.parked
	if !ok || c == nil || s.exchange != nil || s.fault != nil || s.leaving || !s.rested() {
		s.mu.Unlock()
		return nil, ErrNotReady
	}
	x := &Exchange{
		invocation: inv,
		times:      Times{Delivered: time.Now()},
		responded:  make(chan struct{}),
		waiting:    1,
	}
	s.state, s.parked, s.recipient, s.exchange = to, nil, c, x
	s.tell(x)
	// Taken before mu is given up, so that whatever the connection's own goroutine
	// writes comes after the event. Nobody holds it: c was parked.
	c.writing.Lock()
	last := c.last
	s.mu.Unlock()
	err := c.writeEvent(&x.invocation, last)
	c.writing.Unlock()
	if err != nil && s.takeBack(x) {
		c.nc.Close()
		return nil, fmt.Errorf("%w: %w", ErrNotReady, err)
	}
	return x, nil
}

// takeBack undoes a delivery, unless the runtime has begun to answer it. What
// extensions were told cannot be undone: Deliver has to wait until they ask again.
func (s *Server) takeBack(x *Exchange) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.exchange != x || s.state != stateRunning {
		return false
	}
	s.state, s.exchange = stateReady, nil
	for _, e := range s.extensions {
		e.owes = false
	}
	return true
}

// claim lets exactly one request answer the open exchange.
func (s *Server) claim(id []byte, on event) (*Exchange, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.exchange
	if x == nil || string(id) != x.invocation.RequestID {
		return nil, false
	}
	to, ok := s.state.next(on)
	if !ok {
		return nil, false
	}
	s.state = to
	return x, true
}

// settle ends what claim began: the caller of the exchange has its outcome.
func (s *Server) settle(x *Exchange, o Outcome, head time.Time) {
	now := time.Now()
	x.mu.Lock()
	o.ResponseLatency = head.Sub(x.times.Delivered)
	o.ResponseDuration = now.Sub(head)
	x.times.Responding, x.times.Responded = head, now
	x.mu.Unlock()
	x.outcome = o
	s.mu.Lock()
	s.state, _ = s.state.next(eventSent)
	s.mu.Unlock()
	close(x.responded)
}
