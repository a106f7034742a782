package runtimeapi

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"time"

	"thaw/internal/lambda"
)

const (
	// readBuffer holds a usual request, head and body; larger bodies pass it by.
	readBuffer = 4096
	// gatherFrom is the payload's size in bytes from which it is not copied behind
	// its head but written from where it lies.
	gatherFrom = 16 << 10
	// lingerTime and lingerBytes bound how much of a refused request is still read,
	// so that closing does not destroy the answer on its way (RFC 9112 §9.6).
	lingerTime  = time.Second
	lingerBytes = 1 << 20
)

// conn is one connection from inside.
type conn struct {
	srv *Server
	nc  net.Conn
	in  patientReader
	br  *bufio.Reader
	req request

	// Read by others while the connection is parked, under the server's mu.
	last      bool       // close after the event
	extension *extension // the one that waits on it

	writing gate // guards out and the writing side of nc
	out     []byte
}

// gate is a mutex that a virtual clock can see somebody wait for: writing may
// take as long as the peer likes.
type gate chan struct{}

func (g gate) Lock()   { g <- struct{}{} }
func (g gate) Unlock() { <-g }

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{srv: s, nc: nc, writing: make(gate, 1)}
	c.in = patientReader{nc: nc, timeout: s.opts.ReadTimeout}
	c.br = bufio.NewReaderSize(&c.in, readBuffer)
	return c
}

// patientReader waits for a request without limit, but not for the rest of one
// that has begun: there it sets the connection's read deadline. A request that
// arrives in one piece costs no deadline at all.
type patientReader struct {
	nc      net.Conn
	timeout time.Duration
	until   time.Time // overrides timeout unless zero
	begun   bool      // within a request
	limited bool      // a deadline is set
	changed bool      // until was set after it
}

func (r *patientReader) Read(p []byte) (int, error) {
	if r.begun != r.limited || r.changed {
		var deadline time.Time
		if r.begun {
			deadline = r.until
			if deadline.IsZero() {
				deadline = time.Now().Add(r.timeout)
			}
		}
		if err := r.nc.SetReadDeadline(deadline); err != nil {
			return 0, err
		}
		r.limited, r.changed = r.begun, false
	}
	return r.nc.Read(p)
}

// allow gives the current request until t, if t is not zero.
func (r *patientReader) allow(t time.Time) {
	if !t.IsZero() {
		r.until, r.changed = t, true
	}
}

func (c *conn) serve() {
	defer c.srv.forget(c)
	defer c.nc.Close()
	for c.await() {
		if err := c.req.read(c.br); err != nil {
			c.refuse(err)
			return
		}
		if !c.answer() {
			return
		}
	}
}

// await returns when a request's first byte has arrived; false if there is none.
// While the connection is parked nothing may come: a peer that speaks then is
// pipelining, or it has closed. And no request is looked at before the event
// before it is written: so nothing is being written on a connection that is
// parked, and whoever writes an event need not wait for it.
func (c *conn) await() bool {
	c.in.begun, c.in.until, c.in.changed = false, time.Time{}, false
	_, err := c.br.Peek(1)
	if c.unpark() || err != nil {
		return false
	}
	c.in.begun = true
	c.writing.Lock()
	c.writing.Unlock()
	return true
}

// unpark takes the connection back from /next; false if an event was delivered
// on it, or it was not there.
func (c *conn) unpark() bool {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	return c.leave()
}

// leave ends the waiting on this connection, if somebody does wait on it; the
// server's mu is held.
func (c *conn) leave() bool {
	switch e := c.extension; {
	case c.srv.parked == c:
		c.srv.parked = nil
	case e != nil:
		e.parked, c.extension = nil, nil
	default:
		return false
	}
	return true
}

// answer serves one request; false if the connection is to be closed.
func (c *conn) answer() bool {
	q := &c.req
	serve, id, r := c.srv.route(q.method(), q.path())
	if serve != nil {
		c.last = q.last
		r = serve(c, id)
	}
	if r.silent {
		return true
	}
	keep := !q.last && !r.closing && c.discard()
	if err := c.reply(r, keep); err != nil {
		return false
	}
	if !keep {
		c.linger()
	}
	return keep
}

// discard reads what is left of the current request's body, within limits.
func (c *conn) discard() bool {
	q := &c.req
	if q.consumed {
		return true
	}
	if q.opened || q.expects {
		return false // too long, or the peer awaits our word before it sends it
	}
	_, err := q.readBody(c.br, 0)
	return err == nil && q.consumed
}

// body reads the current request's body, up to a limit in bytes.
func (c *conn) body(max int64) (payload, error) {
	q := &c.req
	if q.expects && q.length <= max {
		c.writing.Lock()
		_, err := io.WriteString(c.nc, "HTTP/1.1 100 Continue\r\n\r\n")
		c.writing.Unlock()
		if err != nil {
			return payload{}, errTruncated
		}
		q.expects = false
	}
	return q.readBody(c.br, max)
}

// smallBody reads what an extension sends; if it cannot be had, reply says why.
func (c *conn) smallBody() ([]byte, reply, bool) {
	body, err := c.body(maxExtensionBody)
	o, r := received(body, err, maxExtensionBody)
	return o.Payload, r, r.status == accepted.status
}

// reply writes an answer in one piece.
func (c *conn) reply(r reply, keep bool) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.out = appendReply(c.out[:0], r, keep, c.req.isHead())
	_, err := c.nc.Write(c.out)
	return err
}

// writeEvent writes the answer to /next, the last one of the connection or not;
// the caller holds writing.
func (c *conn) writeEvent(inv *lambda.Invocation, last bool) error {
	c.out = appendEventHead(c.out[:0], inv, last)
	var err error
	if len(inv.Payload) < gatherFrom {
		c.out = append(c.out, inv.Payload...)
		_, err = c.nc.Write(c.out)
	} else {
		pieces := net.Buffers{c.out, inv.Payload}
		_, err = pieces.WriteTo(c.nc)
	}
	if last {
		c.nc.Close()
	}
	return err
}

// refuse answers a request that could not be read, where that makes sense.
func (c *conn) refuse(err error) {
	var bad *protocolError
	if !errors.As(err, &bad) {
		return // the peer is gone, or too slow
	}
	c.srv.opts.Logger.Debug("malformed request", slog.String("reason", bad.message))
	if c.reply(bad.reply(), false) == nil {
		c.linger()
	}
}

// linger half-closes and reads on for a moment.
func (c *conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if c.nc.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		io.CopyN(io.Discard, c.nc, lingerBytes)
	}
}
