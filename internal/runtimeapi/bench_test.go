package runtimeapi_test

import (
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
