package runtimeapi_test

import (
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/runtimeapi"
)

// TestDeafRuntime has a runtime that asks for an event and never reads it: the
// invoker is held until the connections are cut.
func TestDeafRuntime(t *testing.T) {
	s, address := serve(t, runtimeapi.Options{})
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n")
	await(t, "start", s.Started())
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Twice what the kernel buffers at most, for a loopback connection.
		payload := make([]byte, 64<<20)
		_, err = s.Deliver(lambda.Invocation{RequestID: "1", Payload: payload})
	}()
	s.Cut()
	await(t, "Deliver", done)
	if err == nil {
		t.Error("the event was delivered")
	}
	if _, err := s.Deliver(lambda.Invocation{RequestID: "2"}); err == nil {
		t.Error("another event was delivered")
	}
}

// TestUnreadEvent has a runtime that does not read its event and asks again on
// the same connection. It is not looked at, and stops nobody else.
func TestUnreadEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.open()
		deaf, other := s.listener.dial(true), s.listener.dial(false)
		s.peers["D"], s.peers["O"] = deaf, other
		next := message("GET /2018-06-01/runtime/invocation/next HTTP/1.1")
		deaf.send(next)
		synctest.Wait()
		delivered := make(chan error, 1)
		go func() {
			_, err := s.server.Deliver(lambda.Invocation{RequestID: "1"})
			delivered <- err
		}()
		synctest.Wait()
		deaf.send(next)
		synctest.Wait()
		io.WriteString(other.nc, message("GET /2018-06-01/ping HTTP/1.1"))
		synctest.Wait()
		if other.take() == "" {
			t.Error("nobody else is answered")
		}
		s.server.Cut()
		if err := <-delivered; err == nil {
			t.Error("the event was delivered")
		}
		s.close()
	})
}

// TestCallbacksInOrder has the runtime and an extension ask at the same moment:
// the end of the exchange is told after the end of the runtime's part.
func TestCallbacksInOrder(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			s.options("extensions e")
			s.open()
			s.step("E>", "POST /2020-01-01/extension/register HTTP/1.1\nLambda-Extension-Name: e\nContent-Length: 21\n\n{\"events\":[\"INVOKE\"]}")
			s.step("E<", "")
			extensionNext := s.insert("GET /2020-01-01/extension/event/next HTTP/1.1\nLambda-Extension-Identifier: {1}")
			runtimeNext := "GET /2018-06-01/runtime/invocation/next HTTP/1.1"
			s.step("E>", extensionNext)
			s.step("R>", runtimeNext)
			synctest.Wait()
			s.deliver("id 1", true)
			s.step("R>", "POST /2018-06-01/runtime/invocation/1/response HTTP/1.1\nContent-Length: 0")
			<-s.exchange.Responded()
			synctest.Wait()
			order := make(chan string, 2)
			s.exchange.WhenRuntimeDone(func() {
				time.Sleep(time.Second) // let the others run
				order <- "done"
			})
			s.exchange.WhenIdle(func() { order <- "idle" })
			go s.peers["E"].send(message(extensionNext))
			s.peers["R"].send(message(runtimeNext))
			if first, second := <-order, <-order; first != "done" || second != "idle" {
				t.Errorf("%s before %s", first, second)
			}
			s.close()
		})
	}
}
