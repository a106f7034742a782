package native_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"thaw/internal/sandbox"
)

const mib = 1 << 20

func TestMemoryLimit(t *testing.T) {
	s := create(t, open(t, -1), sandbox.Spec{ID: "box", Limits: sandbox.Limits{MemoryBytes: 64 * mib}})
	attachProbe(t, s)
	if out, status := result2(probe(t, s, "eat", "32"))(t); status != (sandbox.ExitStatus{}) {
		t.Fatalf("32 of 64 MiB: %+v, %q", status, out)
	}
	u, err := s.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if u.MemoryPeakBytes < 32*mib || u.MemoryPeakBytes > 64*mib || u.CPU == 0 {
		t.Errorf("usage %+v, want a peak of 32 to 64 MiB, and CPU time", u)
	}
	_, status := result2(probe(t, s, "eat", "200"))(t)
	if want := (sandbox.ExitStatus{Signal: 9, OutOfMemory: true}); status != want {
		t.Errorf("200 of 64 MiB: %+v, want %+v", status, want)
	}
	select {
	case <-s.Done():
		t.Fatal("the sandbox died with its process")
	default:
	}
	if _, status := result2(probe(t, s, "exit", "1"))(t); status != (sandbox.ExitStatus{Code: 1}) {
		t.Errorf("afterwards: %+v, want exit code 1", status)
	}
}

// TestTheKillerSparesPID1 fills the memory with many processes, each smaller than
// PID 1.
func TestTheKillerSparesPID1(t *testing.T) {
	s := create(t, open(t, -1), sandbox.Spec{ID: "box", Limits: sandbox.Limits{MemoryBytes: 48 * mib}})
	// Each blocks in open(2); their parent ends when it has made all, or is killed.
	const many = "mkfifo /tmp/never; i=0; while [ $i -lt 600 ]; do sh -c 'read x < /tmp/never' > /dev/null 2>&1 & i=$((i+1)); done"
	_, status := shell(t, s, many)
	if u, err := s.Usage(); err != nil || u.OOMKills == 0 || !status.OutOfMemory {
		t.Errorf("usage %+v, %v, status %+v; want kills for the memory limit", u, err, status)
	}
	if err := s.Reset(t.Context()); err != nil {
		t.Fatalf("after the kills: %v", err)
	}
	if out, _ := shell(t, s, "echo alive; cat /proc/self/oom_score_adj"); out != "alive\n500\n" {
		t.Errorf("after the kills: %q", out)
	}
}

// result2 lets a test await what probe has started in one line.
func result2(p sandbox.Running, r sandbox.PipeReader) func(testing.TB) (string, sandbox.ExitStatus) {
	return func(t testing.TB) (string, sandbox.ExitStatus) {
		t.Helper()
		return result(t, p, r)
	}
}

func TestAForkBombStaysInside(t *testing.T) {
	s := create(t, open(t, -1), sandbox.Spec{ID: "box", Limits: sandbox.Limits{Processes: 50}})
	attachProbe(t, s)
	p, r := probe(t, s, "bomb")
	var n int
	if _, err := fmt.Fscan(r, &n); err != nil {
		t.Fatal(err)
	}
	if n < 20 || n > 66 {
		t.Errorf("%d processes were started, want less than the limit of 50 and PID 1's own", n)
	}
	<-p.Exited()
	if err := s.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, status := result2(probe(t, s, "exit", "1"))(t); status.Code != 1 {
		t.Errorf("after a reset: %+v, want exit code 1", status)
	}
}

func TestResetKillsDescendants(t *testing.T) {
	s := create(t, open(t, -1), sandbox.Spec{ID: "box"})
	attachProbe(t, s)
	_, r := probe(t, s, "family")
	if _, err := r.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := s.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out, _ := shell(t, s, "cat /proc/[0-9]*/comm"); strings.Contains(out, "probe") || strings.Contains(out, "sleep") {
		t.Errorf("processes after a reset: %q", out)
	}
}

