package runtimeapi_test

import (
	"errors"
	"flag"
	"fmt"
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
//	A.deaf      A is opened, and never reads
//	A.close     the peer closes A
//	A.eof       the server has closed A
//	options     what the server is made with, one per line, before anything else
//	deliver     fields of an invocation, one per line; it must be taken
//	deliver.no  it must be refused: nobody waits
//	pending     the exchange has no outcome yet
//	outcome     the exchange's outcome
//	done, idle  whether the runtime has left the exchange, and everybody
//	times       the moments of the exchange, since its delivery
//	init        whether the runtime has started, and its failure, if it is the fault
//	signals     which milestones have passed
//	fault       the first failure that was reported
//	extensions  what is known of the extensions
//	told        the records that the server has given away since the last such step
//	shutdown    reason and time that is left
//	restored    the environment has been restored; "refused" if nobody waits
//	wait        let this much time pass
//
// Identifiers are made at random: {1} is the first that the server has sent, and
// is replaced in what is sent.
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
	began    time.Time // of the exchange
	ids      []string  // identifiers that the server has sent

	mu   sync.Mutex
	told strings.Builder
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

func (s *stage) open() {
	if s.server != nil {
		return
	}
	s.listen()
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
	case "init":
		var f *runtimeapi.Failure
		if fault := s.server.Fault(); fault != nil && fault.Source == runtimeapi.SourceRuntime {
			f = fault.Failure
		}
		return fmt.Sprintf("started: %v\n%s", closed(s.server.Started()), renderFailure(f)), true
	case "shutdown", "restored":
		return s.end(name, text)
	case "wait":
		d, err := time.ParseDuration(strings.TrimSpace(text))
		if err != nil {
			s.t.Fatal(err)
		}
		time.Sleep(d)
		return "", false
	}
	if observe := observations[name]; observe != nil {
		return observe(s), true
	}
	return s.talk(name, text)
}

func (s *stage) talk(name, text string) (got string, compared bool) {
	who, rest := name[:1], name[1:]
	p := s.peers[who]
	if p == nil {
		p = s.listener.dial(rest == ".deaf")
		s.peers[who] = p
	}
	switch rest {
	case ">":
		p.send(message(s.insert(text)))
	case ">>":
		raw, err := strconv.Unquote(`"` + strings.ReplaceAll(text, "\n", "") + `"`)
		if err != nil {
			s.t.Fatalf("%s: %v", name, err)
		}
		p.send(raw)
	case "<":
		synctest.Wait()
		return strings.ReplaceAll(s.abstract(p.take()), "\r\n", "\n") + "\n", true
	case ".deaf":
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
		s.exchange, s.began = x, time.Now()
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
