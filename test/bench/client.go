package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// timeout bounds one request of the benchmark.
const timeout = 30 * time.Second

// caller is a keep-alive HTTP/1.1 connection that sends one prepared request
// over and over. It does nothing else, so that the client costs both sides the
// same little: no allocation, and no parsing beyond the answer's frame.
type caller struct {
	nc   net.Conn
	br   *bufio.Reader
	body []byte
}

func dial(address string) (*caller, error) {
	nc, err := net.DialTimeout("tcp", address, timeout)
	if err != nil {
		return nil, err
	}
	return &caller{nc: nc, br: bufio.NewReader(nc)}, nil
}

// call sends a request and reads the answer, which must be a function's success.
func (c *caller) call(request []byte) (time.Duration, error) {
	begin := time.Now()
	status, failed, err := c.exchange(request)
	took := time.Since(begin)
	if err != nil {
		return 0, err
	}
	if status != http.StatusOK || failed || len(c.body) == 0 {
		return 0, fmt.Errorf("invocation was answered with %d, function error %v: %.300s", status, failed, c.body)
	}
	return took, nil
}

// exchange sends a request and reads the answer; failed is that of a function.
func (c *caller) exchange(request []byte) (status int, failed bool, err error) {
	if err := c.nc.SetDeadline(time.Now().Add(timeout)); err != nil {
		return 0, false, err
	}
	if _, err := c.nc.Write(request); err != nil {
		return 0, false, err
	}
	line, err := c.br.ReadSlice('\n')
	if err != nil {
		return 0, false, err
	}
	code, ok := bytes.CutPrefix(line, []byte("HTTP/1.1 "))
	if !ok || len(code) < 3 {
		return 0, false, fmt.Errorf("answer begins with %q", line)
	}
	if status, err = strconv.Atoi(string(code[:3])); err != nil {
		return 0, false, fmt.Errorf("answer begins with %q", line)
	}
	length, failed, err := c.fields()
	if err != nil {
		return 0, false, err
	}
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	c.body = c.body[:length]
	_, err = io.ReadFull(c.br, c.body)
	return status, failed, err
}

// fields reads the header: the body's length, and whether the function failed.
func (c *caller) fields() (length int, failed bool, err error) {
	length = -1
	for {
		line, err := c.br.ReadSlice('\n')
		if err != nil {
			return 0, false, err
		}
		if len(line) <= 2 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte{':'})
		switch {
		case len(name) == 14 && bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, false, err
			}
		case len(name) == 20 && bytes.EqualFold(name, []byte("X-Amz-Function-Error")):
			failed = true
		}
	}
	if length < 0 {
		return 0, false, errors.New("answer without Content-Length")
	}
	return length, failed, nil
}

func (c *caller) close() { c.nc.Close() }

// load is a number of callers that call as fast as they are answered.
type load []*caller

func open(address string, n int) (load, error) {
	var l load
	for range n {
		c, err := dial(address)
		if err != nil {
			l.close()
			return nil, err
		}
		l = append(l, c)
	}
	return l, nil
}

func (l load) close() {
	for _, c := range l {
		c.close()
	}
}

// run calls for the given time, once at least, and returns each call's latency.
func (l load) run(request []byte, d time.Duration) ([]time.Duration, error) {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		all  []time.Duration
		errs []error
	)
	end := time.Now().Add(d)
	for _, c := range l {
		wg.Go(func() {
			took := make([]time.Duration, 0, 1<<12)
			one, err := c.call(request)
			for err == nil {
				took = append(took, one)
				if time.Now().After(end) {
					break
				}
				one, err = c.call(request)
			}
			mu.Lock()
			defer mu.Unlock()
			all, errs = append(all, took...), append(errs, err)
		})
	}
	wg.Wait()
	return all, errors.Join(errs...)
}
