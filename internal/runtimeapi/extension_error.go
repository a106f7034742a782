package runtimeapi

import "thaw/internal/telemetry"

// The types of failures that extensions report, as records of the platform name
// them; the extension's own name for it is Fault.Reported.
const (
	typeExtensionInit = "Extension.InitError"
	typeExtensionExit = "Extension.ExitError"
)

// maxReported bounds the name that an extension gives its failure, in bytes: logs
// and records carry it. What is beyond is cut off.
const maxReported = 1 << 10

// serveExtensionInitError takes an extension's report that it cannot start. It
// must exit afterwards.
func serveExtensionInitError(c *conn, _ []byte) reply {
	return c.extensionFails(extensionFailsInit, typeExtensionInit, extensionInitError)
}

// serveExtensionExitError takes an extension's report that it must exit.
func serveExtensionExitError(c *conn, _ []byte) reply {
	return c.extensionFails(extensionFailsRunning, typeExtensionExit, extensionExited)
}

// extensionFails takes a report of failure; meant is the state that the answer
// to a forbidden one names.
func (c *conn) extensionFails(on extensionEvent, errorType string, meant extensionState) reply {
	id, r, ok := identifier(&c.req)
	if !ok {
		return r
	}
	header := c.req.header("lambda-extension-function-error-type")
	if len(header) == 0 {
		return failed(403, "Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found")
	}
	reported := string(header[:min(len(header), maxReported)])
	f := &Failure{Type: errorType, ContentType: text(c.req.header("content-type"))}
	if f.Body, r, ok = c.smallBody(); !ok {
		return r
	}
	s := c.srv
	s.mu.Lock()
	e := s.byID(id)
	if e == nil {
		s.mu.Unlock()
		return unknownExtension("Lambda-Extension-Identifier")
	}
	to, ok := e.state.next(on)
	if !ok {
		from := e.state
		s.mu.Unlock()
		return extensionForbidden(from, meant, id)
	}
	first := !e.failed()
	e.state = to
	told := telemetry.Extension{Name: e.name, State: string(to), Events: e.events(), ErrorType: reported}
	s.mu.Unlock()
	if first {
		s.opts.OnExtension(told)
		s.fail(&Fault{Source: e.name, Failure: f, Reported: reported})
	}
	return accepted
}
