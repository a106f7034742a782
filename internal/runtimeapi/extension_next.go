package runtimeapi

import (
	"time"

	"thaw/internal/lambda"
	"thaw/internal/telemetry"
)

// serveExtensionNext parks an extension's connection until there is an event for
// it. The first call ends its part of the init phase, later ones its part of the
// exchange before.
func serveExtensionNext(c *conn, _ []byte) reply {
	id, r, ok := identifier(&c.req)
	if !ok {
		return r
	}
	if !c.discard() {
		r := failed(400, "InvalidRequestFormat", "unexpected body")
		r.closing = true
		return r
	}
	s := c.srv
	s.mu.Lock()
	e := s.byID(id)
	if e == nil {
		s.mu.Unlock()
		return unknownExtension("extension " + id)
	}
	from := e.state
	to, ok := from.next(e.asking())
	if !ok || s.closed {
		s.mu.Unlock()
		return extensionForbidden(from, extensionReady, id)
	}
	e.state = to
	over := s.asks(e)
	given := e.pending
	if given == nil {
		e.parked, c.extension = c, e
	} else {
		e.pending = nil
		e.state, _ = e.state.next(extensionGetsEvent)
	}
	s.checkReady()
	s.mu.Unlock()
	if over != nil {
		over.end()
	}
	if given != nil {
		return given.reply()
	}
	return reply{silent: true}
}

// asking is what a request for an event means in the extension's state. One that
// has lost the connection on which it waited may ask again: the service does not
// see the loss, and would give its next event to nobody.
func (e *extension) asking() extensionEvent {
	if e.state == extensionReady && e.parked == nil {
		return extensionAsksAgain
	}
	return extensionAsks
}

// asks takes the extension out of the open exchange, unless its event has not
// reached it yet. It returns the exchange if that is over now. mu is held.
func (s *Server) asks(e *extension) *Exchange {
	e.asked = true
	if !e.owes || e.pending != nil && e.pending.invoke {
		return nil
	}
	e.owes = false
	x := s.exchange
	if x == nil || !s.leave(x) {
		return nil
	}
	return x
}

// invokeNotice is the event that tells extensions of an invocation. It has no
// payload.
func invokeNotice(inv *lambda.Invocation) *notice {
	return &notice{invoke: true, body: encode(struct {
		Type      string             `json:"eventType"`
		Deadline  int64              `json:"deadlineMs"`
		RequestID string             `json:"requestId"`
		ARN       string             `json:"invokedFunctionArn"`
		Tracing   *telemetry.Tracing `json:"tracing,omitempty"`
	}{invokeEvent, inv.Deadline.UnixMilli(), inv.RequestID, inv.ARN, telemetry.NewTracing(inv.TraceID)})}
}

// shutdownNotice is the event that tells extensions of the end.
func shutdownNotice(reason string, deadline time.Time) *notice {
	return &notice{body: encode(struct {
		Type     string `json:"eventType"`
		Deadline int64  `json:"deadlineMs"`
		Reason   string `json:"shutdownReason"`
	}{shutdownEvent, deadline.UnixMilli(), reason})}
}
