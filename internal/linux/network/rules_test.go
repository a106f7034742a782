package network_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/google/nftables"

	"thaw/internal/linux/network"
	"thaw/internal/linux/network/networktest"
)

// pool is where the addresses of the tests' pairs come from.
var pool = netip.MustParsePrefix("10.213.0.0/24")

type world struct{ *networktest.World }

func newWorld(t *testing.T) *world { return &world{networktest.NewWorld(t)} }

// connect makes a namespace with a pair, the n-th of the pool.
func (w *world) connect(t *testing.T, n int) (*os.File, network.Pair) {
	t.Helper()
	inside := networktest.Namespace(t)
	networktest.Must(t, network.Loopback(inside, net.IPv4(169, 254, 100, 1)))
	outside := pool.Addr()
	for range 2 * n {
		outside = outside.Next()
	}
	p := network.Pair{Name: fmt.Sprintf("thawtest-%d", n), Outside: outside, Inside: outside.Next(), MTU: networktest.MTU}
	networktest.Must(t, w.Links.Connect(inside, p))
	return inside, p
}

func (w *world) apply(t *testing.T, change func(*network.Rules)) {
	t.Helper()
	r := network.Rules{Table: "thaw-test", Own: "thawtest-", All: "thaw", Subnet: pool, Connections: 1000}
	if change != nil {
		change(&r)
	}
	networktest.Must(t, r.Apply())
	networktest.Must(t, network.SetForwarding(true))
}

func TestPairsReachOutAndNothingElse(t *testing.T) {
	if !networktest.OnHostOfItsOwn(t) {
		return
	}
	w := newWorld(t)
	w.apply(t, nil)
	box, pair := w.connect(t, 1)
	other, otherPair := w.connect(t, 2)
	networktest.Serve(t, w.Internet, "203.0.113.10:80")
	networktest.Serve(t, w.Internet, "169.254.169.254:80")
	networktest.Serve(t, nil, "0.0.0.0:80")
	networktest.Serve(t, other, "0.0.0.0:80")
	stranger := networktest.Namespace(t) // of another server
	networktest.Must(t, network.Loopback(stranger, net.IPv4(169, 254, 100, 1)))
	networktest.Must(t, w.Links.Connect(stranger, network.Pair{
		Name: "thawother-1", Outside: netip.MustParseAddr("10.214.0.0"), Inside: netip.MustParseAddr("10.214.0.1"), MTU: 1450,
	}))
	networktest.Serve(t, stranger, "0.0.0.0:80")
	for _, test := range []struct{ name, address string }{
		{"a server of the internet", "203.0.113.10:80"},
		{"a neighbour of the host", "198.51.100.2:80"},
	} {
		for _, kind := range []string{"tcp4", "udp4"} {
			if test.address == "198.51.100.2:80" {
				if _, err := networktest.Ask(box, kind, test.address); !errors.Is(err, unix.ECONNREFUSED) { // by itself: nobody listens there
					t.Errorf("%s, %s: %v", test.name, kind, err)
				}
				continue
			}
			if got, err := networktest.Ask(box, kind, test.address); err != nil || got != networktest.Host {
				t.Errorf("%s, %s: %q, %v; want to be seen as %s", test.name, kind, got, err, networktest.Host)
			}
		}
	}
	for _, test := range []struct{ name, address string }{
		{"link-local", "169.254.169.254:80"},
		{"the host's address", "198.51.100.1:80"},
		{"the host's end of the pair", pair.Outside.String() + ":80"},
		{"the host's end of another pair", otherPair.Outside.String() + ":80"},
		{"another namespace", otherPair.Inside.String() + ":80"},
		{"another server's namespace", "10.214.0.1:80"},
		{"an address that nobody has", "10.213.0.200:80"},
		{"multicast", "224.0.0.1:80"},
		{"broadcast", "255.255.255.255:80"},
	} {
		for _, kind := range []string{"tcp4", "udp4"} {
			if got, err := networktest.AskBriefly(box, kind, test.address); !networktest.Refused(err) && !silent(kind, err) {
				t.Errorf("%s, %s: %q, %v; want a refusal", test.name, kind, got, err)
			}
		}
	}
	for _, address := range []string{"198.51.100.1:80", "127.0.0.1:80"} {
		if _, err := networktest.Ask(nil, "tcp4", address); err != nil {
			t.Errorf("the host itself at %s: %v", address, err)
		}
	}
}

// silent is true of a datagram that nothing answered: the kernel sends only so many
// refusals in a second.
func silent(kind string, err error) bool {
	return kind == "udp4" && errors.Is(err, os.ErrDeadlineExceeded)
}

