package inside_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"thaw/internal/api/inside"
	"thaw/internal/iam"
)

// sessions remembers what was closed.
type sessions struct{ closed chan string }

func (s sessions) Open(of iam.Session) (iam.Key, string) { return iam.NewSession(of.ARN, time.Hour) }
func (s sessions) Close(id string)                       { s.closed <- id }

func newServer(t *testing.T, h http.HandlerFunc) (*inside.Server, sessions) {
	t.Helper()
	known := sessions{make(chan string, 10)}
	s := inside.New(inside.Options{Handler: h, Sessions: known, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, known
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func get(t *testing.T, l net.Listener) (string, error) {
	t.Helper()
	r, err := http.Get("http://" + l.Addr().String())
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	return string(body), err
}

// Each connection is its guest's, by the listener it came to.
func TestGuestsAreKnownByTheirListener(t *testing.T) {
	s, known := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		c, ok := iam.CallerOf(r.Context())
		if !ok {
			t.Error("a request of nobody")
			return
		}
		io.WriteString(w, c.Session.ARN)
	})
	first, second := listen(t), listen(t)
	a, b := s.Open(first, iam.Session{ARN: "a"}), s.Open(second, iam.Session{ARN: "b"})
	if a.Key.ID == b.Key.ID || a.Token == b.Token || a.Token == "" {
		t.Error("two guests share credentials")
	}
	for range 2 {
		for l, want := range map[net.Listener]string{first: "a", second: "b"} {
			if got, err := get(t, l); err != nil || got != want {
				t.Errorf("%q, %v; want %q", got, err, want)
			}
		}
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if id := <-known.closed; id != a.Key.ID {
		t.Errorf("%s was revoked, want %s", id, a.Key.ID)
	}
	http.DefaultClient.CloseIdleConnections()
	if got, err := get(t, first); err == nil {
		t.Errorf("after Close: %q", got)
	}
	if got, err := get(t, second); err != nil || got != "b" {
		t.Errorf("the other guest: %q, %v", got, err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// A request that is being answered ends with its guest.
func TestCloseCutsOff(t *testing.T) {
	begun, over := make(chan struct{}), make(chan struct{})
	s, _ := newServer(t, func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
		close(over)
	})
	l := listen(t)
	g := s.Open(l, iam.Session{})
	answered := make(chan error, 1)
	go func() {
		_, err := get(t, l)
		answered <- err
	}()
	<-begun
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	<-over
	if err := <-answered; err == nil {
		t.Error("the request was answered")
	}
}

// The sandbox may have closed the listener before its guest is.
func TestCloseAfterTheSandbox(t *testing.T) {
	s, _ := newServer(t, func(http.ResponseWriter, *http.Request) {})
	l := listen(t)
	g := s.Open(l, iam.Session{})
	l.Close()
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}

// One guest has so many connections and no more; the next is served when one ends.
func TestConnectionsAreBounded(t *testing.T) {
	const most = 128
	s, _ := newServer(t, func(http.ResponseWriter, *http.Request) {})
	l := listen(t)
	g := s.Open(l, iam.Session{})
	var open []net.Conn
	exchange := func(c net.Conn, patience time.Duration) error {
		c.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return err
		}
		_, err := c.Read(make([]byte, 1<<10))
		return err
	}
	for range most + 1 {
		c, err := (&net.Dialer{}).DialContext(context.Background(), "tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		open = append(open, c)
	}
	for _, c := range open[:most] {
		if err := exchange(c, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	last := open[most]
	if err := exchange(last, 50*time.Millisecond); err == nil {
		t.Errorf("connection %d was served", most+1)
	}
	open[0].Close()
	last.SetDeadline(time.Now().Add(time.Minute))
	if _, err := last.Read(make([]byte, 1<<10)); err != nil {
		t.Errorf("after another has ended: %v", err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}

// What one guest sends is read at a rate, over all of its connections.
func TestIntakeIsBounded(t *testing.T) {
	s, _ := newServer(t, func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	l := listen(t)
	g := s.Open(l, iam.Session{})
	const connections, each = 4, 6 << 20
	began := time.Now()
	var senders sync.WaitGroup
	for range connections {
		senders.Go(func() {
			r, err := http.Post("http://"+l.Addr().String(), "", bytes.NewReader(make([]byte, each)))
			if err != nil {
				t.Error(err)
				return
			}
			r.Body.Close()
		})
	}
	senders.Wait()
	// 24 MiB, of which 4 come at once, at 64 MiB a second.
	if took := time.Since(began); took < 250*time.Millisecond {
		t.Errorf("read within %v", took)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}
