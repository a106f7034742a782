package lambda_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// line is a connection on a virtual clock: a body of size bytes that comes at a
// pace, and the deadline that the handler sets.
type line struct {
	*httptest.ResponseRecorder
	size, perSecond int

	mu       sync.Mutex
	deadline time.Time
}

func (l *line) SetReadDeadline(at time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline = at
	return nil
}

func (l *line) Read(b []byte) (int, error) {
	if l.size == 0 {
		return 0, io.EOF
	}
	l.mu.Lock()
	deadline := l.deadline
	l.mu.Unlock()
	n := min(len(b), l.size, l.perSecond)
	takes := time.Duration(n) * time.Second / time.Duration(l.perSecond)
	if !deadline.IsZero() && time.Until(deadline) < takes {
		time.Sleep(time.Until(deadline))
		return 0, os.ErrDeadlineExceeded
	}
	time.Sleep(takes)
	copy(b, bytes.Repeat([]byte{' '}, n))
	l.size -= n
	return n, nil
}

// send makes it the body of a CreateFunction and returns how long that took. The
// body is no JSON, so that nothing comes of it.
func (l *line) send(s *server) time.Duration {
	l.ResponseRecorder = httptest.NewRecorder()
	r := newRequest("POST", functions, nil)
	r.Body, r.ContentLength = io.NopCloser(l), int64(l.size)
	start := time.Now()
	s.handler.ServeHTTP(l, r)
	return time.Since(start)
}

func TestLargeBodiesKeepThePace(t *testing.T) {
	const size = 16 << 20
	tests := []struct {
		name      string
		perSecond int
		whole     bool
		took      [2]time.Duration // between
	}{
		{"fast", 8 << 20, true, [2]time.Duration{0, 10 * time.Minute}},
		{"just fast enough", 140 << 10, true, [2]time.Duration{time.Minute, 5 * time.Minute}},
		{"a trickle", 1, false, [2]time.Duration{25 * time.Second, 35 * time.Second}},
		{"too slow", 64 << 10, false, [2]time.Duration{55 * time.Second, 65 * time.Second}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &line{size: size, perSecond: tt.perSecond}
				took := l.send(newServer(t, setup{}))
				if (l.size == 0) != tt.whole || took < tt.took[0] || took > tt.took[1] {
					t.Errorf("%d bytes are left after %v, want whole %t between %v", l.size, took, tt.whole, tt.took)
				}
				if l.Code != http.StatusBadRequest {
					t.Errorf("status %d, want 400", l.Code)
				}
				if tt.whole && !l.deadline.IsZero() {
					t.Error("the connection has a deadline after its body")
				}
			})
		})
	}
}

// While slow clients have all turns, another one waits a little, is told to come
// again, and finds a turn when the slow ones have been cut off.
func TestLargeBodiesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, setup{})
		var slow sync.WaitGroup
		for range 4 {
			slow.Go(func() { (&line{size: 60 << 20, perSecond: 1}).send(s) })
		}
		synctest.Wait()
		l := &line{size: 10 << 20, perSecond: 10 << 20}
		took := l.send(s)
		if l.Code != http.StatusTooManyRequests || l.Header().Get("Retry-After") == "" || took > 20*time.Second {
			t.Errorf("answer %d %q after %v, want 429 and Retry-After", l.Code, l.Body, took)
		}
		if l.size != 0 {
			t.Errorf("%d bytes of the body are unread: the client would see a broken connection", l.size)
		}
		small := newRequest("GET", functions, nil)
		if a := s.send(small); a.status != 200 {
			t.Errorf("a small request meanwhile: %d %s", a.status, a.body)
		}
		slow.Wait()
		again := &line{size: 10 << 20, perSecond: 10 << 20}
		if took := again.send(s); again.Code != http.StatusBadRequest || took > 5*time.Second {
			t.Errorf("later: %d %q after %v, want 400 at once", again.Code, again.Body, took)
		}
	})
}
