package runtimes_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"thaw/internal/runtimes"
)

// patience bounds each wait for a runtime, on a machine that is busy.
const patience = 30 * time.Second

// A posted is what a runtime has sent: to response, to error or to init/error.
type posted struct{ to, body string }

// fakeAPI is the smallest Runtime API that a client works with.
type fakeAPI struct {
	address string
	ready   chan struct{} // closed at the first next
	once    sync.Once
	events  chan string
	posts   chan posted
}

func newFakeAPI(t testing.TB) *fakeAPI {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &fakeAPI{address: l.Addr().String(), ready: make(chan struct{}), events: make(chan string), posts: make(chan posted, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", a.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{to}", a.post)
	mux.HandleFunc("POST /2018-06-01/runtime/init/{to}", a.post)
	mux.HandleFunc("GET /2015-03-31/functions", listFunctions)
	mux.HandleFunc("GET /2015-03-31/functions/{$}", listFunctions)
	s := &http.Server{Handler: mux}
	served := make(chan struct{})
	go func() {
		defer close(served)
		s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Close()
		<-served
	})
	return a
}

func (a *fakeAPI) next(w http.ResponseWriter, r *http.Request) {
	a.once.Do(func() { close(a.ready) })
	select {
	case event := <-a.events:
		h := w.Header()
		h.Set("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
		h.Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(patience).UnixMilli()))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:hello")
		h.Set("Content-Type", "application/json")
		io.WriteString(w, event)
	case <-r.Context().Done():
	}
}

func (a *fakeAPI) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	to := strings.TrimPrefix(r.URL.Path, "/2018-06-01/runtime/")
	if id := r.PathValue("id"); id != "" {
		to = r.PathValue("to")
	}
	a.posts <- posted{to: to, body: string(body)}
	w.WriteHeader(http.StatusAccepted)
}

// process is a runtime's process at work, in a mount namespace of its own and as
// an unprivileged user, but otherwise not in a sandbox.
type process struct {
	*fakeAPI
	cmd    *exec.Cmd
	exited chan struct{}
	output bytes.Buffer // what it printed; read it after exited
	frames *os.File     // what it logged to the framed descriptor
}

// inNamespace builds /var anew, of the runtime's mounts and the task, and becomes
// the runtime. Its arguments: a scratch directory, the program, the number of
// mounts, source and target of each, and then the environment.
const inNamespace = `set -e
scratch=$1 program=$2 mounts=$3; shift 3
mount --make-rprivate /
mount -t tmpfs none "$scratch"
printf 'root:x:0:0:root:/root:/sbin/nologin\nsbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\n' >"$scratch/passwd"
mount --bind "$scratch/passwd" /etc/passwd
while [ "$mounts" -gt 0 ]; do
	mkdir -p "$scratch${2#/var}"
	mount --bind "$1" "$scratch${2#/var}"
	mount -o remount,bind,ro,nosuid,nodev "$scratch${2#/var}"
	shift 2; mounts=$((mounts - 1))
done
mount --rbind "$scratch" /var
cd /var/task
exec setpriv --reuid 993 --regid 990 --clear-groups --no-new-privs --inh-caps=-all env -i "$@" "$program"
`

// start runs a runtime with the given task and function variables.
func start(t testing.TB, r runtimes.Runtime, task, handler string, variables map[string]string) *process {
	t.Helper()
	return startWith(t, r, task, handler, func(string) map[string]string { return variables })
}

// startWith is start, with variables that depend on the Runtime API's address.
func startWith(t testing.TB, r runtimes.Runtime, task, handler string, variables func(address string) map[string]string) *process {
	t.Helper()
	p := &process{fakeAPI: newFakeAPI(t), exited: make(chan struct{})}
	frames := p.openFrames(t)
	defer frames.Close()
	f := functionContext()
	f.Handler, f.RuntimeAPI, f.Variables = handler, p.address, variables(p.address)
	mounts := append(r.Mounts[:len(r.Mounts):len(r.Mounts)], runtimes.Mount{Source: task, Target: "/var/task"})
	args := []string{"-c", inNamespace, "sh", t.TempDir(), r.Bootstrap[0], fmt.Sprint(len(mounts))}
	for _, m := range mounts {
		args = append(args, m.Source, m.Target)
	}
	p.cmd = exec.Command("/bin/sh", append(append(args, r.Environ(f)...), "_LAMBDA_TELEMETRY_LOG_FD=3")...)
	p.cmd.ExtraFiles = []*os.File{frames}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("the runtime printed:\n%s", &p.output)
		}
	})
	return p
}

// stop ends the process and waits for it.
func (p *process) stop() {
	select {
	case <-p.exited:
	default:
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.exited
	}
}

// invoke hands out one event and waits for the answer.
func (p *process) invoke(t testing.TB, event string) posted {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case p.events <- event:
	case <-p.exited:
		t.Fatalf("the runtime has ended: %v", p.cmd.ProcessState)
	case <-ctx.Done():
		t.Fatal("the runtime does not ask for an event")
	}
	return p.wait(t)
}

// wait waits for what the runtime sends of its own.
func (p *process) wait(t testing.TB) posted {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case got := <-p.posts:
		return got
	case <-p.exited:
		// It may have ended because it had said all.
		select {
		case got := <-p.posts:
			return got
		default:
		}
		t.Fatalf("the runtime has ended: %v", p.cmd.ProcessState)
	case <-ctx.Done():
		t.Fatal("the runtime does not answer")
	}
	return posted{}
}

// exitCode waits for the process's end.
func (p *process) exitCode(t *testing.T) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-ctx.Done():
		t.Fatal("the runtime does not end")
		return 0
	}
}

// residentKB is the memory of a process, in KiB, as the kernel counts it.
func (p *process) residentKB() string {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// missing ends a test that lacks something: with a skip, or, where everything is
// to be there, as in "make test", with a failure.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("THAW_E2E_REQUIRE") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// built opens the runtimes that the recipes have made; a test without them, or
// without the rights to mount, is skipped with the reason.
func built(t testing.TB) *runtimes.Catalogue {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "mounting needs root")
	}
	for _, tool := range []string{"setpriv", "mount", "env"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, "%s is missing: %v", tool, err)
		}
	}
	dir := os.Getenv("THAW_E2E_RUNTIMES")
	if dir == "" {
		dir = filepath.Join("..", "..", "build", "runtimes")
	}
	return open(t, dir)
}
