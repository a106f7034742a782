package runtimeapi

// servePing tells a client that the API is there.
func servePing(*conn, []byte) reply {
	return reply{status: 200, contentType: "text/plain; charset=utf-8", body: []byte("pong")}
}
