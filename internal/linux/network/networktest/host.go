// Package networktest gives tests a host of their own: a network namespace for the
// test's process, with an internet beyond it, so that what they do to the host's
// interfaces and rules is done to no real one.
package networktest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"thaw/internal/linux/network"
)

// ownHostVariable marks the test program that has a network namespace of its own.
const ownHostVariable = "THAW_TEST_OWN_HOST"

// OnHostOfItsOwn runs the calling test again, alone in a process whose namespaces of
// network and mounts are new: what it does there is done to no host. It tells which
// of the two this is.
func OnHostOfItsOwn(t *testing.T) bool {
	t.Helper()
	if os.Getenv(ownHostVariable) == t.Name() {
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), ownHostVariable+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// World is a host, which is this process's namespace, and the internet beyond it.
//
//	internet 198.51.100.2 ── uplink 198.51.100.1 host
//	lo: 203.0.113.10, 169.254.169.254
type World struct {
	Internet *os.File
	Links    *network.Links
}

// What has which address.
const (
	Host      = "198.51.100.1"
	Server    = "203.0.113.10"
	LinkLocal = "169.254.169.254"
	// MTU is the uplink's.
	MTU = 1450
)

// NewWorld makes the internet.
func NewWorld(t testing.TB) *World {
	t.Helper()
	w := &World{Internet: Namespace(t)}
	var err error
	w.Links, err = network.OpenLinks()
	Must(t, err)
	t.Cleanup(w.Links.Close)
	Must(t, network.SetForwarding(false)) // a new namespace begins as the machine is
	lo, err := netlink.LinkByIndex(1)
	Must(t, err)
	Must(t, netlink.LinkSetUp(lo))
	veth := netlink.NewVeth(netlink.LinkAttrs{Name: "uplink", MTU: MTU})
	veth.PeerName, veth.PeerNamespace, veth.PeerMTU = "isp", netlink.NsFd(w.Internet.Fd()), MTU
	Must(t, netlink.LinkAdd(veth))
	Must(t, netlink.AddrAdd(veth, cidr(t, Host+"/24")))
	Must(t, netlink.LinkSetUp(veth))
	there, err := netlink.NewHandleAt(netns.NsHandle(w.Internet.Fd()), unix.NETLINK_ROUTE)
	Must(t, err)
	defer there.Close()
	isp, err := there.LinkByName("isp")
	Must(t, err)
	Must(t, there.AddrAdd(isp, cidr(t, "198.51.100.2/24")))
	Must(t, there.LinkSetUp(isp))
	Must(t, network.Loopback(w.Internet, net.ParseIP(Server)))
	far, err := there.LinkByIndex(1)
	Must(t, err)
	Must(t, there.AddrAdd(far, cidr(t, LinkLocal+"/32")))
	Must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: veth.Attrs().Index, Gw: net.IPv4(198, 51, 100, 2)}))
	return w
}

// RouteBack has the internet send packets for a network to the host.
func (w *World) RouteBack(t testing.TB, p netip.Prefix) {
	t.Helper()
	Must(t, network.Inside(w.Internet, func() error {
		handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer handle.Close()
		return handle.RouteAdd(&netlink.Route{
			Dst: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 32)}, Gw: net.ParseIP(Host),
		})
	}))
}

// ResolveBy has the host name another resolver, for this process and its children.
func (w *World) ResolveBy(t testing.TB, address string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "resolv.conf")
	Must(t, os.WriteFile(file, []byte("nameserver "+address+"\n"), 0o644))
	Must(t, unix.Mount(file, "/etc/resolv.conf", "", unix.MS_BIND, ""))
	t.Cleanup(func() { unix.Unmount("/etc/resolv.conf", unix.MNT_DETACH) })
}

// Unreachable lists the networks that the host refuses to send to.
func (w *World) Unreachable(t testing.TB) []string {
	t.Helper()
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	Must(t, err)
	var list []string
	for _, r := range routes {
		if r.Type == unix.RTN_UNREACHABLE {
			list = append(list, r.Dst.String())
		}
	}
	return list
}

// Namespace returns a new network namespace.
func Namespace(t testing.TB) *os.File {
	t.Helper()
	type result struct {
		file *os.File
		err  error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			made <- result{nil, err}
			return
		}
		f, err := os.Open("/proc/thread-self/ns/net")
		made <- result{f, err}
	}()
	r := <-made
	Must(t, r.err)
	t.Cleanup(func() { r.file.Close() })
	return r.file
}

// Must ends the test on an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func cidr(t testing.TB, text string) *netlink.Addr {
	t.Helper()
	a, err := netlink.ParseAddr(text)
	Must(t, err)
	return a
}

// Serve answers, in a namespace or on the host, each connection and each datagram
// with the address it comes from.
func Serve(t testing.TB, at *os.File, address string) {
	t.Helper()
	var l net.Listener
	var p net.PacketConn
	Must(t, inside(at, func() (err error) {
		if l, err = net.Listen("tcp4", address); err != nil {
			return err
		}
		p, err = net.ListenPacket("udp4", address)
		return err
	}))
	t.Cleanup(func() { l.Close(); p.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
			io.WriteString(c, host)
			c.Close()
		}
	}()
	go func() {
		for {
			_, from, err := p.ReadFrom(make([]byte, 100))
			if err != nil {
				return
			}
			host, _, _ := net.SplitHostPort(from.String())
			p.WriteTo([]byte(host), from)
		}
	}()
}

// inside runs f on the host if there is no namespace.
func inside(at *os.File, f func() error) error {
	if at == nil {
		return f()
	}
	return network.Inside(at, f)
}

// Ask connects from a namespace and reads what is answered.
func Ask(at *os.File, kind, address string) (string, error) {
	return AskFor(5*time.Second, at, kind, address)
}

// AskBriefly is for what should not be answered.
func AskBriefly(at *os.File, kind, address string) (string, error) {
	return AskFor(200*time.Millisecond, at, kind, address)
}

// AskFor is Ask with a patience of the caller's.
func AskFor(patience time.Duration, at *os.File, kind, address string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var c net.Conn
	err := inside(at, func() (err error) {
		c, err = (&net.Dialer{}).DialContext(ctx, kind, address)
		return err
	})
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if kind == "udp4" {
		if _, err := c.Write([]byte("?")); err != nil {
			return "", err
		}
	}
	answer := make([]byte, 100)
	n, err := c.Read(answer)
	return string(answer[:n]), err
}

// Refused tells whether an error is one by which a packet filter says no, at once.
func Refused(err error) bool {
	for _, errno := range []error{unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EINVAL, unix.EACCES, unix.ECONNRESET} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
