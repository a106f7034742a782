package main

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// doerFunc is a function that sends.
type doerFunc func(*http.Request) (*http.Response, error)

func (f doerFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

// TestMeter: a long upload shows how far it is, arrives whole, and takes its line
// back; a short one shows nothing.
func TestMeter(t *testing.T) {
	content := bytes.Repeat([]byte("thaw"), 1<<20)
	var shown bytes.Buffer
	var arrived []byte
	clock := time.Unix(0, 0)
	m := metered{w: &shown, now: func() time.Time { clock = clock.Add(40 * time.Millisecond); return clock }}
	m.next = doerFunc(func(r *http.Request) (*http.Response, error) {
		buf := make([]byte, 1<<20)
		for {
			n, err := r.Body.Read(buf)
			arrived = append(arrived, buf[:n]...)
			if err != nil {
				return &http.Response{}, nil
			}
		}
	})
	send := func(body []byte) {
		arrived = nil
		request, err := http.NewRequest(http.MethodPut, "http://thaw/", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Do(request); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(arrived, body) {
			t.Errorf("%d of %d bytes have arrived", len(arrived), len(body))
		}
	}
	send(content)
	want := "\r\x1b[Kuploading 25 % of 4.2 MB\r\x1b[Kuploading 100 % of 4.2 MB\r\x1b[K"
	if shown.String() != want {
		t.Errorf("%q, want %q", shown.String(), want)
	}
	shown.Reset()
	send([]byte("short"))
	if shown.Len() > 0 {
		t.Errorf("a short upload shows %q", shown.String())
	}
}

// TestNoMeterInLogs: what is no terminal gets no meter and no colour.
func TestNoMeterInLogs(t *testing.T) {
	if _, is := withMeter(http.DefaultClient, io.Discard).(metered); is {
		t.Error("a meter for what is no terminal")
	}
	if newPainter(&strings.Builder{}) {
		t.Error("colours for what is no terminal")
	}
}
