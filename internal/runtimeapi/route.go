package runtimeapi

import "bytes"

// endpoint serves one request of a connection. id is the request id in the
// path, where it has one.
type endpoint func(c *conn, id []byte) reply

// base is the prefix of the Runtime API.
const base = "/2018-06-01/"

// route finds who serves a request; without an endpoint, reply says why.
func (s *Server) route(method, path []byte) (endpoint, []byte, reply) {
	serve, allow, id := findRuntime(path)
	if serve == nil {
		serve, allow = s.find(string(path))
	}
	if serve == nil {
		return nil, nil, failed(404, "ResourceNotFound", "no such path")
	}
	if string(method) != allow {
		r := failed(405, "MethodNotAllowed", "method not allowed")
		r.allow = allow
		return nil, nil, r
	}
	return serve, id, reply{}
}

// findRuntime knows what every runtime uses.
func findRuntime(path []byte) (serve endpoint, method string, id []byte) {
	rest, ok := bytes.CutPrefix(path, []byte(base))
	if !ok {
		return nil, "", nil
	}
	switch string(rest) {
	case "runtime/invocation/next":
		return serveNext, "GET", nil
	case "runtime/init/error":
		return serveInitError, "POST", nil
	case "ping":
		return servePing, "GET", nil
	}
	rest, ok = bytes.CutPrefix(rest, []byte("runtime/invocation/"))
	id, verb, found := bytes.Cut(rest, []byte{'/'})
	if !ok || !found || len(id) == 0 {
		return nil, "", nil
	}
	switch string(verb) {
	case "response":
		return serveResponse, "POST", id
	case "error":
		return serveError, "POST", id
	}
	return nil, "", nil
}

// find knows the rest: what extensions use, and what not every environment has.
func (s *Server) find(path string) (serve endpoint, method string) {
	switch path {
	case "/2020-01-01/extension/register":
		return serveRegister, "POST"
	case "/2020-01-01/extension/event/next":
		return serveExtensionNext, "GET"
	case "/2020-01-01/extension/init/error":
		return serveExtensionInitError, "POST"
	case "/2020-01-01/extension/exit/error":
		return serveExtensionExitError, "POST"
	case "/2022-07-01/telemetry":
		return serveTelemetry, "PUT"
	case "/2020-08-15/logs":
		return serveLogs, "PUT"
	case base + "runtime/restore/next":
		if s.opts.SnapStart {
			return serveRestoreNext, "GET"
		}
	case base + "runtime/restore/error":
		if s.opts.SnapStart {
			return serveRestoreError, "POST"
		}
	case "/2026-01-15/metadata/execution-environment":
		if s.opts.Metadata.Token != "" {
			return serveMetadata, "GET"
		}
	}
	return nil, ""
}
