package environment_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"thaw/internal/sandbox/fake"
)

// actor is one process of a transcript: a runtime or an extension that does what
// its section says.
type actor struct {
	s     *stage
	name  string // "runtime" or "extension NAME"
	p     *fake.Process
	ctx   context.Context
	stop  context.CancelFunc
	notes *notes
	*memory
}

// memory is what an actor has in common with what it does besides its script.
type memory struct {
	http http.Client
	work sync.WaitGroup

	mu          sync.Mutex        // also of the notes
	event       string            // the id of the runtime's event
	identifiers map[string]string // of its extensions
	code        int
	left        bool // by itself, with code
}

// program makes the program of an actor: at its nth start it does what the
// section "NAME n" says, or the last one that there is below n.
func (s *stage) program(name string) fake.Program {
	return func(ctx context.Context, p *fake.Process) int {
		s.mu.Lock()
		s.starts[name]++
		n := s.starts[name]
		s.mu.Unlock()
		section := s.tr.section(name)
		for i := 2; i <= n; i++ {
			if later := s.tr.section(name + " " + strconv.Itoa(i)); later != "" {
				section = later
			}
		}
		a := &actor{s: s, name: name, p: p, notes: s.notesOf(name), memory: &memory{identifiers: map[string]string{}}}
		a.http.Transport = &http.Transport{DialContext: p.Dial}
		a.ctx, a.stop = context.WithCancel(ctx)
		return a.run(ctx, lines(section))
	}
}

func (a *actor) run(life context.Context, script []string) int {
	a.note("started")
	a.perform(script)
	<-a.ctx.Done()
	a.http.CloseIdleConnections()
	a.work.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.left && life.Err() != nil {
		a.notes.add("killed")
	}
	return a.code
}

func (a *actor) note(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ctx.Err() == nil {
		a.notes.add(format, args...)
	}
}

// perform does the lines of a script, until the process ends.
func (a *actor) perform(script []string) {
	for i, line := range script {
		if line == "forever" {
			a.forever(script[i+1:])
			return
		}
		a.do(line)
	}
}

// forever repeats a script, but not without end at one moment.
func (a *actor) forever(script []string) {
	turns, at := 0, time.Now()
	for a.ctx.Err() == nil {
		for _, line := range script {
			a.do(line)
		}
		if turns++; time.Now().After(at) {
			turns, at = 0, time.Now()
		}
		if turns > 1000 {
			a.s.t.Errorf("%s: nothing in forever takes time", a.name)
			return
		}
	}
}

// do does one line.
func (a *actor) do(line string) {
	if a.ctx.Err() != nil || a.p.Wait() != nil {
		return
	}
	verb, args, _ := strings.Cut(line, " ")
	a.mu.Lock()
	args = strings.ReplaceAll(args, "$id", a.event)
	a.mu.Unlock()
	if act, ok := verbs[verb]; ok {
		act(a, args)
		return
	}
	a.s.t.Errorf("%s: no such command: %s", a.name, line)
}

var verbs map[string]func(*actor, string)

func TestMain(m *testing.M) {
	// The table and what it calls refer to each other.
	verbs = map[string]func(*actor, string){
		"sleep":   (*actor).sleep,
		"print":   func(a *actor, text string) { fmt.Fprintln(a.p.Stdout, unquote(text)) },
		"write":   func(a *actor, text string) { io.WriteString(a.p.Stdout, unquote(text)) },
		"frame":   (*actor).frame,
		"env":     (*actor).env,
		"exit":    (*actor).exit,
		"signal":  func(a *actor, name string) { a.die(func() { a.p.Signal(signals[name]) }) },
		"oom":     func(a *actor, _ string) { a.die(a.p.RunOutOfMemory) },
		"hang":    func(a *actor, _ string) { <-a.ctx.Done() },
		"trap":    (*actor).trap,
		"besides": (*actor).besides,
		"listen":  (*actor).listen,

		"next":         (*actor).next,
		"respond":      (*actor).respond,
		"respond-half": (*actor).respondHalf,
		"fail":         (*actor).fail,
		"init-error":   (*actor).initError,

		"register":             (*actor).register,
		"event":                (*actor).extensionEvent,
		"extension-init-error": func(a *actor, errorType string) { a.extensionError("init", errorType) },
		"extension-exit-error": func(a *actor, errorType string) { a.extensionError("exit", errorType) },
		"subscribe":            (*actor).subscribe,
		"call":                 (*actor).call,
	}
	m.Run()
}

var signals = map[string]syscall.Signal{"SEGV": syscall.SIGSEGV, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL, "ABRT": syscall.SIGABRT}

