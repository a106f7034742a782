package native_test

import (
	"bytes"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"thaw/internal/sandbox"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares with a file of testdata, which -update writes. Of the sections
// in loose, lines of the file may be missing: kernels and hosts differ in what
// they have, and less is no harm.
func golden(t *testing.T, name, got string, loose ...string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(only(string(want), got, loose), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// only drops from a listing's loose sections the lines that the other is without.
func only(want, got string, loose []string) string {
	has := map[string]bool{}
	for line := range strings.Lines(got) {
		has[line] = true
	}
	var out bytes.Buffer
	inLoose := false
	for line := range strings.Lines(want) {
		if section, found := strings.CutPrefix(line, "-- "); found {
			inLoose = false
			for _, l := range loose {
				inLoose = inLoose || section == l+" --\n"
			}
		}
		if !inLoose || has[line] {
			out.WriteString(line)
		}
	}
	return out.String()
}

// hostMount is a mount of the host's own below /usr, which is seen as all of /usr is.
var hostMount = regexp.MustCompile(`(?m)^/usr/\S+ ro,nosuid,nodev\n`)

func TestWhatAFunctionSees(t *testing.T) {
	s := create(t, open(t, -1), sandbox.Spec{ID: "box"})
	attachProbe(t, s)
	p, r := probe(t, s, "list")
	out, status := result(t, p, r)
	if status != (sandbox.ExitStatus{}) {
		t.Fatalf("%+v: %s", status, out)
	}
	golden(t, "listing.golden", hostMount.ReplaceAllString(out, ""), "files", "mounts", "proc")
}

// TestIgnoredSignals: what nohup or a shell has set for the server is not passed on
// to functions.
func TestIgnoredSignals(t *testing.T) {
	signal.Ignore(unix.SIGUSR1, unix.SIGHUP)
	defer signal.Reset(unix.SIGUSR1, unix.SIGHUP)
	s := create(t, open(t, -1), sandbox.Spec{ID: "box"})
	attachProbe(t, s)
	if out, _ := shell(t, s, "grep SigIgn /proc/self/status"); out != "SigIgn:\t0000000000000000\n" {
		t.Errorf("inside: %q, want no signal to be ignored", out)
	}
}

func TestWhatAFunctionMayNotDo(t *testing.T) {
	s := create(t, open(t, -1), sandbox.Spec{ID: "box"})
	attachProbe(t, s)
	for _, round := range []string{"the first process", "a process after privileges were dropped"} {
		p, r := probe(t, s, "calls")
		out, status := result(t, p, r)
		if status != (sandbox.ExitStatus{}) {
			t.Fatalf("%s: %+v: %s", round, status, out)
		}
		golden(t, "refused.golden", out)
	}
}

func TestTheHostsLoopbackIsOutOfReach(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := create(t, open(t, -1), sandbox.Spec{ID: "box"})
	attachProbe(t, s)
	p, r := probe(t, s, "fetch", l.Addr().String())
	if out, status := result(t, p, r); status.Code != 2 || !strings.Contains(out, "connection refused") {
		t.Errorf("%+v: %q, want connection refused", status, out)
	}
}

func TestSandboxesHaveUsersOfTheirOwn(t *testing.T) {
	d := open(t, -1)
	users := map[uint32]string{}
	for _, id := range []string{"a", "b", "c"} {
		s := create(t, d, sandbox.Spec{ID: id})
		attachProbe(t, s)
		_, r := probe(t, s, "block")
		if _, err := r.Read(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		file, _ := shell(t, s, "cat /proc/self/uid_map")
		first, err := strconv.ParseUint(strings.Fields(file)[1], 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		if other, taken := users[uint32(first)]; taken {
			t.Errorf("sandboxes %s and %s have the same user ids", other, id)
		}
		users[uint32(first)] = id
	}
	for first := range users {
		if n := processesOf(t, first+993); n != 1 {
			t.Errorf("%d processes of user %d on the host, want the one that blocks", n, first+993)
		}
		if n := processesOf(t, first); n != 1 {
			t.Errorf("%d processes of user %d on the host, want PID 1", n, first)
		}
	}
}

// processesOf counts the host's processes of a user.
func processesOf(t *testing.T, uid uint32) int {
	t.Helper()
	count := 0
	for _, dir := range glob(t, "/proc/[0-9]*/status") {
		text, err := os.ReadFile(dir)
		if err != nil {
			continue // it has ended
		}
		if strings.Contains(string(text), fmt.Sprintf("\nUid:\t%d\t", uid)) {
			count++
		}
	}
	return count
}

// TestPID1HasNoPrivilegeLeft looks from outside, where PID 1's state can be read.
func TestPID1HasNoPrivilegeLeft(t *testing.T) {
	s := create(t, open(t, -1), sandbox.Spec{ID: "box"})
	file, _ := shell(t, s, "cat /proc/self/uid_map")
	shell(t, s, "true") // comes after the privileges were dropped
	first, err := strconv.ParseUint(strings.Fields(file)[1], 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	const kept = 1<<unix.CAP_KILL | 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID
	checked := 0
	for _, name := range glob(t, "/proc/[0-9]*/task/*/status") {
		text, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(text), fmt.Sprintf("\nUid:\t%d\t", first)) {
			continue
		}
		checked++
		for line := range strings.Lines(string(text)) {
			kind, value, _ := strings.Cut(line, ":")
			if kind != "CapPrm" && kind != "CapEff" {
				continue
			}
			set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			if err != nil || set&^kept != 0 {
				t.Errorf("%s: %s is %#x, %v; want at most %#x", name, kind, set, err, kept)
			}
		}
	}
	if checked == 0 {
		t.Error("PID 1 was not found")
	}
}
