package network_test

import (
	"net"
	"os"
	"testing"

	"thaw/internal/linux/network"
	"thaw/internal/linux/network/networktest"
)

// namespace returns a new network namespace.
func namespace(t *testing.T) *os.File {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	return networktest.Namespace(t)
}

func TestASocketStaysWhereItWasOpened(t *testing.T) {
	inside := namespace(t)
	if err := network.Loopback(inside, net.IPv4(169, 254, 100, 1)); err != nil {
		t.Fatal(err)
	}
	var l net.Listener
	if err := network.Inside(inside, func() error {
		other, err := net.Listen("tcp4", "169.254.100.1:0") // the address is there
		if err != nil {
			return err
		}
		other.Close()
		l, err = net.Listen("tcp4", "127.0.0.1:0")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	address := l.Addr().String()
	if conn, err := net.Dial("tcp4", address); err == nil {
		conn.Close()
		t.Error("the address is reached from outside")
	}
	dialled := make(chan error, 1)
	go func() {
		dialled <- network.Inside(inside, func() error {
			conn, err := net.Dial("tcp4", address)
			if err == nil {
				conn.Close()
			}
			return err
		})
	}()
	conn, err := l.Accept() // on a thread that is outside
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if err := <-dialled; err != nil {
		t.Errorf("dial inside: %v", err)
	}
}

func TestInsideOfWhatIsNoNamespace(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := network.Inside(f, func() error { t.Error("ran"); return nil }); err == nil {
		t.Error("no error")
	}
}

func TestTry(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	before, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if err := network.Try(); err != nil {
		t.Error(err)
	}
	if after, err := os.Readlink("/proc/self/ns/net"); err != nil || after != before {
		t.Errorf("the process is in %s, %v; was in %s", after, err, before)
	}
	links, err := network.OpenLinks()
	if err != nil {
		t.Fatal(err)
	}
	defer links.Close()
	if names, err := links.Named("thawtry-"); err != nil || len(names) > 0 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}
