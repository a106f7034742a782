package runtimeapi_test

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"thaw/internal/lambda"
	"thaw/internal/runtimeapi"
)

var update = flag.Bool("update", false, "write what the server says into the transcripts")

// TestTranscripts plays the conversations in testdata/transcripts on a virtual
// clock. The sections of a script are its steps, in order:
//
//	A>          send a message on connection A (opened when first named); line
//	            ends become CRLF, and an empty line is added if there is none
//	A>>         send exactly this, Go escapes interpreted, line ends left out
//	A<          the server has sent exactly this since the last such step
//	A.close     the peer closes A
//	A.eof       the server has closed A
//	options     max-response, max-connections: before anything else
//	deliver     fields of an invocation, one per line; it must be taken
//	deliver.no  it must be refused: nobody waits
//	pending     the exchange has no outcome yet
//	outcome     the exchange's outcome
//	idle        whether the exchange has ended
//	init        whether the runtime has started, and its failure
//	wait        let this much time pass
func TestTranscripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/transcripts/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("transcripts: %v, %d found", err, len(scripts))
	}
	for _, path := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			script, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) { newStage(t).play(script) })
			if *update && !t.Failed() {
				if err := os.WriteFile(path, txtar.Format(script), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// stage is one server with the peers that a script names.
type stage struct {
	t        *testing.T
	opts     runtimeapi.Options
	server   *runtimeapi.Server
	listener *pipeListener
	served   chan error
	peers    map[string]*peer
	exchange *runtimeapi.Exchange
}

func newStage(t *testing.T) *stage {
	return &stage{t: t, peers: map[string]*peer{}}
}

func (s *stage) play(script *txtar.Archive) {
	for i := range script.Files {
		step := &script.Files[i]
		if step.Name == "options" {
			s.options(string(step.Data))
			continue
		}
		s.open()
		got, ok := s.step(step.Name, string(step.Data))
		synctest.Wait()
		if !ok {
			continue
		}
		if *update {
			step.Data = []byte(got)
		} else if diff := cmp.Diff(string(step.Data), got); diff != "" {
			s.t.Errorf("step %d, %s (-want +got):\n%s", i, step.Name, diff)
		}
	}
	s.close()
}

func (s *stage) options(text string) {
	for name, value := range fields(text) {
		n, err := strconv.Atoi(value)
		if err != nil {
			s.t.Fatal(err)
		}
		switch name {
		case "max-response":
			s.opts.MaxResponse = int64(n)
		case "max-connections":
			s.opts.MaxConnections = n
		}
	}
}

func (s *stage) open() {
	if s.server != nil {
		return
	}
	s.server = runtimeapi.New(s.opts)
	s.listener = newPipeListener()
	s.served = make(chan error, 1)
	go func() { s.served <- s.server.Serve(s.listener) }()
}

func (s *stage) close() {
	if err := s.server.Close(); err != nil {
		s.t.Errorf("Close: %v", err)
	}
	if err := <-s.served; err != nil {
		s.t.Errorf("Serve: %v", err)
	}
	for _, p := range s.peers {
		p.nc.Close()
		<-p.ended
	}
}

// step performs one step; what it gives is compared with the step's text.
func (s *stage) step(name, text string) (got string, compared bool) {
	switch name {
	case "deliver", "deliver.no":
		s.deliver(text, name == "deliver")
		return "", false
	case "pending":
		if closed(s.exchange.Responded()) {
			s.t.Errorf("pending: there is an outcome: %s", render(s.exchange.Outcome()))
		}
		return "", false
	case "outcome":
		if !closed(s.exchange.Responded()) {
			return "none\n", true
		}
		return render(s.exchange.Outcome()), true
	case "idle":
		return fmt.Sprintln(closed(idle(s.exchange))), true
	case "init":
		return fmt.Sprintf("started: %v\n%s", closed(s.server.Started()), renderFailure(s.server.InitFailure())), true
	case "wait":
		d, err := time.ParseDuration(strings.TrimSpace(text))
		if err != nil {
			s.t.Fatal(err)
		}
		time.Sleep(d)
		return "", false
	}
	return s.talk(name, text)
}

func (s *stage) talk(name, text string) (got string, compared bool) {
	who, rest := name[:1], name[1:]
	p := s.peers[who]
	if p == nil {
		p = s.listener.dial()
		s.peers[who] = p
	}
	switch rest {
	case ">":
		p.send(message(text))
	case ">>":
		raw, err := strconv.Unquote(`"` + strings.ReplaceAll(text, "\n", "") + `"`)
		if err != nil {
			s.t.Fatalf("%s: %v", name, err)
		}
		p.send(raw)
	case "<":
		synctest.Wait()
		return strings.ReplaceAll(p.take(), "\r\n", "\n") + "\n", true
	case ".close":
		p.nc.Close()
	case ".eof":
		synctest.Wait()
		if !closed(p.ended) {
			s.t.Errorf("%s: the server has not closed", name)
		}
	default:
		s.t.Fatalf("no such step: %q", name)
	}
	return "", false
}

func (s *stage) deliver(text string, want bool) {
	inv := lambda.Invocation{ARN: "arn:f", Deadline: time.Now().Add(time.Minute)}
	for name, value := range fields(text) {
		switch name {
		case "id":
			inv.RequestID = value
		case "payload":
			inv.Payload = []byte(value)
		case "trace":
			inv.TraceID = value
		case "context":
			inv.ClientContext = strings.ReplaceAll(value, `\n`, "\n")
		case "type":
			inv.ContentType = value
		default:
			s.t.Fatalf("deliver: no such field: %q", name)
		}
	}
	x, err := s.server.Deliver(inv)
	switch {
	case want && err != nil:
		s.t.Fatalf("deliver: %v", err)
	case want:
		s.exchange = x
	case !errors.Is(err, runtimeapi.ErrNotReady):
		s.t.Fatalf("deliver: got %v, want ErrNotReady", err)
	}
}

// message makes a request of text: CRLF for LF, and an end to a bare head.
func message(text string) string {
	text = strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\r\n")
	if !strings.Contains(text, "\r\n\r\n") {
		text += "\r\n\r\n"
	}
	return text
}

func fields(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		all[name] = value
	}
	return all
}

func render(o runtimeapi.Outcome) string {
	var b strings.Builder
	if o.Failure == nil {
		fmt.Fprintf(&b, "payload: %q %q\n", o.ContentType, o.Payload)
	} else {
		b.WriteString(renderFailure(o.Failure))
	}
	if o.TooLarge != 0 || o.Truncated || o.BadMode {
		fmt.Fprintf(&b, "too large: %d, truncated: %v, bad mode: %v\n", o.TooLarge, o.Truncated, o.BadMode)
	}
	if o.ResponseLatency+o.ResponseDuration != 0 {
		fmt.Fprintf(&b, "latency: %v, duration: %v\n", o.ResponseLatency, o.ResponseDuration)
	}
	return b.String()
}

func renderFailure(f *runtimeapi.Failure) string {
	if f == nil {
		return "no failure\n"
	}
	return fmt.Sprintf("failure: %s %q %q\n", f.Type, f.ContentType, f.Body)
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// pipeListener is a listener in memory.
type pipeListener struct {
	incoming chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{incoming: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.incoming:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// peer is the far end of a connection; it reads all the time, as a socket's
// buffer does.
type peer struct {
	nc    net.Conn
	ended chan struct{}

	mu       sync.Mutex
	received []byte
}

func (l *pipeListener) dial() *peer {
	near, far := net.Pipe()
	l.incoming <- far
	p := &peer{nc: near, ended: make(chan struct{})}
	go p.read()
	return p
}

func (p *peer) read() {
	defer close(p.ended)
	buf := make([]byte, 4096)
	for {
		n, err := p.nc.Read(buf)
		p.mu.Lock()
		p.received = append(p.received, buf[:n]...)
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// send writes as much as the server takes.
func (p *peer) send(s string) { p.nc.Write([]byte(s)) }

func (p *peer) take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := string(p.received)
	p.received = nil
	return s
}
