package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"golang.org/x/term"
)

const (
	// leastMetered is the size of a request from which on its way is shown.
	leastMetered = 1 << 20
	// meterPause is between two lines of the meter.
	meterPause = 100 * time.Millisecond
	// eraseLine takes back what was written on a terminal's line.
	eraseLine = "\r\x1b[K"
)

// httpDoer is what the SDK sends requests with.
type httpDoer interface {
	Do(*http.Request) (*http.Response, error)
}

// metered shows on a terminal how far a long upload is.
type metered struct {
	next httpDoer
	w    io.Writer
	now  func() time.Time
}

// withMeter shows uploads only where lines can be taken back: elsewhere, they
// would fill a log.
func withMeter(next httpDoer, w io.Writer) httpDoer {
	if file, ok := w.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		return next
	}
	return metered{next: next, w: w, now: time.Now}
}

func (m metered) Do(request *http.Request) (*http.Response, error) {
	if request.Body == nil || request.ContentLength < leastMetered {
		return m.next.Do(request)
	}
	request = request.Clone(request.Context())
	request.Body = &meteredBody{ReadCloser: request.Body, meter: m, total: request.ContentLength}
	response, err := m.next.Do(request)
	fmt.Fprint(m.w, eraseLine)
	return response, err
}

// meteredBody counts what is read of it.
type meteredBody struct {
	io.ReadCloser
	meter       metered
	sent, total int64
	shown       time.Time
}

func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.sent += int64(n)
	if now := b.meter.now(); now.Sub(b.shown) >= meterPause {
		b.shown = now
		fmt.Fprintf(b.meter.w, "%suploading %d %% of %.1f MB", eraseLine, 100*b.sent/b.total, float64(b.total)/1e6)
	}
	return n, err
}
