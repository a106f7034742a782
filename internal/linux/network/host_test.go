package network_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
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

// onHostOfItsOwn runs the calling test again, alone in a process whose network
// namespace is new: what it does there is done to no host. It tells which of the
// two this is.
func onHostOfItsOwn(t *testing.T) bool {
	t.Helper()
	if os.Getenv(ownHostVariable) == t.Name() {
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), ownHostVariable+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// world is a host, which is this process's namespace, and the internet beyond it.
//
//	internet 198.51.100.2 ── uplink 198.51.100.1 host ── pairs
//	lo: 203.0.113.10, 169.254.169.254
type world struct {
	links    *network.Links
	internet *os.File
}

var (
	hostAddress = netip.MustParseAddr("198.51.100.1")
	pool        = netip.MustParsePrefix("10.213.0.0/24")
)

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{internet: namespace(t)}
	var err error
	if w.links, err = network.OpenLinks(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.links.Close)
	lo, err := netlink.LinkByIndex(1)
	must(t, err)
	must(t, netlink.LinkSetUp(lo))
	veth := netlink.NewVeth(netlink.LinkAttrs{Name: "uplink", MTU: 1450})
	veth.PeerName, veth.PeerNamespace, veth.PeerMTU = "isp", netlink.NsFd(w.internet.Fd()), 1450
	must(t, netlink.LinkAdd(veth))
	must(t, netlink.AddrAdd(veth, cidr(t, "198.51.100.1/24")))
	must(t, netlink.LinkSetUp(veth))
	there, err := netlink.NewHandleAt(netns.NsHandle(w.internet.Fd()), unix.NETLINK_ROUTE)
	must(t, err)
	defer there.Close()
	isp, err := there.LinkByName("isp")
	must(t, err)
	must(t, there.AddrAdd(isp, cidr(t, "198.51.100.2/24")))
	must(t, there.LinkSetUp(isp))
	must(t, network.Loopback(w.internet, net.IPv4(203, 0, 113, 10)))
	far, err := there.LinkByIndex(1)
	must(t, err)
	must(t, there.AddrAdd(far, cidr(t, "169.254.169.254/32")))
	must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: veth.Attrs().Index, Gw: net.IPv4(198, 51, 100, 2)}))
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func cidr(t *testing.T, text string) *netlink.Addr {
	t.Helper()
	a, err := netlink.ParseAddr(text)
	must(t, err)
	return a
}

// connect makes a namespace with a pair, the n-th of the pool.
func (w *world) connect(t *testing.T, n int) (*os.File, network.Pair) {
	t.Helper()
	inside := namespace(t)
	must(t, network.Loopback(inside, net.IPv4(169, 254, 100, 1)))
	outside := pool.Addr()
	for range 2 * n {
		outside = outside.Next()
	}
	p := network.Pair{Name: "thawtest-" + string(rune('0'+n)), Outside: outside, Inside: outside.Next(), MTU: 1450}
	must(t, w.links.Connect(inside, p))
	return inside, p
}

func (w *world) apply(t *testing.T, change func(*network.Rules)) {
	t.Helper()
	r := network.Rules{Table: "thaw-test", Own: "thawtest-", All: "thaw", Subnet: pool, Connections: 1000}
	if change != nil {
		change(&r)
	}
	must(t, r.Apply())
	must(t, network.SetForwarding(true))
}

// serve answers, in a namespace or on the host, each connection and each datagram
// with the address it comes from.
func serve(t *testing.T, at *os.File, address string) {
	t.Helper()
	var l net.Listener
	var p net.PacketConn
	must(t, inside(at, func() (err error) {
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

// ask connects from a namespace and reads what is answered.
func ask(at *os.File, kind, address string) (string, error) {
	return askFor(5*time.Second, at, kind, address)
}

// askBriefly is for what should not be answered.
func askBriefly(at *os.File, kind, address string) (string, error) {
	return askFor(200*time.Millisecond, at, kind, address)
}

func askFor(patience time.Duration, at *os.File, kind, address string) (string, error) {
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

// refused are the errors by which the packet filter says no, at once.
func refused(err error) bool {
	for _, errno := range []error{unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EINVAL, unix.EACCES, unix.ECONNRESET} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
