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
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/telemetry"
	"thaw/internal/telemetry/relay"
)

func TestBatchesByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		s := &subscriber{status: 200}
		s.serve(t, n.listen())
		r := open(t, &n)
		subscribe(t, r, httpBody)
		r.Publish(line("one\n"))
		time.Sleep(60 * time.Millisecond)
		r.Publish(line("two\n"))
		time.Sleep(60 * time.Millisecond)
		r.Publish(line("three\n"))
		time.Sleep(time.Second)
		synctest.Wait()
		want := []string{`[{"time":"2000-01-01T00:00:00.000Z","type":"function","record":"one\n"},{"time":"2000-01-01T00:00:00.060Z","type":"function","record":"two\n"}]`,
			`[{"time":"2000-01-01T00:00:00.120Z","type":"function","record":"three\n"}]`}
		if diff := cmp.Diff(want, s.batches); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]time.Duration{100 * time.Millisecond, 220 * time.Millisecond}, s.at); diff != "" {
			t.Errorf("times (-want +got):\n%s", diff)
		}
		if want := "POST sandbox.localdomain:8080/take application/json"; s.heads[0] != want {
			t.Errorf("request %q, want %q", s.heads[0], want)
		}
		if n.dials != 1 {
			t.Errorf("%d connections, want one that is kept", n.dials)
		}
	})
}

func TestBatchesBySize(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		events int
	}{
		"maxItems": {"x\n", 1000},
		"maxBytes": {strings.Repeat("x", 64<<10), 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n network
				s := &subscriber{status: 200}
				s.serve(t, n.listen())
				r := open(t, &n)
				subscribe(t, r, strings.Replace(httpBody, `"timeoutMs":100`, `"timeoutMs":30000`, 1))
				for range c.events + 1 {
					r.Publish(line(c.text))
				}
				synctest.Wait()
				if got := len(s.events(t)); got != c.events {
					t.Errorf("%d events at once, want %d", got, c.events)
				}
				time.Sleep(31 * time.Second)
				if got := len(s.events(t)); got != c.events+1 {
					t.Errorf("%d events at last, want %d", got, c.events+1)
				}
			})
		})
	}
}

func TestFailuresAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		s := &subscriber{status: 500}
		r := open(t, &n)
		subscribe(t, r, httpBody)
		r.Publish(line("one\n"))
		time.Sleep(time.Second) // nobody listens
		s.serve(t, n.listen())
		time.Sleep(20 * time.Second)
		if got := s.count(); got < 3 || got > 10 {
			t.Errorf("%d attempts in 20 s, want a few", got)
		}
		s.answerWith(204)
		r.Publish(line("two\n"))
		time.Sleep(10 * time.Second)
		s.answerWith(200)
		all := s.events(t)
		if diff := cmp.Diff([]string{`function "one\n"`, `function "two\n"`}, all[len(all)-2:]); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		tries := s.count()
		time.Sleep(time.Minute)
		if s.count() != tries {
			t.Error("what was taken is sent again")
		}
	})
}

// TestWhatIsDroppedIsCounted: every event is delivered or told to be lost.
func TestWhatIsDroppedIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		s := &subscriber{status: 503}
		s.serve(t, n.listen())
		r := open(t, &n)
		subscribe(t, r, httpBody)
		const events = 5500
		for i := range events {
			r.Publish(line(fmt.Sprintf("%04d\n", i)))
			if i%100 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		time.Sleep(time.Second)
		s.mu.Lock()
		s.status, s.batches = 200, nil
		s.mu.Unlock()
		time.Sleep(time.Minute)
		var lines, lost int
		for _, e := range s.events(t) {
			var d telemetry.LogsDropped
			kind, record, _ := strings.Cut(e, " ")
			if kind == "function" {
				lines++
			} else if err := json.Unmarshal([]byte(record), &d); err != nil {
				t.Fatal(err)
			}
			lost += int(d.DroppedRecords)
			if d.DroppedBytes != 5*d.DroppedRecords {
				t.Errorf("%d records of %d bytes, want 5 each", d.DroppedRecords, d.DroppedBytes)
			}
		}
		if lines+lost != events || lost == 0 || lines > 2000 {
			t.Errorf("%d lines and %d lost, together not %d", lines, lost, events)
		}
	})
}

