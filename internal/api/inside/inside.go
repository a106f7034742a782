// Package inside serves the server's API to the functions that it runs.
//
// Vocabulary. A guest is one execution environment: its connections come by a
// listener in its own sandbox, so that each is known by where it comes from, and
// it has credentials of its own, the session, by which its requests are signed.
// Both end with it.
//
// Concurrency: every method may be called from any goroutine. A guest has one
// goroutine that accepts, and one for each connection; Close waits for the first
// and cuts the others off.
package inside

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"thaw/internal/iam"
)

// Sessions makes and revokes the credentials of guests. Package iam implements it.
type Sessions interface {
	Open(s iam.Session) (key iam.Key, token string)
	Close(keyID string)
}

// Options configure a Server.
type Options struct {
	// Handler answers requests. The context of each tells its caller (iam.CallerOf).
	Handler  http.Handler
	Sessions Sessions
	Logger   *slog.Logger
}

const (
	// maxConnections bounds the connections of one guest: more than the pools of
	// the SDKs hold. Further ones wait to be accepted.
	maxConnections = 128
	// readTimeout bounds the arrival of a request. The sender is on this machine.
	readTimeout   = time.Minute
	headerTimeout = 10 * time.Second
	idleTimeout   = 15 * time.Minute // as long as a function may run
	maxHeader     = 64 << 10
	// intakeRate bounds what is read of one guest, in bytes a second: reading is the
	// server's work, and not of the guest's share of the processors. intakeBurst may
	// come at once.
	intakeRate  = 64 << 20
	intakeBurst = 4 << 20
)

// Server serves all guests.
type Server struct {
	sessions Sessions
	http     *http.Server
}

// New makes a Server without guests.
func New(o Options) *Server {
	return &Server{sessions: o.Sessions, http: &http.Server{
		Handler: o.Handler,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return iam.WithCaller(ctx, c.(*conn).guest.caller)
		},
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}}
}

// Guest is one environment.
type Guest struct {
	// Key and Token are its credentials.
	Key   iam.Key
	Token string

	server   *Server
	caller   iam.Caller
	listener net.Listener
	places   chan struct{} // holds a token for each connection
	closing  chan struct{}
	accepts  sync.WaitGroup

	mu    sync.Mutex
	conns map[*conn]struct{}
	paid  time.Time // until when what was read is within the rate
	err   error
}

// Open begins to serve a guest at a listener, which is the guest's from then on.
func (s *Server) Open(l net.Listener, session iam.Session) *Guest {
	g := &Guest{
		server: s, caller: iam.Caller{Session: &session}, listener: l,
		places: make(chan struct{}, maxConnections), closing: make(chan struct{}), conns: map[*conn]struct{}{},
	}
	g.Key, g.Token = s.sessions.Open(session)
	g.accepts.Go(func() {
		// It ends when the listener is closed, by Close or with the sandbox.
		err := s.http.Serve(accepting{g})
		if !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.err = fmt.Errorf("serve the API inside: %w", err)
		}
	})
	return g
}

// Close revokes the credentials, closes the listener and cuts connections off. It
// is called once.
func (g *Guest) Close() error {
	g.server.sessions.Close(g.Key.ID)
	close(g.closing)
	err := g.listener.Close()
	if errors.Is(err, net.ErrClosed) { // the sandbox has closed it
		err = nil
	}
	g.accepts.Wait()
	g.mu.Lock()
	var open []*conn
	for c := range g.conns {
		open = append(open, c)
	}
	err = errors.Join(err, g.err)
	g.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
	return err
}

// Close ends the server when no guest is left.
func (s *Server) Close() error { return s.http.Close() }

// accepting is a guest's listener as the HTTP server sees it.
type accepting struct{ *Guest }

func (a accepting) Addr() net.Addr { return a.listener.Addr() }

// Close does nothing: the listener is closed by the guest, not when the server
// has done with it.
func (a accepting) Close() error { return nil }

// Accept waits for a place first, so that what is too much stays in the kernel's
// queue.
func (a accepting) Accept() (net.Conn, error) {
	select {
	case a.places <- struct{}{}:
	case <-a.closing:
		return nil, net.ErrClosed
	}
	accepted, err := a.listener.Accept()
	if err != nil {
		<-a.places
		return nil, err
	}
	c := &conn{Conn: accepted, guest: a.Guest}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conns[c] = struct{}{}
	return c, nil
}

// conn is a connection that is known to its guest until it is closed.
type conn struct {
	net.Conn
	guest *Guest
	once  sync.Once
}

// Read reads, and then waits as long as the guest has sent too fast.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if pause := c.guest.charge(n, time.Now()); pause > 0 {
		t := time.NewTimer(pause)
		defer t.Stop()
		select {
		case <-t.C:
		case <-c.guest.closing:
		}
	}
	return n, err
}

// charge counts what was read and tells how long to wait for more.
func (g *Guest) charge(n int, now time.Time) time.Duration {
	const burst = intakeBurst * time.Second / intakeRate
	g.mu.Lock()
	defer g.mu.Unlock()
	if from := now.Add(-burst); g.paid.Before(from) {
		g.paid = from
	}
	g.paid = g.paid.Add(time.Duration(n) * time.Second / intakeRate)
	return g.paid.Sub(now)
}

// Close closes it.
func (c *conn) Close() error {
	c.once.Do(func() {
		c.guest.mu.Lock()
		delete(c.guest.conns, c)
		c.guest.mu.Unlock()
		<-c.guest.places
	})
	return c.Conn.Close()
}
