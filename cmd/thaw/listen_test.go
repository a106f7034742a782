package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestListenOnATakenPort: who has the port is told where a server has it, and it
// is no matter of a server that does not answer.
func TestListenOnATakenPort(t *testing.T) {
	dir := isolate(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	tests := []struct {
		name string
		pid  int
		want string
	}{
		{"by something", 0, address + " is in use by another process"},
		{"by a server", os.Getpid(), fmt.Sprintf("%s is in use by thaw serve, process %d", address, os.Getpid())},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := (serverFile{Address: address, PID: test.pid}).write(dir); err != nil {
				t.Fatal(err)
			}
			_, err := listen(Config{Listen: address, Data: t.TempDir()})
			if exitCode(err) != exitLocal || !strings.Contains(message(err), test.want) || !strings.Contains(message(err), "--listen") {
				t.Errorf("exit code %d, %v", exitCode(err), err)
			}
		})
	}
}

func TestListenOnAnAddressElsewhere(t *testing.T) {
	_, err := listen(Config{Listen: "192.0.2.1:4566"}) // of the documentation's network
	if exitCode(err) != exitLocal || strings.Contains(message(err), "is running") {
		t.Errorf("exit code %d, %v", exitCode(err), err)
	}
}

// TestDataDirectoryInUse: the lock of the store is another server's.
func TestDataDirectoryInUse(t *testing.T) {
	dir := t.TempDir()
	locked := fmt.Errorf("open store: %w", syscall.EWOULDBLOCK)
	if err := inUse(dir, locked); err != locked {
		t.Errorf("without a server: %v", err)
	}
	if err := (serverFile{Address: "127.0.0.1:1", PID: os.Getpid()}).write(dir); err != nil {
		t.Fatal(err)
	}
	if err := inUse(dir, locked); !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("with a server: %v", err)
	}
	if other := errors.New("other"); inUse(dir, other) != other {
		t.Error("another error was changed")
	}
}

func TestSameAddress(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{
		{"127.0.0.1:1", "127.0.0.1:1", true},
		{"localhost:1", "127.0.0.1:1", true},
		{"[::1]:1", "127.0.0.1:1", true},
		{"127.0.0.1:1", "0.0.0.0:1", true},
		{"127.0.0.1:1", "[::]:1", true},
		{":1", "127.0.0.1:1", true},
		{"127.0.0.1:1", "127.0.0.1:2", false},
		{"192.0.2.1:1", "127.0.0.1:1", false},
		{"192.0.2.1:1", "192.0.2.1:1", true},
		{"nonsense", "nonsense", false},
	}
	for _, test := range tests {
		if got := sameAddress(test.a, test.b); got != test.want {
			t.Errorf("%s and %s: %v", test.a, test.b, got)
		}
	}
}
