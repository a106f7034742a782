package runtimeapi

// serveInitError takes the runtime's report that it cannot start. It must exit
// afterwards; the report becomes the answer to the first event. Some clients use
// it for what fails after a restore, too.
func serveInitError(c *conn, _ []byte) reply {
	s := c.srv
	s.mu.Lock()
	restoring := s.state == stateRestoring
	s.mu.Unlock()
	if restoring {
		return c.runtimeFails(eventRestoreError, stateRestoreError)
	}
	return c.runtimeFails(eventInitError, stateInitError)
}

// runtimeFails takes the report that the runtime cannot go on; meant is the state
// that the answer to a forbidden one names.
func (c *conn) runtimeFails(on event, meant state) reply {
	s := c.srv
	s.mu.Lock()
	from := s.state
	to, ok := from.next(on)
	if ok {
		s.state = to
	}
	s.mu.Unlock()
	if !ok {
		return forbidden(from, meant)
	}
	f, _, r := c.report()
	s.fail(&Fault{Source: SourceRuntime, Failure: f})
	s.mu.Lock()
	s.started.fire()
	s.mu.Unlock()
	return r
}