// Nobody outside can begin a conversation with a namespace, though he knows the way.
func TestNothingGetsIn(t *testing.T) {
	if !networktest.OnHostOfItsOwn(t) {
		return
	}
	w := newWorld(t)
	w.apply(t, nil)
	box, pair := w.connect(t, 1)
	networktest.Serve(t, box, "0.0.0.0:80")
	w.RouteBack(t, pool)
	for _, kind := range []string{"tcp4", "udp4"} {
		if got, err := networktest.AskBriefly(w.Internet, kind, pair.Inside.String()+":80"); err == nil {
			t.Errorf("%s from outside: %q", kind, got)
		}
	}
}

// An address that is not the pair's own is not let out: it would be to speak in
// another's name. It takes a privilege to send one, which functions have not.
func TestSendersAddress(t *testing.T) {
	if !networktest.OnHostOfItsOwn(t) {
		return
	}
	w := newWorld(t)
	w.apply(t, nil)
	box, _ := w.connect(t, 1)
	_, other := w.connect(t, 2)
	networktest.Serve(t, w.Internet, "203.0.113.10:80")
	var far net.PacketConn
	networktest.Must(t, network.Inside(w.Internet, func() (err error) {
		far, err = net.ListenPacket("udp4", "203.0.113.10:81")
		return err
	}))
	defer far.Close()
	networktest.Must(t, network.Inside(box, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TRANSPARENT, 1); err != nil {
			return err
		}
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: other.Inside.As4()}); err != nil {
			return err
		}
		return unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrInet4{Port: 81, Addr: [4]byte{203, 0, 113, 10}})
	}))
	// What is sent after it by the right address overtakes nothing on this way.
	if _, err := networktest.Ask(box, "tcp4", "203.0.113.10:80"); err != nil {
		t.Fatal(err)
	}
	networktest.Must(t, far.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	if _, sender, err := far.ReadFrom(make([]byte, 10)); err == nil {
		t.Errorf("a datagram with another's address came through, from %s", sender)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	if !networktest.OnHostOfItsOwn(t) {
		return
	}
	const most = 20
	w := newWorld(t)
	w.apply(t, func(r *network.Rules) { r.Connections = most })
	box, _ := w.connect(t, 1)
	other, _ := w.connect(t, 2)
	networktest.Serve(t, w.Internet, "203.0.113.10:80")
	// The first packet of a new pair may take a second: who asks before the kernel has
	// both ends ready asks again for the other's address then. A connection that has
	// ended does not count.
	if _, err := networktest.Ask(box, "tcp4", "203.0.113.10:80"); err != nil {
		t.Fatal(err)
	}
	made := 0
	var last error
	for range 2 * most {
		// Datagrams to ever new ports are the cheapest way to fill the table.
		if _, last = networktest.AskFor(time.Second, box, "udp4", "203.0.113.10:80"); last != nil {
			break
		}
		made++
	}
	if made < most-1 || made > most+1 || !networktest.Refused(last) && !silent("udp4", last) {
		t.Errorf("%d connections and then %v, want %d and a refusal", made, last, most)
	}
	if _, err := networktest.Ask(other, "udp4", "203.0.113.10:80"); err != nil {
		t.Errorf("another namespace: %v", err)
	}
}

// A host that is made to forward for pairs forwards nothing else.
func TestClosedHost(t *testing.T) {
	if !networktest.OnHostOfItsOwn(t) {
		return
	}
	w := newWorld(t)
	lan := networktest.Namespace(t)
	networktest.Must(t, network.Loopback(lan, net.IPv4(127, 0, 0, 2)))
	networktest.Must(t, w.Links.Connect(lan, network.Pair{Name: "lan0", Outside: netip.MustParseAddr("192.0.2.0"), Inside: netip.MustParseAddr("192.0.2.1"), MTU: 1500}))
	w.RouteBack(t, netip.MustParsePrefix("192.0.2.0/24"))
	networktest.Serve(t, w.Internet, "203.0.113.10:80")
	w.apply(t, nil)
	if got, err := networktest.Ask(lan, "tcp4", "203.0.113.10:80"); err != nil || got != "192.0.2.1" {
		t.Fatalf("on an open host: %q, %v", got, err)
	}
	networktest.Must(t, network.RemoveTable("thaw-test"))
	w.apply(t, func(r *network.Rules) { r.Closed = true })
	if got, err := networktest.AskBriefly(lan, "tcp4", "203.0.113.10:80"); err == nil {
		t.Errorf("on a closed host: %q", got)
	}
	box, _ := w.connect(t, 1)
	if _, err := networktest.Ask(box, "tcp4", "203.0.113.10:80"); err != nil {
		t.Errorf("a pair on a closed host: %v", err)
	}
	tables, err := network.Tables("thaw-")
	if closed, found := tables["thaw-test"]; err != nil || !found || !closed {
		t.Errorf("Tables = %v, %v", tables, err)
	}
	for _, want := range []bool{true, false} {
		if found, err := network.HasTable("thaw-test"); err != nil || found != want {
			t.Errorf("HasTable = %v, %v; want %v", found, err, want)
		}
		networktest.Must(t, network.RemoveTable("thaw-test")) // what is gone is no error
	}
	w.apply(t, nil)
	networktest.Must(t, network.CloseTable("thaw-test", "thaw"))
	if got, err := networktest.AskBriefly(lan, "tcp4", "203.0.113.10:80"); err == nil {
		t.Errorf("on a host that is closed later: %q", got)
	}
}

// What others drop by default is told; what pairs need themselves is not.
func TestObstacle(t *testing.T) {
	if !networktest.OnHostOfItsOwn(t) {
		return
	}
	w := newWorld(t)
	w.apply(t, func(r *network.Rules) { r.Closed = true })
	if name, err := network.Obstacle("thaw-"); err != nil || name != "" {
		t.Errorf("Obstacle = %q, %v; want none", name, err)
	}
	conn, err := nftables.New()
	networktest.Must(t, err)
	policy := nftables.ChainPolicyDrop
	table := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "filter"})
	for name, hook := range map[string]*nftables.ChainHook{"INPUT": nftables.ChainHookInput, "FORWARD": nftables.ChainHookForward} {
		conn.AddChain(&nftables.Chain{Name: name, Table: table, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: nftables.ChainPriorityFilter, Policy: &policy})
	}
	networktest.Must(t, conn.Flush())
	if name, err := network.Obstacle("thaw-"); err != nil || name != "filter FORWARD" {
		t.Errorf("Obstacle = %q, %v; want filter FORWARD", name, err)
	}
	box, _ := w.connect(t, 1)
	networktest.Serve(t, w.Internet, networktest.Server+":80")
	if got, err := networktest.AskBriefly(box, "tcp4", networktest.Server+":80"); err == nil {
		t.Errorf("it is no obstacle: %q", got)
	}
}

