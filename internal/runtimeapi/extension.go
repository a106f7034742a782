package runtimeapi

import (
	"strings"
	"time"

	"thaw/internal/lambda"
)

const (
	// maxExtensions bounds external and internal extensions together; the service's
	// quota.
	maxExtensions = 10
	// maxExtensionName bounds an extension's name, in bytes: that of an external
	// one is the name of its file, which Linux bounds so.
	maxExtensionName = 255
	// maxExtensionBody bounds what an extension sends in one request, in bytes. The
	// longest that a sane one sends is a subscription of a few hundred bytes.
	maxExtensionBody = 64 << 10
)

// The events that an extension may ask for.
const (
	invokeEvent   = "INVOKE"
	shutdownEvent = "SHUTDOWN"
)

// Extension is what is known of one extension.
type Extension struct {
	Name     string
	External bool
	Events   []string // INVOKE and SHUTDOWN, if it asked for them; in this order
	// State is Started (an external one that has not registered), Registered,
	// Ready, Running, InitError or ExitError.
	State string
}

// extension is one extension. The server's mu guards all of it.
type extension struct {
	name     string
	external bool
	id       string // empty until it registers
	invoke   bool   // it is told of invocations
	shutdown bool   // it is told of the shutdown
	state    extensionState
	parked   *conn   // the connection on which it waits
	pending  *notice // what it is given when it asks next
	asked    bool    // for its first event
	// owes is set from an invocation's delivery until it asks for the next event.
	owes bool
}

// notice is the body of an event for extensions.
type notice struct {
	body   []byte
	invoke bool
}

func (e *extension) events() []string {
	events := make([]string, 0, 2)
	if e.invoke {
		events = append(events, invokeEvent)
	}
	if e.shutdown {
		events = append(events, shutdownEvent)
	}
	return events
}

// failed tells an extension that has reported a failure: it must exit.
func (e *extension) failed() bool {
	return e.state == extensionInitError || e.state == extensionExitError
}

// Extensions lists the external extensions in the order of Options, then the
// internal ones in the order in which they registered.
func (s *Server) Extensions() []Extension {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Extension, 0, len(s.extensions))
	for _, e := range s.extensions {
		list = append(list, Extension{Name: e.name, External: e.external, Events: e.events(), State: string(e.state)})
	}
	return list
}

// byName finds an extension; mu is held.
func (s *Server) byName(name string) *extension {
	for _, e := range s.extensions {
		if e.name == name {
			return e
		}
	}
	return nil
}

// byID finds an extension that has registered; mu is held.
func (s *Server) byID(id string) *extension {
	for _, e := range s.extensions {
		if e.id == id {
			return e
		}
	}
	return nil
}

// identifier is the current request's claim of who sends it; without one, reply
// is the answer.
func identifier(q *request) (id string, r reply, ok bool) {
	header := q.header("lambda-extension-identifier")
	if len(header) == 0 {
		return "", failed(403, "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header"), false
	}
	if !isUUID(header) {
		return "", failed(403, "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"), false
	}
	return strings.ToLower(string(header)), reply{}, true
}

// unknownExtension answers an identifier that was given to nobody.
func unknownExtension(who string) reply {
	return failed(403, "Extension.UnknownExtensionIdentifier", "Unknown "+who)
}

func isUUID(b []byte) bool {
	if len(b) != 36 {
		return false
	}
	for i, c := range b {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case '0' <= c && c <= '9', 'a' <= c|0x20 && c|0x20 <= 'f':
		default:
			return false
		}
	}
	return true
}

// rested tells whether every extension is ready for the next invocation; mu is
// held.
func (s *Server) rested() bool {
	for _, e := range s.extensions {
		if e.invoke && e.state != extensionReady {
			return false
		}
	}
	return true
}

// tell gives an invocation to the extensions that asked for invocations, which
// then are part of its exchange; mu is held.
func (s *Server) tell(x *Exchange) {
	var n *notice
	for _, e := range s.extensions {
		if !e.invoke {
			continue
		}
		if n == nil {
			n = invokeNotice(&x.invocation)
		}
		e.owes = true
		x.waiting++
		s.give(e, n)
	}
}

// give hands an event to a ready extension: on the connection where it waits, or
// else when it asks next. mu is held, nothing waits: the event is written by a
// goroutine of its own, so that an extension which does not read holds up nobody.
func (s *Server) give(e *extension, n *notice) {
	c := e.parked
	if c == nil {
		e.pending = n
		e.state, _ = e.state.next(extensionGetsEvent)
		return
	}
	e.state, _ = e.state.next(extensionGetsEvent)
	e.parked, c.extension = nil, nil
	// It is free: whatever was written before has ended before c was parked. And
	// whatever c's own goroutine writes comes after the event.
	c.writing.Lock()
	keep := !c.last
	s.wg.Go(func() {
		defer c.writing.Unlock()
		c.writeNotice(n, keep)
	})
}

// leave takes one party out of an exchange and tells whether it was the last; mu
// is held.
func (s *Server) leave(x *Exchange) bool {
	x.waiting--
	if x.waiting > 0 {
		return false
	}
	if s.exchange == x {
		s.exchange = nil
	}
	return true
}

// Shutdown tells the external extensions that asked for it that the environment
// ends: at once, or when they next ask for an event. The reason is spindown,
// timeout or failure. No invocation is taken afterwards; the first call counts.
func (s *Server) Shutdown(reason string, deadline time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving || s.closed {
		return
	}
	s.leaving = true
	n := shutdownNotice(reason, deadline)
	for _, e := range s.extensions {
		switch {
		case !e.shutdown || e.failed():
		case e.state == extensionReady && e.parked != nil:
			s.give(e, n)
		default:
			e.pending = n
		}
	}
}

// writeNotice writes an event to an extension; the caller holds writing. A peer
// that does not take it in time loses its connection.
func (c *conn) writeNotice(n *notice, keep bool) {
	c.nc.SetWriteDeadline(time.Now().Add(c.srv.opts.ReadTimeout))
	c.out = appendReply(c.out[:0], n.reply(), keep, false)
	_, err := c.nc.Write(c.out)
	c.nc.SetWriteDeadline(time.Time{})
	if err != nil || !keep {
		c.nc.Close()
	}
}

func (n *notice) reply() reply {
	return reply{
		status: 200, contentType: jsonType, body: n.body,
		field: "Lambda-Extension-Event-Identifier", value: lambda.NewUUID(),
	}
}
