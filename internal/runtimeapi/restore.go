package runtimeapi

// serveRestoreNext parks the runtime where its environment may be captured: it
// is answered when the environment has been restored.
func serveRestoreNext(c *conn, _ []byte) reply {
	if !c.discard() {
		r := failed(400, "InvalidRequestFormat", "unexpected body")
		r.closing = true
		return r
	}
	s := c.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	from := s.state
	to, ok := from.next(eventRestoreNext)
	if !ok || s.closed {
		return forbidden(from, stateReady) // the service names this state, too
	}
	s.state, s.parked = to, c
	s.registrationClosed = true
	s.started.fire()
	s.restoreReady.fire()
	return reply{silent: true}
}

// RestoreReady is closed when the runtime asks for its restore: now it may be
// captured. A runtime that does not take part in restores never does.
func (s *Server) RestoreReady() <-chan struct{} { return s.restoreReady.c }

// Restored tells the runtime that waits for it that it has been restored. It
// returns ErrNotReady if none waits. What the runtime reports then as a failure
// is the Fault.
func (s *Server) Restored() error {
	s.mu.Lock()
	to, ok := s.state.next(eventRestored)
	c := s.parked
	if !ok || c == nil {
		s.mu.Unlock()
		return ErrNotReady
	}
	s.state, s.parked, s.recipient = to, nil, c
	c.writing.Lock()
	keep := !c.last
	s.mu.Unlock()
	defer c.writing.Unlock()
	c.out = appendReply(c.out[:0], reply{status: 200}, keep, false)
	_, err := c.nc.Write(c.out)
	if err != nil || !keep {
		c.nc.Close()
	}
	return err
}

// serveRestoreError takes the runtime's report that it cannot go on after its
// restore.
func serveRestoreError(c *conn, _ []byte) reply {
	return c.runtimeFails(eventRestoreError, stateRestoreError)
}
