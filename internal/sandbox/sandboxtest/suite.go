// Package sandboxtest is the suite that every sandbox driver passes. What a
// driver's programs are differs (files of a host, functions of a test), so a
// Harness names the program for each Behaviour.
package sandboxtest

import (
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"thaw/internal/sandbox"
)

// Behaviour is what a program of the suite does.
type Behaviour string

// The behaviours. "Ready" is a line on standard output.
const (
	// Echo prints "args=a,b var=$VAR dir=<working directory>" to its output, "to
	// stderr" to its error output, and "file N" to each further descriptor N.
	Echo Behaviour = "echo"
	// Exit ends with its argument as exit code.
	Exit Behaviour = "exit"
	// Block says ready and then does nothing.
	Block Behaviour = "block"
	// Term says ready, waits for SIGTERM and then exits with 7.
	Term Behaviour = "term"
	// Fetch dials its argument and prints what comes.
	Fetch Behaviour = "fetch"
	// Serve listens at its argument, says ready, and answers "served".
	Serve Behaviour = "serve"
	// Tick prints dots without end.
	Tick Behaviour = "tick"
)

// Harness is a driver and its programs.
type Harness struct {
	Driver sandbox.Driver
	// Path is where the program of a behaviour is inside, and Args what comes
	// before its own arguments, the program's name included.
	Program func(Behaviour) (path string, args []string)
	// Mounts, if any, are attached to each sandbox first.
	Mounts []sandbox.Mount
}

const (
	address = "169.254.100.1:9001"
	// patience bounds every wait for something that must come.
	patience = 30 * time.Second
)

// Run runs the suite.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	tests := map[string]func(t *testing.T, f *fixture){
		"a process gets what it was started with": testStart,
		"exit codes":                                   testExit,
		"a program that is not there":                  testExec,
		"several processes":                            testSeveral,
		"signals":                                      testSignals,
		"freeze and thaw":                              testFreeze,
		"reset kills the processes only":               testReset,
		"reset of a frozen sandbox thaws it":           testResetFrozen,
		"destroy ends everything":                      testDestroy,
		"destroy of a frozen sandbox":                  testDestroyFrozen,
		"listen and dial":                              testNetwork,
		"a listener can be opened again after a reset": testListenAgain,
		"usage":                    testUsage,
		"a context that has ended": testContext,
		"two sandboxes do not disturb each other":       testTwo,
		"a pipe ends when the last of its writers does": testPipe,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := &fixture{Harness: open(t)}
			f.box = f.create(t, "box")
			test(t, f)
		})
	}
}

type fixture struct {
	Harness
	box sandbox.Sandbox
}

func (f *fixture) create(t *testing.T, id string) sandbox.Sandbox {
	t.Helper()
	box, err := f.Driver.Create(t.Context(), sandbox.Spec{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Destroy(context.Background()); err != nil {
			t.Errorf("Destroy: %v", err)
		}
	})
	if box.ID() != id {
		t.Errorf("ID() = %q, want %q", box.ID(), id)
	}
	if err := box.Attach(t.Context(), f.Mounts...); err != nil {
		t.Fatal(err)
	}
	return box
}

// running is a process and its output.
type running struct {
	sandbox.Running
	out sandbox.PipeReader
}

func (f *fixture) start(t *testing.T, box sandbox.Sandbox, b Behaviour, args ...string) running {
	t.Helper()
	r, w, err := box.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	path, first := f.Program(b)
	p, err := box.Start(t.Context(), sandbox.Process{Path: path, Args: append(first, args...), Stdout: w})
	w.Close()
	if err != nil {
		t.Fatalf("start %s: %v", b, err)
	}
	return running{p, r}
}

func (r running) awaitReady(t *testing.T) {
	t.Helper()
	line := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(r.out, line); err != nil {
		t.Fatalf("wait for ready: %v", err)
	}
}

