package runtimeapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/runtimeapi"
)

// BenchmarkEvent measures one event through AWS's Go client in a process of its
// own: from the delivery to the answer, the next request awaited. cpu-ns/op is
// what the serving process alone spends.
func BenchmarkEvent(b *testing.B) {
	bin := buildEcho(b)
	payload := []byte(`{"key1":"value1","key2":"value2","key3":"value3"}`)
	b.Run("server=thaw", func(b *testing.B) {
		s, address := serve(b, runtimeapi.Options{})
		run(b, bin, address)
		await(b, "start", s.Started())
		deadline := time.Now().Add(time.Hour)
		defer meter(b)()
		for b.Loop() {
			x, err := s.Deliver(lambda.Invocation{RequestID: "8476a536-e9f4-11e8-9739-2dfe598c3fcd", ARN: "arn:aws:lambda:us-east-1:000000000000:function:f", Deadline: deadline, Payload: payload})
			if err != nil {
				b.Fatal(err)
			}
			<-x.Responded()
			<-idle(x)
		}
	})
	b.Run("server=nethttp", func(b *testing.B) {
		h := &reference{events: make(chan []byte), answers: make(chan []byte, 1), idle: make(chan struct{}, 1)}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		server := &http.Server{Handler: h}
		done := make(chan error, 1)
		go func() { done <- server.Serve(l) }()
		b.Cleanup(func() {
			server.Close()
			<-done
		})
		run(b, bin, l.Addr().String())
		<-h.idle
		defer meter(b)()
		for b.Loop() {
			h.events <- payload
			<-h.answers
			<-h.idle
		}
	})
}

// BenchmarkExtensions measures one event with extensions that are told of it. All
// peers are goroutines of this process that speak no more HTTP than they must.
func BenchmarkExtensions(b *testing.B) {
	for _, n := range []int{0, 1, 10} {
		b.Run(fmt.Sprint("extensions=", n), func(b *testing.B) {
			s, address := serve(b, runtimeapi.Options{})
			const register = "POST /2020-01-01/extension/register HTTP/1.1\r\nLambda-Extension-Name: e%d\r\nContent-Length: 21\r\n\r\n{\"events\":[\"INVOKE\"]}"
			for i := range n {
				nc, r := speak(b, address, fmt.Sprintf(register, i))
				next := "GET /2020-01-01/extension/event/next HTTP/1.1\r\nLambda-Extension-Identifier: " + r.Header.Get("Lambda-Extension-Identifier") + "\r\n\r\n"
				go repeat(nc, next)
			}
			nc, err := net.Dial("tcp", address)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { nc.Close() })
			const next = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n"
			go repeat(nc, next, "POST /2018-06-01/runtime/invocation/1/response HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
			await(b, "init", s.Ready())
			deadline := time.Now().Add(time.Hour)
			for b.Loop() {
				x, err := s.Deliver(lambda.Invocation{RequestID: "1", Deadline: deadline, Payload: []byte("{}")})
				if err != nil {
					b.Fatal(err)
				}
				<-x.Responded()
				<-idle(x)
			}
		})
	}
}

// speak sends a request on a new connection and reads the answer.
func speak(b *testing.B, address, request string) (net.Conn, *http.Response) {
	nc, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { nc.Close() })
	io.WriteString(nc, request)
	r, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		b.Fatal(err)
	}
	return nc, r
}

// repeat sends the requests in turn, each when the answer to the one before has
// come, until the connection ends.
func repeat(nc net.Conn, requests ...string) {
	buf := make([]byte, 4096)
	for {
		for _, r := range requests {
			if _, err := io.WriteString(nc, r); err != nil {
				return
			}
			if _, err := nc.Read(buf); err != nil {
				return
			}
		}
	}
}

// meter reports this process's CPU time from now to the call of what it returns.
func meter(b *testing.B) func() {
	cpu := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := cpu()
	return func() { b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op") }
}

// reference is the same service on net/http, without its checks.
type reference struct {
	events, answers chan []byte
	idle            chan struct{}
}

func (h *reference) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/next") {
		h.idle <- struct{}{}
		select {
		case event := <-h.events:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", "99999999999999")
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:f")
			w.Header().Set("Content-Type", "application/json")
			w.Write(event)
		case <-r.Context().Done():
		}
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	h.answers <- body
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprint(w, `{"status":"OK"}`)
}
