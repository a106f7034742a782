package lambda

import (
	"io"
	"net/http"
	"time"
)

// Large bodies take turns, so one that comes too slowly keeps others out; and for
// a turn it takes no more than the id of a key, which is no secret.
const (
	// paceGrace is what a large body may be late.
	paceGrace = 30 * time.Second
	// leastPace is how fast it must come in the mean, in bytes per second.
	leastPace = 128 << 10
	// longestRead bounds its arrival in all: 70 MB at 2 Mbit/s.
	longestRead = 5 * time.Minute
)

// paced is a body whose connection has a deadline that moves on with what comes.
type paced struct {
	io.ReadCloser
	connection *http.ResponseController
	start      time.Time
	read       int64
}

// pace makes a request's body a paced one.
func pace(w http.ResponseWriter, r *http.Request) {
	r.Body = &paced{ReadCloser: r.Body, connection: http.NewResponseController(w), start: time.Now()}
}

func (p *paced) Read(b []byte) (int, error) {
	late := min(paceGrace+time.Duration(p.read)*time.Second/leastPace, longestRead)
	// What is no connection has no deadline, and needs none.
	_ = p.connection.SetReadDeadline(p.start.Add(late))
	n, err := p.ReadCloser.Read(b)
	p.read += int64(n)
	if err == io.EOF {
		// The operation may take longer than the body.
		_ = p.connection.SetReadDeadline(time.Time{})
	}
	return n, err
}
