// Package network works inside another network namespace from a process that
// stays outside. A socket belongs to the namespace it was created in, for good:
// once opened there it is served from any goroutine.
package network

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Inside runs f on a thread that is in the given network namespace. What f starts
// on other goroutines is not.
func Inside(namespace *os.File, f func() error) error {
	runtime.LockOSThread()
	outside, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("open own network namespace: %w", err)
	}
	defer unix.Close(outside)
	if err := enter(namespace); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter network namespace: %w", err)
	}
	err = f()
	if back := unix.Setns(outside, unix.CLONE_NEWNET); back != nil {
		// The thread stays locked, so that no other goroutine ever runs on it.
		return fmt.Errorf("leave network namespace: %w", back)
	}
	runtime.UnlockOSThread()
	return err
}

// enter moves the calling thread into a namespace. Its descriptor is held
// meanwhile: somebody may close it, and its number may be another namespace's then.
func enter(namespace *os.File) error {
	raw, err := namespace.SyscallConn()
	if err != nil {
		return err
	}
	var entered error
	err = raw.Control(func(fd uintptr) { entered = unix.Setns(int(fd), unix.CLONE_NEWNET) })
	return errors.Join(err, entered)
}

// Loopback brings up the loopback interface of a namespace and gives it a
// further address.
func Loopback(namespace *os.File, address net.IP) error {
	handle, err := netlink.NewHandleAt(netns.NsHandle(namespace.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer handle.Close()
	lo, err := handle.LinkByIndex(1) // the loopback is the first of every namespace
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	own := &netlink.Addr{IPNet: &net.IPNet{IP: address, Mask: net.CIDRMask(32, 32)}}
	if err := handle.AddrAdd(lo, own); err != nil {
		return fmt.Errorf("add %s to loopback: %w", address, err)
	}
	if err := handle.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set loopback up: %w", err)
	}
	return nil
}
