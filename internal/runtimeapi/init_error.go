package runtimeapi

// serveInitError takes the runtime's report that it cannot start. It must exit
// afterwards; the report becomes the answer to the first event.
func serveInitError(c *conn, _ []byte) reply {
	s := c.srv
	s.mu.Lock()
	from := s.state
	to, ok := from.next(eventInitError)
	if ok {
		s.state = to
	}
	s.mu.Unlock()
	if !ok {
		return forbidden(from, stateInitError)
	}
	f, _, r := c.report()
	s.mu.Lock()
	s.failure = f
	s.mu.Unlock()
	close(s.started)
	return r
}