func duration(t *testing.T, s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Error(err)
	}
	return d
}

func (a *actor) sleep(d string) {
	timer := time.NewTimer(duration(a.s.t, d))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-a.ctx.Done():
	}
	a.p.Wait() // a frozen process does not go on
}

// frame writes to the framed descriptor: LEVEL TEXT, or "json LEVEL TEXT".
func (a *actor) frame(args string) {
	word := uint32(0xa55a0003)
	level, text, _ := strings.Cut(args, " ")
	if level == "json" {
		word = 0xa55a0002
		level, text, _ = strings.Cut(text, " ")
	}
	word |= map[string]uint32{"TRACE": 4, "DEBUG": 8, "INFO": 0xc, "WARN": 0x10, "ERROR": 0x14, "FATAL": 0x18}[level]
	message := unquote(text)
	b := binary.BigEndian.AppendUint32(nil, word)
	b = binary.BigEndian.AppendUint32(b, uint32(len(message)))
	b = binary.BigEndian.AppendUint64(b, uint64(time.Now().UnixMicro()))
	a.p.Files[0].Write(append(b, message...))
}

// unquote takes a text as it is, or as a Go string if it is in quotes.
func unquote(text string) string {
	if s, err := strconv.Unquote(text); err == nil && strings.HasPrefix(text, `"`) {
		return s
	}
	return text
}

// env notes variables: by name, or with a star at the end, or all but their
// values with "*".
func (a *actor) env(names string) {
	for _, name := range strings.Fields(names) {
		found := false
		for _, v := range slices.Sorted(slices.Values(a.p.Env)) {
			key, value, _ := strings.Cut(v, "=")
			prefix, isPattern := strings.CutSuffix(name, "*")
			if key != name && !(isPattern && strings.HasPrefix(key, prefix)) {
				continue
			}
			found = true
			if name == "*" {
				a.note("%s", key)
			} else {
				a.note("%s=%s", key, value)
			}
		}
		if !found {
			a.note("%s is not set", name)
		}
	}
}

func (a *actor) exit(code string) {
	n, err := strconv.Atoi(code)
	if err != nil {
		a.s.t.Errorf("%s: exit %q", a.name, code)
	}
	a.die(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.code, a.left = n, true
		a.notes.add("exits")
	})
}

// die ends the process in whatever way, once.
func (a *actor) die(how func()) {
	if a.ctx.Err() == nil {
		how()
		a.stop()
	}
}

// trap has commands performed when a signal comes: "TERM: print bye; exit 0".
func (a *actor) trap(args string) {
	name, script, _ := strings.Cut(args, ":")
	came := a.p.Notify(signals[name])
	a.work.Go(func() {
		select {
		case <-came:
			a.note("SIG%s", name)
			a.perform(commands(script))
		case <-a.ctx.Done():
		}
	})
}

// besides has commands performed while the script goes on. What they see has a
// section of its own: of two things at one moment none comes first.
func (a *actor) besides(script string) {
	beside := *a
	beside.notes = a.s.notesOf(a.name + " besides")
	a.work.Go(func() { beside.perform(commands(script)) })
}

func commands(script string) []string {
	var out []string
	for c := range strings.SplitSeq(script, ";") {
		if c = strings.TrimSpace(c); c != "" {
			out = append(out, c)
		}
	}
	return out
}

// listen takes telemetry: "http 8080" or "tcp 8080". An http listener answers
// with the status that follows, 200 by default. What comes has a section of its own.
func (a *actor) listen(args string) {
	kind, rest, _ := strings.Cut(args, " ")
	port, status, _ := strings.Cut(rest, " ")
	l, err := a.p.Listen("tcp", "169.254.100.1:"+port)
	if err != nil {
		a.note("listen: %v", err)
		return
	}
	a.work.Go(func() {
		<-a.ctx.Done()
		l.Close()
	})
	listener := *a
	listener.notes = a.s.notesOf(a.name + " listener")
	if kind == "tcp" {
		a.work.Go(func() { listener.takeLines(l) })
		return
	}
	code := 200
	if status != "" {
		code, _ = strconv.Atoi(status)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		listener.note("telemetry %s", elements(body))
		w.WriteHeader(code)
	})}
	a.work.Go(func() { server.Serve(l); server.Close() })
}

func (a *actor) takeLines(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		stop := context.AfterFunc(a.ctx, func() { c.Close() })
		for in := bufio.NewScanner(c); in.Scan(); {
			a.note("telemetry %s", in.Text())
		}
		stop()
	}
}
