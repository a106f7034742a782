package relay

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// wire is a subscription's connection to its destination, kept between
// deliveries. It is guarded by the subscription's lock; only the subscription's
// loop reads and writes the connection.
type wire struct {
	conn    net.Conn
	address string
	busy    bool // an attempt is under way
}

const (
	// attemptTimeout bounds one delivery; time in which the environment is frozen
	// does not count.
	attemptTimeout = 10 * time.Second
	// maxAnswer bounds what is read of a subscriber's answer, in bytes.
	maxAnswer = 64 << 10
)

// limit sets or lifts the deadline of a delivery that is under way.
func (w *wire) limit(on bool) {
	if w.conn == nil || !w.busy {
		return
	}
	var deadline time.Time
	if on {
		deadline = time.Now().Add(attemptTimeout)
	}
	w.conn.SetDeadline(deadline) // if it fails, so do read and write
}

// abort closes the connection; what is done on it fails.
func (w *wire) abort() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}

// send delivers a payload once.
func (s *subscription) send(p *payload) error {
	body, err := encode(p.events, s.api, p.settings)
	if err != nil {
		return err
	}
	conn, err := s.open(p.settings.address)
	if err != nil {
		return err
	}
	keep := true
	if p.settings.url == "" {
		_, err = conn.Write(body)
	} else {
		keep, err = post(conn, p.settings, body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wire.busy = false
	if err != nil || !keep {
		s.wire.abort()
	}
	return err
}

// open takes the connection that there is, or dials.
func (s *subscription) open(address string) (net.Conn, error) {
	s.mu.Lock()
	if s.wire.conn != nil && s.wire.address == address {
		defer s.mu.Unlock()
		return s.begin(s.wire.conn)
	}
	s.wire.abort()
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.ctx, attemptTimeout)
	defer cancel()
	conn, err := s.dial(ctx, "tcp4", address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wire = wire{conn: conn, address: address}
	return s.begin(conn)
}

// begin makes the connection the attempt's. The caller holds s.mu.
func (s *subscription) begin(conn net.Conn) (net.Conn, error) {
	if err := s.ctx.Err(); err != nil { // closed meanwhile
		s.wire.abort()
		return nil, err
	}
	s.wire.busy = true
	s.wire.limit(!s.paused)
	return conn, nil
}

// errRefused is an answer other than 2xx.
var errRefused = errors.New("subscriber refused")

// post sends a batch by HTTP and reads the answer. keep tells whether the
// connection can be used again.
func post(conn net.Conn, set settings, body []byte) (keep bool, err error) {
	req, err := http.NewRequest(set.method, set.url, bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "") // none
	if err := req.Write(conn); err != nil {
		return false, fmt.Errorf("write request: %w", err)
	}
	answer := bufio.NewReader(io.LimitReader(conn, maxAnswer))
	resp, err := http.ReadResponse(answer, req)
	if err != nil {
		return false, fmt.Errorf("read answer: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return false, fmt.Errorf("%w: %s", errRefused, resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil && !resp.Close, nil
}