func (r running) awaitEnd(t *testing.T) sandbox.ExitStatus {
	t.Helper()
	await(t, r.Exited(), "the end of a process")
	return r.Status()
}

func await(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("%s does not come", what)
	}
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func testStart(t *testing.T, f *fixture) {
	var readers []sandbox.PipeReader
	var writers []io.WriteCloser
	for range 4 {
		r, w, err := f.box.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		readers, writers = append(readers, r), append(writers, w)
	}
	path, args := f.Program(Echo)
	p, err := f.box.Start(t.Context(), sandbox.Process{
		Path: path, Args: append(args, "a", "", "c"), Env: []string{"VAR=value"}, Dir: "/tmp",
		Stdout: writers[0], Stderr: writers[1], Files: []io.WriteCloser{writers[2], nil, writers[3]},
	})
	for _, w := range writers {
		w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"args=a,,c var=value dir=/tmp\n", "to stderr\n", "file 3", "file 5"} {
		if got := readAll(t, readers[i]); got != want {
			t.Errorf("descriptor %d got %q, want %q", i, got, want)
		}
	}
	if got := (running{Running: p}).awaitEnd(t); got != (sandbox.ExitStatus{}) {
		t.Errorf("status %+v, want success", got)
	}
}

func testExit(t *testing.T, f *fixture) {
	for _, test := range []struct {
		arg  string
		want int
	}{{"0", 0}, {"1", 1}, {"255", 255}} {
		if got := f.start(t, f.box, Exit, test.arg).awaitEnd(t); got != (sandbox.ExitStatus{Code: test.want}) {
			t.Errorf("exit %s: status %+v, want %d", test.arg, got, test.want)
		}
	}
}

func testExec(t *testing.T, f *fixture) {
	_, err := f.box.Start(t.Context(), sandbox.Process{Path: "/var/task/absent", Args: []string{"absent"}})
	if !errors.Is(err, sandbox.ErrExec) || !errors.Is(err, syscall.ENOENT) || err.Error() != "no such file or directory" {
		t.Errorf("Start = %v, want ErrExec with the text no such file or directory", err)
	}
	if got := f.start(t, f.box, Exit, "4").awaitEnd(t); got.Code != 4 {
		t.Errorf("afterwards: status %+v, want 4", got)
	}
}

func testSeveral(t *testing.T, f *fixture) {
	first, second := f.start(t, f.box, Term), f.start(t, f.box, Block)
	first.awaitReady(t)
	second.awaitReady(t)
	if got := f.start(t, f.box, Exit, "5").awaitEnd(t); got.Code != 5 {
		t.Errorf("third: status %+v, want 5", got)
	}
	if err := first.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := first.awaitEnd(t); got.Code != 7 {
		t.Errorf("first: status %+v, want 7", got)
	}
	select {
	case <-second.Exited():
		t.Error("the second process ended with the first")
	default:
	}
}

func testSignals(t *testing.T, f *fixture) {
	p := f.start(t, f.box, Block)
	p.awaitReady(t)
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := p.awaitEnd(t); got != (sandbox.ExitStatus{Signal: 15}) {
		t.Errorf("status %+v, want signal 15", got)
	}
	if err := p.Signal(syscall.SIGKILL); err != nil {
		t.Errorf("signal to an ended process: %v", err)
	}
}