func TestResetEmptiesSharedMemoryAndKeepsTmp(t *testing.T) {
	s := create(t, open(t, -1), sandbox.Spec{ID: "box"})
	shell(t, s, "mkdir -p /dev/shm/a/b; chmod 700 /dev/shm/a; touch /dev/shm/a/b/c /tmp/kept; ln -s /tmp /dev/shm/link")
	if err := s.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out, _ := shell(t, s, "ls -A /dev/shm /tmp"); out != "/dev/shm:\n\n/tmp:\nkept\n" {
		t.Errorf("after a reset: %q", out)
	}
}

func TestTmpIsDiskAndNotMemory(t *testing.T) {
	s := create(t, open(t, -1), sandbox.Spec{ID: "box", Limits: sandbox.Limits{MemoryBytes: 128 * mib, TmpBytes: 512 * mib}})
	attachProbe(t, s)
	p, r := probe(t, s, "fill", "/tmp/big")
	out, status := result(t, p, r)
	var n int
	if _, err := fmt.Sscan(out, &n); err != nil || n < 512 || !strings.HasSuffix(out, "no space left on device\n") {
		t.Errorf("filled %q, %+v; want 512 MiB and the kernel's answer", out, status)
	}
	if _, status := result2(probe(t, s, "exit", "1"))(t); status.Code != 1 {
		t.Errorf("afterwards: %+v, want exit code 1", status)
	}
	if u, err := s.Usage(); err != nil || u.OOMKills != 0 || u.MemoryBytes > 32*mib {
		t.Errorf("usage %+v, %v; want no files counted", u, err)
	}
}

func TestTmpOfAnotherSize(t *testing.T) {
	d := open(t, 1)
	for range 2 {
		s := create(t, d, sandbox.Spec{ID: "box", Limits: sandbox.Limits{TmpBytes: 1024 * mib}})
		out, _ := shell(t, s, "df --output=size -m /tmp | tail -1")
		var size int
		if _, err := fmt.Sscan(out, &size); err != nil || size < 1024 || size > 1200 {
			t.Errorf("/tmp has %q MiB, want 1024 and little more", out)
		}
	}
}

func TestCPULimit(t *testing.T) {
	s := create(t, open(t, -1), sandbox.Spec{ID: "box", Limits: sandbox.Limits{CPUMilli: 200}})
	attachProbe(t, s)
	share := func() float64 {
		before, err := s.Usage()
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, status := result2(probe(t, s, "spin", "1s"))(t); status.Code != 0 {
			t.Fatalf("%+v", status)
		}
		after, err := s.Usage()
		if err != nil {
			t.Fatal(err)
		}
		return float64(after.CPU-before.CPU) / float64(time.Since(began))
	}
	if got := share(); got > 0.3 {
		t.Errorf("a sandbox with 0.2 of a core used %.2f", got)
	}
	if err := s.LimitCPU(50); err != nil {
		t.Fatal(err)
	}
	if got := share(); got > 0.1 {
		t.Errorf("a sandbox with 0.05 of a core used %.2f", got)
	}
}

func TestMemoryPeakRises(t *testing.T) {
	s := create(t, open(t, -1), sandbox.Spec{ID: "box"})
	attachProbe(t, s)
	before, err := s.MemoryPeak()
	if err != nil {
		t.Fatal(err)
	}
	if _, status := result2(probe(t, s, "eat", "32"))(t); status.Code != 0 {
		t.Fatalf("%+v", status)
	}
	if after, err := s.MemoryPeak(); err != nil || after < 32*mib || after <= before {
		t.Errorf("the peak is %d, %v, after a program used 32 MiB; it was %d", after, err, before)
	}
}

func TestOpenFilesLimit(t *testing.T) {
	s := create(t, open(t, -1), sandbox.Spec{ID: "box", Limits: sandbox.Limits{OpenFiles: 100}})
	if out, _ := shell(t, s, "ulimit -n; ulimit -Hn"); out != "100\n100\n" {
		t.Errorf("limits %q, want 100", out)
	}
}

