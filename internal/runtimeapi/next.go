package runtimeapi

import "fmt"

// serveNext parks the connection until an event is delivered on it. The first
// call ends the init phase, later ones end the exchange before. A runtime that
// asks again in the middle of an event gets the same event again.
func serveNext(c *conn, _ []byte) reply {
	if !c.discard() {
		r := failed(400, "InvalidRequestFormat", "unexpected body")
		r.closing = true
		return r
	}
	s := c.srv
	s.mu.Lock()
	from := s.state
	to, ok := from.next(eventNext)
	if !ok || s.closed {
		s.mu.Unlock()
		return forbidden(from, stateReady)
	}
	if to == stateRunning {
		return c.repeat() // unlocks
	}
	x, before := s.exchange, s.parked
	s.state, s.parked = to, c
	switch from {
	case stateStarted, stateRestoring:
		s.registrationClosed, s.runtimeAsked = true, true
		s.started.fire()
		s.checkReady()
	}
	s.mu.Unlock()
	if before != nil && before != c {
		before.nc.Close() // its client has given it up, or will never be served
	}
	if from == stateResponseSent {
		s.runtimeLeaves(x)
	}
	return reply{silent: true}
}

// runtimeLeaves ends the runtime's part in an exchange, and the exchange if no
// extension has part in it any more.
func (s *Server) runtimeLeaves(x *Exchange) {
	x.runtimeDone()
	s.mu.Lock()
	over := s.leave(x)
	s.mu.Unlock()
	if over {
		x.end()
	}
}

// repeat writes the running event once more. It is called with the server's mu
// held, and gives it up as Deliver does: after taking the writing side.
func (c *conn) repeat() reply {
	x := c.srv.exchange
	c.writing.Lock()
	c.srv.mu.Unlock()
	defer c.writing.Unlock()
	if c.writeEvent(&x.invocation, c.last) != nil {
		c.nc.Close()
	}
	return reply{silent: true}
}

// forbidden answers a call that the state machine does not allow.
func forbidden(from, to state) reply {
	return failed(403, "InvalidStateTransition", fmt.Sprintf(
		"State transition from %s to %s failed for runtime. Error: State transition is not allowed", from, to))
}