func TestTCP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		conns := n.listen()
		r := open(t, &n)
		subscribe(t, r, tcpBody)
		r.Publish(line("one\n"))
		r.Publish(telemetry.Event{Time: time.Now(), Record: telemetry.Start{RequestID: "id", Version: "7"}})
		c := <-conns
		reader := bufio.NewReader(c)
		for _, want := range []string{
			`{"time":"2000-01-01T00:00:00.000Z","type":"function","record":"one\n"}` + "\n",
			`{"time":"2000-01-01T00:00:00.000Z","type":"platform.start","record":{"requestId":"id","version":"7"}}` + "\n",
		} {
			if got, err := reader.ReadString('\n'); got != want || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
		}
		c.Close()
		r.Publish(line("two\n"))
		c = <-conns
		defer c.Close()
		if got, _ := bufio.NewReader(c).ReadString('\n'); !strings.Contains(got, "two") {
			t.Errorf("after another connection: %q", got)
		}
	})
}

// TestPause: nothing begins while the environment is frozen, what is under way
// does not run out of time, and what was due is delivered at once after it.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		s := &subscriber{status: 200, delay: time.Hour}
		s.serve(t, n.listen())
		r := open(t, &n)
		subscribe(t, r, httpBody)
		r.Publish(line("one\n"))
		time.Sleep(200 * time.Millisecond)
		r.Pause()
		s.mu.Lock()
		s.delay = 0
		s.mu.Unlock()
		r.Publish(line("two\n"))
		r.Flush(t.Context())
		time.Sleep(time.Hour - time.Second)
		if got := s.count(); got != 1 {
			t.Errorf("%d batches are sent to a frozen environment", got-1)
		}
		r.Resume()
		time.Sleep(time.Second)
		if diff := cmp.Diff([]string{`function "one\n"`, `function "two\n"`}, s.events(t)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestAnswersMayTakeLongButNotForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		s := &subscriber{status: 200, delay: time.Minute}
		s.serve(t, n.listen())
		r := open(t, &n)
		subscribe(t, r, httpBody)
		r.Publish(line("one\n"))
		time.Sleep(30 * time.Second)
		if got := s.count(); got != 3 {
			t.Errorf("%d attempts in 30 s, want one each 10 s", got)
		}
	})
}

func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		s := &subscriber{status: 200}
		s.serve(t, n.listen())
		r := open(t, &n)
		r.Flush(t.Context())
		subscribe(t, r, httpBody)
		r.Flush(t.Context())
		r.Publish(line("one\n"))
		began := time.Now()
		r.Flush(t.Context())
		if got := s.count(); got != 1 || time.Since(began) > 0 {
			t.Errorf("%d batches after %v", got, time.Since(began))
		}
		s.mu.Lock()
		s.delay = 3 * time.Second
		s.mu.Unlock()
		r.Publish(line("two\n"))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		r.Flush(ctx)
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("a flush took %v, want no longer than its context", took)
		}
		s.answerWith(500)
		time.Sleep(5 * time.Second)
		r.Publish(line("three\n"))
		r.Flush(t.Context()) // returns although it fails
		began = time.Now()
		r.Close(t.Context())
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("closing took %v", took)
		}
		r.Publish(line("four\n"))
		if err := r.Subscribe("ext", relay.TelemetryAPI, []byte(httpBody)); err == nil {
			t.Error("a closed relay takes subscriptions")
		}
	})
}

