package runtimeapi

import "bytes"

// endpoint serves one request of a connection. id is the request id in the
// path, where it has one.
type endpoint func(c *conn, id []byte) reply

// base is the prefix of the Runtime API. Extensions, telemetry and the rest
// have prefixes of their own.
const base = "/2018-06-01/"

// route finds who serves a request; without an endpoint, reply says why.
func route(method, path []byte) (endpoint, []byte, reply) {
	serve, allow, id := find(path)
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

func find(path []byte) (serve endpoint, method string, id []byte) {
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
