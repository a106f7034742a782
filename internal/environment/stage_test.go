package environment_test

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/environment"
	"thaw/internal/lambda"
	"thaw/internal/runtimes"
	"thaw/internal/sandbox"
	"thaw/internal/sandbox/fake"
	"thaw/internal/telemetry"
)

// stage is one environment with everybody in it, and the platform that drives it.
type stage struct {
	t      *testing.T
	tr     *transcript
	began  time.Time
	driver *fake.Driver
	env    *environment.Environment

	platform notes
	open     *call // the invocation that has begun last
	calls    int
	// initialised takes the result of an init that was begun.
	initialised chan error

	mu        sync.Mutex
	starts    map[string]int // lives of each actor
	actors    map[string]*notes
	log       strings.Builder
	telemetry []telemetry.Event
}

// call is one invocation.
type call struct {
	id       string
	answered chan string
	free     chan bool
}

// patience bounds the waits of a transcript in which something never happens.
const patience = time.Hour

func newStage(t *testing.T, tr *transcript, table environment.Transitions) *stage {
	t.Helper()
	s := &stage{t: t, tr: tr, began: time.Now(), initialised: make(chan error, 1), starts: map[string]int{}, actors: map[string]*notes{}}
	s.platform.began = s.began
	function := settings(t, tr.section("function"))
	options := fake.Options{Programs: map[string]fake.Program{}, ExecErrors: map[string]syscall.Errno{}}
	code, layer := t.TempDir(), t.TempDir()
	if tr.section("runtime") != "" {
		touch(t, filepath.Join(code, "bootstrap"))
		options.Programs["/var/task/bootstrap"] = s.program("runtime")
	}
	for _, f := range tr.archive.Files {
		name, isExtension := strings.CutPrefix(f.Name, "extension ")
		if !isExtension || observed(f.Name) || strings.Contains(name, " ") {
			continue
		}
		touch(t, filepath.Join(layer, "extensions", name))
		options.Programs["/opt/extensions/"+name] = s.program("extension " + name)
	}
	for path, errno := range function.execErrors {
		if name, ok := strings.CutPrefix(path, "/opt/"); ok {
			touch(t, filepath.Join(layer, name))
		}
		options.ExecErrors[path] = errno
	}
	s.driver = fake.New(options)
	opts := s.options(function)
	opts.Version.Number, opts.CodeRoot, opts.Driver = lambda.Latest, code, s.driver
	if files, err := os.ReadDir(layer); err == nil && len(files) > 0 {
		opts.Layers = []string{layer}
	}
	s.env = environment.NewWithTable(opts, table)
	return s
}

// options are the environment's, save for what the driver needs.
func (s *stage) options(f function) environment.Options {
	return environment.Options{
		Function: "f", Version: &f.version, Runtime: f.runtime, InitType: f.initType,
		Scope: lambda.Scope{Partition: "aws", Region: "us-east-1", Account: "123456789012"},
		Logs:  s, OldLogStyle: f.oldStyle, Observe: s.observe, Logger: slog.New(slog.DiscardHandler),
	}
}

// Append makes the stage a sink of logs.
func (s *stage) Append(_, _ string, _ time.Time, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.WriteString(message)
}

func (s *stage) observe(e telemetry.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.telemetry = append(s.telemetry, e)
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o755); err != nil {
		t.Fatal(err)
	}
}

// function is what a transcript's function section sets.
type function struct {
	version    lambda.Version
	runtime    runtimes.Runtime
	initType   string
	oldStyle   bool
	execErrors map[string]syscall.Errno
}

var errnos = map[string]syscall.Errno{
	"ENOENT": syscall.ENOENT, "EACCES": syscall.EACCES, "ENOEXEC": syscall.ENOEXEC, "E2BIG": syscall.E2BIG,
}

func settings(t *testing.T, section string) function {
	t.Helper()
	f := function{
		version: lambda.Version{
			Handler: "f.handler", Runtime: "provided.al2023",
			Resources:   lambda.Resources{MemoryMB: 128, Timeout: 3 * time.Second, EphemeralStorageMB: 512},
			Logging:     lambda.Logging{Format: "Text", Group: group},
			Environment: map[string]string{},
		},
		runtime:    runtimes.Runtime{Name: "provided.al2023", Bootstrap: []string{"/var/task/bootstrap", "/opt/bootstrap"}},
		execErrors: map[string]syscall.Errno{},
	}
	v := &f.version
	for _, line := range lines(section) {
		key, value, _ := strings.Cut(line, " ")
		var err error
		switch key {
		case "timeout":
			v.Resources.Timeout, err = time.ParseDuration(value)
		case "memory":
			v.Resources.MemoryMB, err = strconv.Atoi(value)
		case "format":
			v.Logging.Format = value
			v.Logging.SystemLevel, v.Logging.ApplicationLevel = "INFO", "INFO"
		case "system-level":
			v.Logging.SystemLevel = value
		case "application-level":
			v.Logging.ApplicationLevel = value
		case "init-type":
			f.initType = value
		case "old-style":
			f.oldStyle = true
		case "managed": // the name of its version
			f.runtime.Version, f.runtime.VersionARN = value, "arn:aws:lambda:us-east-1::runtime:0123456789abcdef"
		case "variable":
			name, text, _ := strings.Cut(value, "=")
			v.Environment[name] = text
		case "exec-error":
			path, name, _ := strings.Cut(value, " ")
			f.execErrors[path] = errnos[name]
		default:
			err = fmt.Errorf("no such setting")
		}
		if err != nil {
			t.Fatalf("function: %q: %v", line, err)
		}
	}
	return f
}

