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

// Defaults of Options.
const (
	// DefaultMaxConnections leaves room for a runtime's own connections and those
	// of ten extensions.
	DefaultMaxConnections = 64
	// DefaultReadTimeout bounds the time from a request's first byte to its end,
	// save for the answer to an event, which has until the event's deadline.
	DefaultReadTimeout = 30 * time.Second
)

// Options configures a Server; the zero value is complete.
type Options struct {
	// MaxResponse bounds a response's body, in bytes.
	MaxResponse int64
	// MaxConnections bounds the open connections; more are closed at once.
	MaxConnections int
	ReadTimeout    time.Duration
	Logger         *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.MaxResponse == 0 {
		o.MaxResponse = lambda.MaxResponsePayload
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = DefaultMaxConnections
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = DefaultReadTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// ErrNotReady is returned by Deliver when no runtime waits for an event: it has
// not asked yet, it is busy, its connection is gone, or the server is closed.
var ErrNotReady = errors.New("runtime is not waiting for an event")

// Server speaks with one runtime process.
type Server struct {
	opts    Options
	started chan struct{}
	closing chan struct{}
	wg      sync.WaitGroup // connections and Serve calls

	mu        sync.Mutex
	state     state
	parked    *conn     // the connection that waits in /next
	exchange  *Exchange // the open one
	failure   *Failure
	closed    bool
	conns     map[*conn]struct{}
	listeners map[net.Listener]struct{}
}

// New makes a server for a runtime process that is about to start.
func New(opts Options) *Server {
	return &Server{
		opts:      opts.withDefaults(),
		started:   make(chan struct{}),
		closing:   make(chan struct{}),
		state:     stateStarted,
		conns:     make(map[*conn]struct{}),
		listeners: make(map[net.Listener]struct{}),
	}
}

// Started is closed when the runtime asks for an event for the first time, or
// reports that it cannot start.
func (s *Server) Started() <-chan struct{} { return s.started }

// InitFailure is the runtime's report that it cannot start; nil if there is none.
func (s *Server) InitFailure() *Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
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
	if s.parked == c {
		s.parked = nil
	}
}

// Cut closes the open connections, so that a Deliver that writes to a runtime
// which does not read returns. It does not wait.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.nc.Close()
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
// goroutine. It returns ErrNotReady if none waits, or if its connection broke
// under the writing; the runtime may then ask again. A runtime that does not read
// holds it until Cut.
func (s *Server) Deliver(inv lambda.Invocation) (*Exchange, error) {
	s.mu.Lock()
	to, ok := s.state.next(eventDeliver)
	c := s.parked
	if !ok || c == nil {
		s.mu.Unlock()
		return nil, ErrNotReady
	}
	x := &Exchange{
		invocation: inv,
		delivered:  time.Now(),
		responded:  make(chan struct{}),
	}
	s.state, s.parked, s.exchange = to, nil, x
	// Taken before mu is given up, so that whatever the connection's own goroutine
	// writes comes after the event.
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

// takeBack undoes a delivery, unless the runtime has begun to answer it.
func (s *Server) takeBack(x *Exchange) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.exchange != x || s.state != stateRunning {
		return false
	}
	s.state, s.exchange = stateReady, nil
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
	o.ResponseLatency = head.Sub(x.delivered)
	o.ResponseDuration = time.Since(head)
	x.outcome = o
	s.mu.Lock()
	s.state, _ = s.state.next(eventSent)
	s.mu.Unlock()
	close(x.responded)
}