// TestEarlyEvents: who subscribes is told how the init phase began.
func TestEarlyEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		s := &subscriber{status: 200}
		s.serve(t, n.listen())
		r := open(t, &n)
		r.Publish(telemetry.Event{Time: time.Now(), Record: telemetry.Extension{Name: "other", State: "Ready", Events: []string{}}})
		r.Publish(line("one\n"))
		subscribe(t, r, strings.Replace(httpBody, `"function",`, "", 1))
		r.Publish(telemetry.Event{Time: time.Now(), Record: telemetry.InitReport{InitializationType: telemetry.OnDemand, Phase: "init", Status: "success"}})
		r.Publish(line("two\n"))
		r.Flush(t.Context())
		if err := r.Subscribe("late", relay.TelemetryAPI, []byte(httpBody)); err != nil {
			t.Error(err)
		}
		r.Flush(t.Context())
		want := []string{
			`platform.extension {"name":"other","state":"Ready","events":[]}`,
			`platform.initReport {"initializationType":"on-demand","phase":"init","status":"success","metrics":{"durationMs":0}}`,
		}
		if diff := cmp.Diff(want, s.events(t)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestResubscribing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		s := &subscriber{status: 200}
		s.serve(t, n.listen())
		r := open(t, &n)
		subscribe(t, r, httpBody)
		subscribe(t, r, strings.Replace(httpBody, `"platform",`, "", 1))
		r.Publish(telemetry.Event{Time: time.Now(), Record: telemetry.End{RequestID: "id"}})
		r.Publish(telemetry.Event{Time: time.Now(), Record: telemetry.Start{RequestID: "id"}})
		r.Publish(line("one\n"))
		time.Sleep(time.Second)
		if diff := cmp.Diff([]string{`function "one\n"`}, s.events(t)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		err := r.Subscribe("ext", relay.LogsAPI, []byte(strings.Replace(httpBody, "2022-12-13", "2021-03-18", 1)))
		if err == nil || !strings.Contains(err.Error(), "other API") {
			t.Errorf("subscribing by the other API: %v", err)
		}
	})
}

// TestOverRealSockets uses Go's own HTTP server as the subscriber.
func TestOverRealSockets(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 16)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		server.Serve(listener)
	}()
	r := relay.New(relay.Options{
		Dial: func(ctx context.Context, kind, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, kind, listener.Addr().String())
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	subscribe(t, r, httpBody)
	for i := range 3 {
		text := strings.Repeat(fmt.Sprint(i), 100_000)
		r.Publish(line(text))
		r.Flush(t.Context())
		if body := <-got; !strings.Contains(body, text) {
			t.Errorf("batch %d: %.100s", i, body)
		}
	}
	r.Close(t.Context())
	server.Close()
	<-served
}

// TestHostileSubscribers: whatever a subscriber answers, deliveries go on, and
// closing does not wait for it.
func TestHostileSubscribers(t *testing.T) {
	for name, answer := range map[string]func(net.Conn){
		"nothing":         func(c net.Conn) { io.Copy(io.Discard, c) },
		"reads nothing":   func(c net.Conn) { time.Sleep(time.Hour) },
		"hangs up":        func(c net.Conn) {},
		"garbage":         func(c net.Conn) { io.CopyN(io.Discard, c, 10); io.WriteString(c, "what?\r\n\r\n") },
		"endless headers": func(c net.Conn) { endless(c, "HTTP/1.1 200 OK\r\n", "A: b\r\n") },
		"endless body":    func(c net.Conn) { endless(c, "HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", 1024)) },
		"redirect": func(c net.Conn) {
			endless(c, "HTTP/1.1 302 Found\r\nLocation: http://example.com\r\nContent-Length: 0\r\n\r\n", "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n network
				conns, done := n.listen(), make(chan struct{})
				var serving sync.WaitGroup
				serving.Go(func() {
					for {
						select {
						case c := <-conns:
							serving.Go(func() {
								answer(c)
								c.Close()
							})
						case <-done:
							return
						}
					}
				})
				r := open(t, &n)
				subscribe(t, r, httpBody)
				for range 30 {
					r.Publish(line("one\n"))
					time.Sleep(time.Second)
				}
				n.mu.Lock()
				dials := n.dials
				n.mu.Unlock()
				if dials < 2 || dials > 40 {
					t.Errorf("%d connections in 30 s", dials)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				began := time.Now()
				r.Close(ctx)
				if took := time.Since(began); took > time.Second {
					t.Errorf("closing took %v", took)
				}
				close(done)
				serving.Wait()
			})
		})
	}
}
