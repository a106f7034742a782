package relay_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"thaw/internal/telemetry"
	"thaw/internal/telemetry/relay"
)

const (
	httpBody = `{"schemaVersion":"2022-12-13","types":["platform","function","extension"],"buffering":{"maxItems":1000,"maxBytes":262144,"timeoutMs":100},"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:8080/take"}}`
	tcpBody  = `{"schemaVersion":"2022-12-13","types":["platform","function","extension"],"buffering":{"maxItems":1000,"maxBytes":262144,"timeoutMs":100},"destination":{"protocol":"TCP","port":8080}}`
	address  = "169.254.100.1:8080"
)

// network is a sandbox's inside, in memory: one listener at a time.
type network struct {
	mu    sync.Mutex
	conns chan net.Conn // nil: nobody listens
	dials int
}

func (n *network) listen() chan net.Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns = make(chan net.Conn)
	return n.conns
}

func (n *network) dial(ctx context.Context, _, to string) (net.Conn, error) {
	n.mu.Lock()
	n.dials++
	conns := n.conns
	n.mu.Unlock()
	if conns == nil || to != address {
		return nil, syscall.ECONNREFUSED
	}
	near, far := net.Pipe()
	select {
	case conns <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// subscriber answers batches and keeps what it was given.
type subscriber struct {
	mu      sync.Mutex
	status  int
	delay   time.Duration
	batches []string
	at      []time.Duration // of each batch, since the start
	heads   []string        // method, path and content type
	began   time.Time
}

// serve takes connections until t ends.
func (s *subscriber) serve(t *testing.T, conns chan net.Conn) {
	s.began = time.Now()
	done := make(chan struct{})
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			select {
			case c := <-conns:
				serving.Go(func() {
					<-done
					c.Close()
				})
				serving.Go(func() { s.answer(c) })
			case <-done:
				return
			}
		}
	})
	t.Cleanup(func() {
		close(done)
		serving.Wait()
	})
}

func (s *subscriber) answer(c net.Conn) {
	defer c.Close()
	reader := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.batches = append(s.batches, string(body))
		s.at = append(s.at, time.Since(s.began))
		s.heads = append(s.heads, req.Method+" "+req.Host+req.URL.Path+" "+req.Header.Get("Content-Type"))
		status, delay := s.status, s.delay
		s.mu.Unlock()
		time.Sleep(delay)
		if _, err := fmt.Fprintf(c, "HTTP/1.1 %d x\r\nContent-Length: 2\r\n\r\nOK", status); err != nil {
			return
		}
	}
}

func (s *subscriber) answerWith(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// events are the records of all batches that were given, one line each.
func (s *subscriber) events(t *testing.T) []string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, b := range s.batches {
		out = append(out, records(t, b)...)
	}
	return out
}

// count is the number of attempts.
func (s *subscriber) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.batches)
}

func records(t *testing.T, batch string) []string {
	t.Helper()
	var events []struct {
		Type   string
		Record json.RawMessage
	}
	if err := json.Unmarshal([]byte(batch), &events); err != nil {
		t.Fatalf("%v: %s", err, batch)
	}
	var out []string
	for _, e := range events {
		out = append(out, e.Type+" "+string(e.Record))
	}
	return out
}

func open(t *testing.T, n *network) *relay.Relay {
	t.Helper()
	var r *relay.Relay
	r = relay.New(relay.Options{
		Dial:   n.dial,
		Emit:   func(e telemetry.Record) { r.Publish(telemetry.Event{Time: time.Now(), Record: e}) },
		Logger: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		r.Close(ctx)
	})
	return r
}

func subscribe(t *testing.T, r *relay.Relay, body string) {
	t.Helper()
	if err := r.Subscribe("ext", relay.TelemetryAPI, []byte(body)); err != nil {
		t.Fatal(err)
	}
}

func line(text string) telemetry.Event {
	return telemetry.Event{Time: time.Now(), Record: telemetry.Line{Text: text}}
}

// dialOnce refuses every connection, and tells the first address.
func dialOnce(address chan<- string) func(context.Context, string, string) (net.Conn, error) {
	return func(_ context.Context, _, to string) (net.Conn, error) {
		select {
		case address <- to:
		default:
		}
		return nil, syscall.ECONNREFUSED
	}
}

// endless takes a request, and answers without end.
func endless(c net.Conn, first, more string) {
	if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
		return
	}
	_, err := io.WriteString(c, first)
	for err == nil && more != "" {
		_, err = io.WriteString(c, more)
	}
}
