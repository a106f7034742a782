package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestInheritedSocket(t *testing.T) {
	tests := []struct {
		name string
		env  map[string]string
		fd   int
		ok   bool
	}{
		{"started by hand", nil, 0, false},
		{"by a service manager", map[string]string{"LISTEN_FDS": "1", "LISTEN_PID": "42"}, 3, true},
		{"meant for another process", map[string]string{"LISTEN_FDS": "1", "LISTEN_PID": "41"}, 0, false},
		{"without a socket", map[string]string{"LISTEN_FDS": "0", "LISTEN_PID": "42"}, 0, false},
		{"from the server before", map[string]string{"THAW_LISTEN_FD": "9"}, 9, true},
		{"from the server before, once activated", map[string]string{"THAW_LISTEN_FD": "9", "LISTEN_FDS": "1", "LISTEN_PID": "42"}, 9, true},
		{"standard output", map[string]string{"THAW_LISTEN_FD": "1"}, 0, false},
		{"nonsense", map[string]string{"THAW_LISTEN_FD": "x", "LISTEN_FDS": "y", "LISTEN_PID": "42"}, 0, false},
	}
	for _, test := range tests {
		fd, ok := inheritedSocket(func(name string) string { return test.env[name] }, 42)
		if ok != test.ok || ok && fd != test.fd {
			t.Errorf("%s: %d, %v", test.name, fd, ok)
		}
	}
}

// TestSocketHandover takes a socket as the next program does: who connects while
// nobody accepts is served by it.
func TestSocketHandover(t *testing.T) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := first.Addr().String()
	next, err := newSuccessor(t.Context(), nextProgram(t, `echo '{"init":true}'`), first)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatalf("refused while no server is there: %v", err)
	}
	defer client.Close()
	fd, err := unix.FcntlInt(next.socket.Fd(), unix.F_DUPFD_CLOEXEC, 3) // listen closes the one it takes
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(handedDown, strconv.Itoa(fd))
	second, err := takeSocket("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if second.Addr().String() != address || !isLoopback(second.Addr()) {
		t.Errorf("listens at %s, was at %s", second.Addr(), address)
	}
	conn, err := second.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// nextProgram makes a program that does this when it is asked for its version, and
// knows no flag --gone.
func nextProgram(t *testing.T, version string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "thaw")
	script := fmt.Sprintf(`#!/bin/sh
if [ "$*" = "version --json" ]; then
	%s
	exit
fi
case "$*" in
*--gone*) echo "unknown flag: --gone" >&2; exit 2 ;;
*--help) ;;
*) echo "it does what it was to be asked for only" >&2; exit 1 ;;
esac
`, version)
	if err := os.WriteFile(name, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestSuccessorMustRun: a program that would not run as this server does is not gone
// on as.
func TestSuccessorMustRun(t *testing.T) {
	const whole = `echo '{"init":true}'`
	for _, test := range []struct {
		name, program string
		args          []string
		want          string
	}{
		{"one that can", nextProgram(t, whole), []string{"serve", "--data", "x"}, ""},
		{"none", filepath.Join(t.TempDir(), "missing"), nil, "no such file"},
		{"one that fails", nextProgram(t, "echo broken >&2; exit 1"), nil, "broken"},
		{"another", nextProgram(t, "echo GNU hello 2.10"), nil, "does not tell its version"},
		{"one without its init", nextProgram(t, `echo '{"init":false}'`), nil, "thaw-init"},
		{"one that lacks a flag", nextProgram(t, whole), []string{"serve", "--gone"}, "unknown flag: --gone"},
	} {
		err := tryProgram(t.Context(), test.program, test.args)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if _, err := newSuccessor(t.Context(), "/bin/false", listener); err == nil {
		t.Error("/bin/false is taken")
	}
}

// TestEndingBadly: a part that cannot be ended well does not cost the clients their
// server.
func TestEndingBadly(t *testing.T) {
	full, other := errors.New("no space left on device"), errors.New("serve: broken")
	for _, test := range []struct {
		name       string
		close, err error
		next       *successor
		want       error
	}{
		{"going on, well", nil, nil, &successor{}, nil},
		{"going on, badly", full, nil, &successor{}, nil},
		{"ending, well", nil, nil, nil, nil},
		{"ending, badly", full, nil, nil, full},
		{"failing", nil, other, &successor{}, other},
		{"failing, badly", full, other, nil, other},
	} {
		var log bytes.Buffer
		s := &server{logger: slog.New(slog.NewTextHandler(&log, nil))}
		s.onClose(func(context.Context) error { return test.close })
		err := s.finish(t.Context(), test.next, test.err)
		if !errors.Is(err, test.want) || test.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
		told := test.close == nil || err != nil || strings.Contains(log.String(), test.close.Error())
		if !told {
			t.Errorf("%s: nobody is told: %s", test.name, log.String())
		}
	}
}

func TestNotifyManager(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", name)
	if err := notifyManager("READY=1"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, err := socket.Read(buf)
	if err != nil || string(buf[:n]) != "READY=1" {
		t.Errorf("%q, %v", buf[:n], err)
	}
	t.Setenv("NOTIFY_SOCKET", "")
	if err := notifyManager("READY=1"); err != nil {
		t.Errorf("without a manager: %v", err)
	}
}
