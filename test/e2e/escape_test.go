package e2e_test

import (
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// TestEscape runs a function that tries to leave its sandbox. Each way is closed
// with the error that the kernel gives for it; the list is as long as a day of
// trying made it.
func TestEscape(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	s.deploy(t, "escape", spec{
		runtime: python(t), handler: "handler.handler", zip: source(t, "python/escape"), memory: 256, timeout: 60,
	})
	abstract := "thaw-e2e-" + filepath.Base(t.TempDir()) + strconv.Itoa(s.cmd.Process.Pid)
	listener, err := net.Listen("unix", "@"+abstract)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	s.invoke(t, "escape", map[string]any{"port": number, "data": s.dir, "socket": abstract}).decode(t, &got)
	if len(got) < 30 {
		t.Fatalf("only %d ways were tried: %v", len(got), got)
	}
	// denied are the answers by which the kernel refuses; anything else is a way
	// that failed for a reason of its own, and proves nothing.
	denied := []string{"EPERM", "EAFNOSUPPORT", "EACCES", "EROFS", "ENOENT", "ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH", "ENOSYS"}
	for way, outcome := range got {
		switch way {
		case "capabilities":
			if outcome != "000000000000000000000000000000000000000000000000" {
				t.Errorf("capabilities: %s", outcome)
			}
		case "no new privileges":
			if outcome != "1" {
				t.Errorf("NoNewPrivs is %s", outcome)
			}
		case "raise the limit of files":
			if outcome != "ValueError" { // Python's word for EPERM here
				t.Errorf("%s: %s", way, outcome)
			}
		case "read the kernel's keys", "read the kernel's memory":
			// The masks of these show nothing rather than refuse.
			if outcome == "out" {
				continue
			}
			fallthrough
		default:
			if !slices.Contains(denied, outcome) {
				t.Errorf("%s: %s", way, outcome)
			}
		}
	}
}