func TestManyLoopDevices(t *testing.T) {
	d := open(t, -1)
	for i := range 12 { // hosts begin with eight
		s := create(t, d, sandbox.Spec{ID: fmt.Sprint(i)})
		if out, _ := shell(t, s, "touch /tmp/x && echo written"); out != "written\n" {
			t.Errorf("sandbox %d: %q", i, out)
		}
	}
}

func TestRootOfTheCallersChoice(t *testing.T) {
	root := t.TempDir()
	s := create(t, open(t, -1), sandbox.Spec{ID: "box", Root: root})
	attachProbe(t, s)
	p, r := probe(t, s, "echo", "x")
	if out, status := result(t, p, r); status.Code != 0 || !strings.HasPrefix(out, "args=x var= dir=/tmp\n") {
		t.Errorf("in an empty root: %q, %+v", out, status)
	}
	_, err := s.Start(t.Context(), sandbox.Process{Path: "/bin/sh", Args: []string{"sh"}})
	if err == nil || err.Error() != "no such file or directory" {
		t.Errorf("the host's shell in an empty root: %v", err)
	}
}

// TestRootUnderAnUmask: a service's umask does not close what a root lacks.
func TestRootUnderAnUmask(t *testing.T) {
	before := syscall.Umask(0o077)
	d := open(t, -1)
	_, err := d.Recover(t.Context())
	syscall.Umask(before)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	s := create(t, d, sandbox.Spec{ID: "box", Root: root})
	attachProbe(t, s)
	p, r := probe(t, s, "show", "/etc/hosts")
	if out, status := result(t, p, r); status.Code != 0 || !strings.Contains(out, "sandbox.localdomain\n") {
		t.Errorf("%q, %+v", out, status)
	}
}

// TestNetworkFilesOfARoot: whatever a root says of the network, what is true there
// is what programs read.
func TestNetworkFilesOfARoot(t *testing.T) {
	for name, prepare := range map[string]func(root string) error{
		"none":    func(string) error { return nil },
		"its own": func(root string) error { return os.WriteFile(root+"/etc/hosts", []byte("wrong\n"), 0o644) },
		"a link": func(root string) error {
			if err := os.WriteFile(root+"/etc/own", []byte("wrong\n"), 0o644); err != nil {
				return err
			}
			return os.Symlink("/etc/own", root+"/etc/hosts")
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if err := os.Mkdir(root+"/etc", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := prepare(root); err != nil {
				t.Fatal(err)
			}
			s := create(t, open(t, -1), sandbox.Spec{ID: "box", Root: root})
			attachProbe(t, s)
			p, r := probe(t, s, "show", "/etc/hosts", "/etc/resolv.conf")
			out, status := result(t, p, r)
			if status.Code != 0 || !strings.Contains(out, "sandbox.localdomain\n") || !strings.Contains(out, "\nnameserver ") || strings.Contains(out, "wrong") {
				t.Errorf("%q, %+v", out, status)
			}
		})
	}
}

func TestLayersAreMerged(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	writeFiles(t, first, "both", "first", "one", "1")
	writeFiles(t, second, "both", "second", "two", "2")
	s := create(t, open(t, -1), sandbox.Spec{ID: "box"})
	if err := s.Attach(t.Context(), sandbox.Mount{Sources: []string{first, second}, Target: "/opt"}); err != nil {
		t.Fatal(err)
	}
	if out, _ := shell(t, s, "cd /opt; cat both one two; touch x 2>&1"); out != "first12touch: cannot touch 'x': Read-only file system\n" {
		t.Errorf("output %q", out)
	}
}

func TestAttachRefuses(t *testing.T) {
	s := create(t, open(t, -1), sandbox.Spec{ID: "box"})
	for name, m := range map[string]sandbox.Mount{
		"another target":       {Sources: []string{t.TempDir()}, Target: "/etc"},
		"no source":            {Target: "/opt"},
		"a source that is not": {Sources: []string{"/nowhere"}, Target: "/opt"},
	} {
		if err := s.Attach(t.Context(), m); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
