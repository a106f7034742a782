// Command limit is the leanest program of the shape of a function server: an
// HTTP front door, a pool of runtime processes, and the Runtime API between
// them. It checks nothing, isolates nothing and freezes nothing. Whatever a real
// server takes more than this one is the price of what it does for it.
//
//	limit -listen 127.0.0.1:7100 -n 16 -- /path/to/bootstrap
//
// POST to any path invokes. With -cold every invocation starts a process of its
// own, takes its first answer and kills it.
//
// It shares no code with the product, so that it cannot share its faults.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:7100", "address of the front door")
	n := flag.Int("n", 1, "runtime processes to start")
	cold := flag.Bool("cold", false, "start a process for every invocation")
	flag.Parse()
	if err := run(*listen, *n, *cold, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func run(listen string, n int, cold bool, command []string) error {
	if len(command) == 0 {
		return errors.New("no command given")
	}
	s := &server{command: command, idle: newStack()}
	if !cold {
		for range n {
			p, err := s.start(s.idle.push)
			if err != nil {
				return err
			}
			defer p.kill()
		}
		s.idle.full(n)
	}
	front, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	failed := make(chan error, 1)
	handler := s.warm
	if cold {
		handler = s.cold
	}
	go func() { failed <- http.Serve(front, http.HandlerFunc(handler)) }()
	select {
	case err := <-failed:
		return err
	case <-stop:
		return nil
	}
}

type server struct {
	command []string
	idle    *stack
	ids     atomic.Uint64
}

// start runs one runtime process with a listener of its own.
func (s *server) start(waiting func(*process)) (*process, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(s.command[0], s.command[1:]...)
	cmd.Env = append(os.Environ(), "AWS_LAMBDA_RUNTIME_API="+l.Addr().String())
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		l.Close()
		return nil, err
	}
	p := &process{cmd: cmd, listener: l, waiting: waiting, body: make(chan []byte, 1)}
	go p.serve()
	return p, nil
}

// warm lets the process that was used last answer.
func (s *server) warm(w http.ResponseWriter, r *http.Request) {
	event, err := read(r)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p := s.idle.pop()
	body, err := p.invoke(s.nextID(), event)
	answer(w, body, err)
}

// cold lets a new process answer.
func (s *server) cold(w http.ResponseWriter, r *http.Request) {
	event, err := read(r)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	first := make(chan *process, 1)
	p, err := s.start(func(p *process) {
		select {
		case first <- p:
		default: // a second request, of a process that is about to be killed
		}
	})
	if err == nil {
		defer p.kill()
		event, err = (<-first).invoke(s.nextID(), event)
	}
	answer(w, event, err)
	if f, ok := w.(http.Flusher); ok {
		f.Flush() // the killing is not part of the answer's time
	}
}

func read(r *http.Request) ([]byte, error) {
	if r.ContentLength < 0 {
		return io.ReadAll(r.Body)
	}
	event := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, event)
	return event, err
}

func answer(w http.ResponseWriter, body []byte, err error) {
	if err != nil {
		log.Print(err)
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	h := w.Header()
	h["Content-Type"] = []string{"application/json"}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.Write(body)
}

// nextID makes a request id of the usual length, cheaply.
func (s *server) nextID() string {
	return fmt.Sprintf("8476a536-e9f4-11e8-9739-%012x", s.ids.Add(1))
}
