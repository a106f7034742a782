package runtimeapi

// SourceRuntime is the Source of a fault that the runtime has reported.
const SourceRuntime = "runtime"

// Fault is the first report that something inside cannot go on. Whatever follows
// it is its consequence, and changes nothing of what the fault is called.
type Fault struct {
	// Source is SourceRuntime or an extension's name.
	Source string
	// Failure is the report. An extension's has the type Extension.InitError or
	// Extension.ExitError.
	Failure *Failure
	// Reported is the extension's own name for its failure; free text.
	Reported string
}

// signal is a channel that is closed once. The server's mu guards the closing.
type signal struct {
	c    chan struct{}
	done bool
}

func newSignal() signal { return signal{c: make(chan struct{})} }

func (g *signal) fire() {
	if !g.done {
		g.done = true
		close(g.c)
	}
}

// Registered is closed when all external extensions have registered.
func (s *Server) Registered() <-chan struct{} { return s.registered.c }

// Started is closed when the runtime asks for an event or for its restore for
// the first time, or reports that it cannot start.
func (s *Server) Started() <-chan struct{} { return s.started.c }

// Ready is closed when the runtime and every extension have asked for their
// first event: init is over, and nobody can subscribe to telemetry any more.
func (s *Server) Ready() <-chan struct{} { return s.ready.c }

// Failed is closed when the runtime or an extension reports that it cannot go on.
func (s *Server) Failed() <-chan struct{} { return s.failed.c }

// Fault is the first such report; nil before Failed is closed.
func (s *Server) Fault() *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault
}

// fail keeps the first fault.
func (s *Server) fail(f *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault == nil {
		s.fault = f
		s.failed.fire()
	}
}

// checkRegistered closes Registered if it is time; mu is held.
func (s *Server) checkRegistered() {
	for _, e := range s.extensions {
		if e.external && e.state == extensionStarted {
			return
		}
	}
	s.registered.fire()
}

// checkReady closes Ready if it is time; mu is held.
func (s *Server) checkReady() {
	if !s.runtimeAsked || s.fault != nil {
		return
	}
	for _, e := range s.extensions {
		if !e.asked {
			return
		}
	}
	s.ready.fire()
}