func TestReservations(t *testing.T) {
	if !networktest.OnHostOfItsOwn(t) {
		return
	}
	w := newWorld(t)
	networktest.Must(t, w.Links.Reserve(pool))
	for _, taken := range []string{"10.213.0.0/24", "10.213.0.0/16", "10.213.0.64/26", "198.51.100.0/25"} {
		if err := w.Links.Reserve(netip.MustParsePrefix(taken)); !errors.Is(err, network.ErrTaken) {
			t.Errorf("Reserve(%s) = %v, want ErrTaken", taken, err)
		}
	}
	w.apply(t, nil)
	box, _ := w.connect(t, 1) // its own route is nearer
	networktest.Serve(t, w.Internet, "203.0.113.10:80")
	if _, err := networktest.Ask(box, "tcp4", "203.0.113.10:80"); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := w.Links.Release(pool); err != nil {
			t.Error(err)
		}
	}
	if up, err := w.Links.Uplink(); err != nil || up != (network.Uplink{Name: "uplink", MTU: 1450}) {
		t.Errorf("Uplink = %+v, %v", up, err)
	}
}

func TestPairsComeAndGo(t *testing.T) {
	if !networktest.OnHostOfItsOwn(t) {
		return
	}
	w := newWorld(t)
	box, pair := w.connect(t, 1)
	w.connect(t, 2)
	if err := w.Links.Connect(box, pair); !errors.Is(err, network.ErrExists) {
		t.Errorf("a name that is taken: %v, want ErrExists", err)
	}
	names, err := w.Links.Named("thawtest-")
	slices.Sort(names)
	if err != nil || !slices.Equal(names, []string{"thawtest-1", "thawtest-2"}) {
		t.Errorf("Named = %v, %v", names, err)
	}
	networktest.Must(t, network.Inside(box, func() error {
		list, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		addresses, err := list.Addrs()
		if len(addresses) != 1 || addresses[0].String() != pair.Inside.String()+"/31" || list.MTU != pair.MTU {
			t.Errorf("inside: %v, MTU %d; want %s and nothing of IPv6, MTU %d", addresses, list.MTU, pair.Inside, pair.MTU)
		}
		return err
	}))
	if out, err := os.ReadFile("/proc/sys/net/ipv6/conf/thawtest-1/disable_ipv6"); err == nil && string(out) != "1\n" {
		t.Errorf("IPv6 is on outside: %q", out)
	}
	for range 2 {
		networktest.Must(t, w.Links.Remove("thawtest-1"))
	}
	if names, err = w.Links.Named("thawtest-"); err != nil || len(names) != 1 {
		t.Errorf("after Remove: %v, %v", names, err)
	}
}