func testFreeze(t *testing.T, f *fixture) {
	p := f.start(t, f.box, Tick)
	buffer := make([]byte, 1<<16)
	if _, err := p.out.Read(buffer); err != nil {
		t.Fatal(err)
	}
	for range 2 { // twice is as once
		if err := f.box.Freeze(); err != nil {
			t.Fatal(err)
		}
	}
	if err := drain(p.out, buffer); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond) // ten ticks, if it were not frozen
	if n, err := p.out.TryRead(buffer); n != 0 || err != nil {
		t.Errorf("a frozen process wrote %d bytes, %v", n, err)
	}
	for range 2 {
		if err := f.box.Thaw(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.out.Read(buffer); err != nil {
		t.Errorf("after thaw: %v", err)
	}
}

// drain takes what was written until the order to freeze had reached everyone: a
// pause as long as two ticks.
func drain(r sandbox.PipeReader, buffer []byte) error {
	for {
		time.Sleep(10 * time.Millisecond)
		n, err := r.TryRead(buffer)
		if n == 0 || err != nil {
			return err
		}
	}
}

func testReset(t *testing.T, f *fixture) {
	p := f.start(t, f.box, Block)
	p.awaitReady(t)
	if err := f.box.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := p.awaitEnd(t); got != (sandbox.ExitStatus{Signal: 9}) {
		t.Errorf("status %+v, want signal 9", got)
	}
	select {
	case <-f.box.Done():
		t.Error("the sandbox died")
	default:
	}
	if got := f.start(t, f.box, Exit, "3").awaitEnd(t); got.Code != 3 {
		t.Errorf("after the reset: status %+v, want 3", got)
	}
	if err := f.box.Reset(t.Context()); err != nil {
		t.Errorf("reset with no process: %v", err)
	}
}

func testResetFrozen(t *testing.T, f *fixture) {
	p := f.start(t, f.box, Block)
	p.awaitReady(t)
	if err := f.box.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := f.box.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := p.awaitEnd(t); got.Signal != 9 {
		t.Errorf("status %+v, want signal 9", got)
	}
	if got := f.start(t, f.box, Exit, "3").awaitEnd(t); got.Code != 3 {
		t.Errorf("after the reset: status %+v, want 3", got)
	}
}

func testDestroy(t *testing.T, f *fixture) {
	l, err := f.box.Listen(t.Context(), "tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	p := f.start(t, f.box, Block)
	p.awaitReady(t)
	for range 2 {
		if err := f.box.Destroy(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	await(t, f.box.Done(), "Done")
	if got := p.awaitEnd(t); got != (sandbox.ExitStatus{Signal: 9}) {
		t.Errorf("status %+v, want signal 9", got)
	}
	if conn, err := l.Accept(); err == nil {
		conn.Close()
		t.Error("the listener is open")
	}
	_, usageErr := f.box.Usage()
	_, startErr := f.box.Start(t.Context(), sandbox.Process{Path: "/x"})
	for name, err := range map[string]error{
		"Usage": usageErr, "Start": startErr,
		"Attach": f.box.Attach(t.Context()), "Freeze": f.box.Freeze(), "Thaw": f.box.Thaw(), "Reset": f.box.Reset(t.Context()),
	} {
		if !errors.Is(err, sandbox.ErrDestroyed) {
			t.Errorf("%s = %v, want ErrDestroyed", name, err)
		}
	}
}

func testDestroyFrozen(t *testing.T, f *fixture) {
	p := f.start(t, f.box, Block)
	p.awaitReady(t)
	if err := f.box.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := f.box.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := p.awaitEnd(t); got.Signal != 9 {
		t.Errorf("status %+v, want signal 9", got)
	}
}

func testNetwork(t *testing.T, f *fixture) {
	l, err := f.box.Listen(t.Context(), "tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			_, err = io.WriteString(conn, "hello")
			err = errors.Join(err, conn.Close())
		}
		served <- err
	}()
	p := f.start(t, f.box, Fetch, address)
	if got := readAll(t, p.out); got != "hello" {
		t.Errorf("a process fetched %q, want hello", got)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	const inside = "127.0.0.1:8080"
	server := f.start(t, f.box, Serve, inside)
	server.awaitReady(t)
	conn, err := f.box.Dial(t.Context(), "tcp4", inside)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := readAll(t, conn); got != "served" {
		t.Errorf("dialled in and got %q, want served", got)
	}
	if conn, err := f.box.Dial(t.Context(), "tcp4", "127.0.0.1:8081"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial where nobody listens = %v, %v; want connection refused", conn, err)
	}
}

func testListenAgain(t *testing.T, f *fixture) {
	for range 2 {
		l, err := f.box.Listen(t.Context(), "tcp4", address)
		if err != nil {
			t.Fatal(err)
		}
		p := f.start(t, f.box, Fetch, address)
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if err := f.box.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.awaitEnd(t)
		conn.Close()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func testUsage(t *testing.T, f *fixture) {
	if got := f.start(t, f.box, Exit, "0").awaitEnd(t); got.OutOfMemory {
		t.Error("out of memory")
	}
	u, err := f.box.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if u.MemoryBytes < 0 || u.MemoryPeakBytes < u.MemoryBytes || u.CPU < 0 || u.OOMKills != 0 {
		t.Errorf("Usage() = %+v", u)
	}
	for range 2 { // the second reading is the cheap one
		if peak, err := f.box.MemoryPeak(); err != nil || peak < u.MemoryPeakBytes {
			t.Errorf("MemoryPeak() = %d, %v; Usage has %d", peak, err, u.MemoryPeakBytes)
		}
	}
	for _, milli := range []int{100, 0, 2000} {
		if err := f.box.LimitCPU(milli); err != nil {
			t.Errorf("LimitCPU(%d): %v", milli, err)
		}
	}
}

func testContext(t *testing.T, f *fixture) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	path, args := f.Program(Block)
	if _, err := f.box.Start(ended, sandbox.Process{Path: path, Args: args}); !errors.Is(err, context.Canceled) {
		t.Errorf("Start = %v, want context canceled", err)
	}
	if box, err := f.Driver.Create(ended, sandbox.Spec{ID: "late"}); !errors.Is(err, context.Canceled) {
		t.Errorf("Create = %v, %v; want context canceled", box, err)
	}
	if got := f.start(t, f.box, Exit, "3").awaitEnd(t); got.Code != 3 {
		t.Errorf("afterwards: status %+v, want 3", got)
	}
	if err := f.box.Destroy(ended); err != nil {
		t.Errorf("Destroy = %v", err)
	}
}

func testTwo(t *testing.T, f *fixture) {
	other := f.create(t, "other")
	for _, box := range []sandbox.Sandbox{f.box, other} {
		if _, err := box.Listen(t.Context(), "tcp4", address); err != nil {
			t.Fatal(err) // the same address in both
		}
	}
	p := f.start(t, other, Block)
	p.awaitReady(t)
	if err := f.box.Freeze(); err != nil {
		t.Fatal(err)
	}
	if got := f.start(t, other, Exit, "6").awaitEnd(t); got.Code != 6 {
		t.Errorf("beside a frozen one: status %+v, want 6", got)
	}
	if err := f.box.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Exited():
		t.Error("destroying one ended a process of the other")
	default:
	}
}

func testPipe(t *testing.T, f *fixture) {
	r, w, err := f.box.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	path, args := f.Program(Echo)
	p, err := f.box.Start(t.Context(), sandbox.Process{Path: path, Args: args, Dir: "/", Stdout: w})
	if err != nil {
		t.Fatal(err)
	}
	(running{Running: p}).awaitEnd(t)
	buffer := make([]byte, 1<<10)
	if err := r.Wait(); err != nil {
		t.Fatal(err)
	}
	if n, err := r.TryRead(buffer); err != nil || !strings.HasPrefix(string(buffer[:n]), "args=") {
		t.Errorf("TryRead = %q, %v", buffer[:n], err)
	}
	if n, err := r.TryRead(buffer); n != 0 || err != nil {
		t.Errorf("TryRead of the empty pipe = %d, %v", n, err)
	}
	w.Close()
	if err := r.Wait(); err != nil {
		t.Fatal(err)
	}
	if n, err := r.TryRead(buffer); n != 0 || err != io.EOF {
		t.Errorf("TryRead at the end = %d, %v; want EOF", n, err)
	}
}
