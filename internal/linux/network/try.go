package network

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Try makes a pair and rules as a server would, in a namespace that ends with the
// attempt: its error tells what the kernel lacks, or that this process may not.
func Try() error {
	done := make(chan error)
	go func() {
		// Never unlocked, so that the thread ends with the goroutine, and both
		// namespaces with the thread.
		runtime.LockOSThread()
		done <- try()
	}()
	return <-done
}

func try() error {
	inner, err := newNamespace()
	if err != nil {
		return err
	}
	defer inner.Close()
	outer, err := newNamespace()
	if err != nil {
		return err
	}
	defer outer.Close()
	links, err := OpenLinks()
	if err != nil {
		return err
	}
	defer links.Close()
	outside := netip.MustParseAddr("198.18.0.0")
	if err := Loopback(outer, net.IPv4(127, 0, 0, 2)); err != nil {
		return err
	}
	if err := links.Connect(inner, Pair{Name: "thawtry-0", Outside: outside, Inside: outside.Next(), MTU: defaultMTU}); err != nil {
		return err
	}
	rules := Rules{Table: "thaw-try", Own: "thawtry-", All: "thaw", Subnet: netip.PrefixFrom(outside, 24), Connections: 1, Closed: true}
	if err := rules.Apply(); err != nil {
		return err
	}
	if err := SetForwarding(true); err != nil {
		return fmt.Errorf("forward packets: %w", err)
	}
	return nil
}

// newNamespace puts the calling thread into a new network namespace.
func newNamespace() (*os.File, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("make network namespace: %w", err)
	}
	f, err := os.Open("/proc/thread-self/ns/net")
	return f, err
}