// step does one line of the platform section.
func (s *stage) step(line string) {
	command, rest, _ := strings.Cut(line, " ")
	note := s.platform.add
	switch command {
	case "init":
		if err := s.env.Init(s.t.Context()); err != nil {
			note("init: %s", s.anonymous(err))
		}
		note("init: %s", s.env.State())
	case "init-begin":
		go func() { s.initialised <- s.env.Init(s.t.Context()) }()
		synctest.Wait()
		note("init: %s", s.env.State())
	case "init-end":
		if err := <-s.initialised; err != nil {
			note("init: %s", s.anonymous(err))
		}
		note("init: %s", s.env.State())
	case "begin", "invoke":
		s.begin(rest)
		if command == "invoke" {
			s.answer()
			s.free()
		}
	case "answer":
		s.answer()
	case "free":
		s.free()
	case "freeze":
		if err := s.env.Freeze(); err != nil {
			note("freeze: %v", err)
		}
		note("freeze: %s", s.env.State())
	case "sleep":
		time.Sleep(duration(s.t, rest))
		synctest.Wait()
	case "state":
		note("state: %s", s.env.State())
	case "memory":
		mb, err := strconv.Atoi(rest)
		if err != nil {
			s.t.Fatal(err)
		}
		s.driver.Sandboxes()[0].SetUsage(sandbox.Usage{MemoryPeakBytes: int64(mb) << 20})
	case "die":
		s.driver.Sandboxes()[0].Die()
		synctest.Wait()
	case "shutdown":
		if err := s.env.Shutdown(s.t.Context()); err != nil {
			note("shutdown: %v", err)
		}
		note("shutdown: %s", s.env.State())
	default:
		s.t.Fatalf("platform: no such command: %s", line)
	}
}

// begin starts an invocation: [tail] [trace=…] [context=…] [arn=…] PAYLOAD.
func (s *stage) begin(args string) {
	s.calls++
	c := &call{id: fmt.Sprintf("id-%d", s.calls), answered: make(chan string, 1), free: make(chan bool, 1)}
	s.open = c
	inv := lambda.Invocation{RequestID: c.id, ARN: "arn:aws:lambda:us-east-1:123456789012:function:f"}
	tail := false
	for {
		word, rest, _ := strings.Cut(args, " ")
		key, value, isOption := strings.Cut(word, "=")
		switch {
		case word == "tail":
			tail = true
		case isOption && key == "trace":
			inv.TraceID = value
		case isOption && key == "context":
			inv.ClientContext = value
		case isOption && key == "arn":
			inv.ARN = value
		default:
			inv.Payload = []byte(args)
			go s.invoke(c, inv, tail)
			return
		}
		args = rest
	}
}

func (s *stage) invoke(c *call, inv lambda.Invocation, tail bool) {
	r, err := s.env.Invoke(s.t.Context(), inv, tail, environment.Watch{
		Responded: func() {},
		Free:      func(reusable bool) { c.free <- reusable },
	})
	switch {
	case err != nil:
		c.answered <- "platform error: " + s.anonymous(err)
	case r.FunctionError != "":
		c.answered <- r.FunctionError + " " + r.ErrorType + " " + shorten(string(r.Payload))
	default:
		c.answered <- "answer " + shorten(string(r.Payload))
	}
	if r.LogTail != nil {
		c.answered <- "tail:\n" + string(r.LogTail)
	}
	close(c.answered)
}

// anonymous is an error's text without what is different at each time.
func (s *stage) anonymous(err error) string {
	return strings.ReplaceAll(err.Error(), s.env.ID(), "<environment>")
}

// shorten keeps large payloads out of the files.
func shorten(s string) string {
	if len(s) > 512 {
		return fmt.Sprintf("%s… (%d bytes)", s[:32], len(s))
	}
	return s
}

func (s *stage) answer() {
	for {
		select {
		case text, ok := <-s.open.answered:
			if !ok {
				return
			}
			s.platform.add("%s %s", s.open.id, text)
		case <-time.After(patience):
			s.platform.add("%s is never answered", s.open.id)
			return
		}
	}
}

func (s *stage) free() {
	select {
	case reusable := <-s.open.free:
		if !reusable {
			s.platform.add("%s over: of no further use", s.open.id)
			return
		}
		s.platform.add("%s over: %s", s.open.id, s.env.State())
	case <-time.After(patience):
		s.platform.add("%s is never over", s.open.id)
	}
}

// close shuts the environment down, if the transcript has not.
func (s *stage) close() {
	if err := s.env.Shutdown(s.t.Context()); err != nil {
		s.platform.add("end: %v", err)
	}
	if n := len(s.driver.Sandboxes()); n != 0 {
		s.platform.add("end: %d sandboxes are left", n)
		if err := s.env.End(s.t.Context()); err != nil {
			s.t.Error(err)
		}
	}
	synctest.Wait()
}

// notesOf is the notebook of an actor.
func (s *stage) notesOf(actor string) *notes {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.actors[actor]
	if n == nil {
		n = &notes{began: s.began}
		s.actors[actor] = n
	}
	return n
}

func (s *stage) seen() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]string{"platform sees": s.platform.String(), "log": s.log.String()}
	for name, n := range maps.All(s.actors) {
		out[name+" sees"] = n.String()
	}
	var events strings.Builder
	for _, e := range s.telemetry {
		fmt.Fprintln(&events, s.event(e))
	}
	out["telemetry"] = events.String()
	return out
}
