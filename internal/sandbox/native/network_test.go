package native_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thaw/internal/linux/network"
	"thaw/internal/linux/network/networktest"
	"thaw/internal/sandbox"
	"thaw/internal/sandbox/native"
)

// resolver answers every question with its name.
type resolver struct{}

func (resolver) Serve(packets net.PacketConn, streams net.Listener) io.Closer {
	go func() {
		for {
			_, from, err := packets.ReadFrom(make([]byte, 10))
			if err != nil {
				return
			}
			packets.WriteTo([]byte("the resolver"), from)
		}
	}()
	go func() {
		for {
			conn, err := streams.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, "the resolver")
			conn.Close()
		}
	}()
	return both{packets, streams}
}

type both struct {
	packets net.PacketConn
	streams net.Listener
}

func (b both) Close() error { return errors.Join(b.packets.Close(), b.streams.Close()) }

// hostNetwork is what sandboxes have changed of the host's network.
type hostNetwork struct {
	interfaces, tables, reserved []string
	forwards                     bool
}

func observeNetwork(t testing.TB, w *networktest.World) hostNetwork {
	t.Helper()
	var h hostNetwork
	var err error
	h.interfaces, err = w.Links.Named("thaw")
	networktest.Must(t, err)
	tables, err := network.Tables("thaw-")
	networktest.Must(t, err)
	for _, closed := range tables {
		h.tables = append(h.tables, fmt.Sprintf("closed=%t", closed))
	}
	slices.Sort(h.tables)
	h.reserved = w.Unreachable(t)
	h.forwards, err = network.Forwarding()
	networktest.Must(t, err)
	return h
}

// unchanged checks that a host's network is as it was at first.
func unchanged(t testing.TB, w *networktest.World) {
	t.Helper()
	if h := observeNetwork(t, w); len(h.interfaces)+len(h.tables)+len(h.reserved) > 0 || h.forwards {
		t.Errorf("the host has %+v, want nothing of sandboxes", h)
	}
}

// openConnected opens a driver with a network. Closing it is the caller's.
func openConnected(t testing.TB, dir string, change func(*native.Options)) *native.Driver {
	t.Helper()
	o := native.Options{
		StateDir: dir, Init: program, PoolSize: -1, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Network: &native.Network{Resolver: resolver{}},
	}
	if change != nil {
		change(&o)
	}
	d, err := native.New(t.Context(), o)
	networktest.Must(t, err)
	return d
}

// address is a sandbox's own.
func address(t testing.TB, s sandbox.Sandbox) netip.Addr {
	t.Helper()
	p, r := probe(t, s, "addresses")
	out, _ := result(t, p, r)
	for line := range strings.Lines(out) {
		name, rest, _ := strings.Cut(line, " ")
		if name != "eth0" {
			continue
		}
		mtu, list, _ := strings.Cut(strings.TrimSpace(rest), " ")
		prefix, err := netip.ParsePrefix(strings.Trim(list, "[]"))
		if err != nil || mtu != fmt.Sprint(networktest.MTU) || prefix.Bits() != 31 {
			t.Errorf("eth0 has %s, %v; want one address, and the uplink's MTU", rest, err)
		}
		return prefix.Addr()
	}
	t.Fatalf("no eth0: %s", out)
	return netip.Addr{}
}

// reach asks at addresses from inside; the answers are by network and address.
func reach(t testing.TB, s sandbox.Sandbox, addresses ...string) map[string]string {
	t.Helper()
	args := []string{"reach"}
	for _, a := range addresses {
		args = append(args, "tcp", a, "udp", a)
	}
	p, r := probe(t, s, args...)
	out, status := result(t, p, r)
	if status != (sandbox.ExitStatus{}) {
		t.Fatalf("%+v: %s", status, out)
	}
	answers := map[string]string{}
	for line := range strings.Lines(out) {
		where, answer, _ := strings.Cut(strings.TrimSpace(line), ": ")
		answers[where] = answer
	}
	return answers
}

func TestNetwork(t *testing.T) {
	if !networktest.OnHostOfItsOwn(t) {
		return
	}
	w := networktest.NewWorld(t)
	d := openConnected(t, t.TempDir(), nil)
	one, two := create(t, d, sandbox.Spec{ID: "one"}), create(t, d, sandbox.Spec{ID: "two"})
	attachProbe(t, one)
	attachProbe(t, two)
	ownAddress, other := address(t, one), address(t, two)
	networktest.Serve(t, w.Internet, networktest.Server+":80")
	networktest.Serve(t, w.Internet, networktest.LinkLocal+":80")
	networktest.Serve(t, nil, "0.0.0.0:80")
	p, r := probe(t, two, "serve", "0.0.0.0:80")
	if _, err := r.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	outside := []string{networktest.Server + ":80", "169.254.100.1:53"}
	refused := []string{
		networktest.Host + ":80", "127.0.0.1:80", ownAddress.Prev().String() + ":80", other.String() + ":80",
		other.Prev().String() + ":80", networktest.LinkLocal + ":80",
	}
	got := reach(t, one, append(outside, refused...)...)
	for _, kind := range []string{"tcp ", "udp "} {
		if answer := got[kind+outside[0]]; answer != networktest.Host {
			t.Errorf("%s%s: %s, want to be seen as the host", kind, outside[0], answer)
		}
		if answer := got[kind+outside[1]]; answer != "the resolver" {
			t.Errorf("%s%s: %s, want the resolver", kind, outside[1], answer)
		}
		for _, a := range refused {
			if answer := got[kind+a]; answer != "connection refused" && answer != "no route to host" && !(kind == "udp " && answer == "silence") {
				t.Errorf("%s%s: %s, want a refusal", kind, a, answer)
			}
		}
	}
	p.Signal(unix.SIGKILL)
	networktest.Must(t, errors.Join(one.Destroy(t.Context()), two.Destroy(t.Context()), d.Close()))
	unchanged(t, w)
}

// TestFrozenConnections: an open connection survives a freeze, and what came
// meanwhile is there afterwards.
func TestFrozenConnections(t *testing.T) {
	if !networktest.OnHostOfItsOwn(t) {
		return
	}
	w := networktest.NewWorld(t)
	d := openConnected(t, t.TempDir(), nil)
	s := create(t, d, sandbox.Spec{ID: "one"})
	attachProbe(t, s)
	var l net.Listener
	networktest.Must(t, network.Inside(w.Internet, func() (err error) {
		l, err = net.Listen("tcp4", networktest.Server+":80")
		return err
	}))
	defer l.Close()
	_, r := probe(t, s, "follow", l.Addr().String())
	networktest.Must(t, l.(*net.TCPListener).SetDeadline(time.Now().Add(patience)))
	conn, err := l.Accept()
	networktest.Must(t, err)
	defer conn.Close()
	say := func(text string) {
		t.Helper()
		_, err := io.WriteString(conn, text)
		networktest.Must(t, err)
	}
	hear := func(want string) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
			t.Errorf("inside: %q, %v; want %q", got, err, want)
		}
	}
	say("before")
	hear("before")
	networktest.Must(t, s.Freeze())
	say("meanwhile")
	time.Sleep(50 * time.Millisecond) // in which it would have been passed on
	if n, err := r.TryRead(make([]byte, 10)); n != 0 || err != nil {
		t.Errorf("frozen, it prints %d bytes, %v", n, err)
	}
	networktest.Must(t, s.Thaw())
	hear("meanwhile")
	networktest.Must(t, errors.Join(s.Destroy(t.Context()), d.Close()))
}

// TestManySandboxesLeaveNothing on the host's network.
func TestManySandboxesLeaveNothing(t *testing.T) {
	if !networktest.OnHostOfItsOwn(t) {
		return
	}
	const many = 200
	w := networktest.NewWorld(t)
	d := openConnected(t, t.TempDir(), nil)
	var boxes []sandbox.Sandbox
	for i := range many {
		s, err := d.Create(t.Context(), sandbox.Spec{ID: fmt.Sprint(i)})
		networktest.Must(t, err)
		boxes = append(boxes, s)
	}
	if h := observeNetwork(t, w); len(h.interfaces) != many || len(h.tables) != 1 || len(h.reserved) != 1 || !h.forwards {
		t.Errorf("the host has %d interfaces and %+v", len(h.interfaces), h)
	}
	for _, s := range boxes {
		networktest.Must(t, s.Destroy(context.Background()))
	}
	networktest.Must(t, d.Close())
	unchanged(t, w)
}

// TestNetworkOfAKilledServer is removed by the next life, whether that one has a
// network or not.
func TestNetworkOfAKilledServer(t *testing.T) {
	if !networktest.OnHostOfItsOwn(t) {
		return
	}
	w := networktest.NewWorld(t)
	dir := t.TempDir()
	for _, next := range []string{"connected", "alone"} {
		victim := exec.Command("/proc/self/exe")
		victim.Env = append(os.Environ(), victimVariable+"="+dir+":"+probeDir, victimNetworkVariable+"=1")
		victim.Stderr = os.Stderr
		out, err := victim.StdoutPipe()
		networktest.Must(t, err)
		networktest.Must(t, victim.Start())
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
			t.Fatalf("the server said %q, %v", line, err)
		}
		pids := descendants(t, victim.Process.Pid)
		if h := observeNetwork(t, w); len(h.interfaces) < 3 || !slices.Equal(h.tables, []string{"closed=true"}) || len(h.reserved) != 1 || !h.forwards {
			t.Errorf("with the server the host has %+v", h)
		}
		networktest.Must(t, victim.Process.Kill())
		victim.Wait()
		awaitGone(t, pids)
		d := openConnected(t, dir, func(o *native.Options) {
			if next == "alone" {
				o.Network = nil
			}
		})
		_, err = d.Recover(t.Context())
		networktest.Must(t, err)
		if next == "alone" {
			unchanged(t, w)
		} else if h := observeNetwork(t, w); len(h.interfaces) != 0 || len(h.tables) != 1 || len(h.reserved) != 1 {
			t.Errorf("after Recover the host has %+v", h)
		}
		networktest.Must(t, d.Close())
		unchanged(t, w)
	}
}

// TestTwoServersShareAHost: each has a subnet of its own, and the one that has
// made the host forward can go before the other.
func TestTwoServersShareAHost(t *testing.T) {
	if !networktest.OnHostOfItsOwn(t) {
		return
	}
	w := networktest.NewWorld(t)
	networktest.Serve(t, w.Internet, networktest.Server+":80")
	first, second := openConnected(t, t.TempDir(), nil), openConnected(t, t.TempDir(), nil)
	one, two := create(t, first, sandbox.Spec{ID: "one"}), create(t, second, sandbox.Spec{ID: "two"})
	attachProbe(t, one)
	attachProbe(t, two)
	if h := observeNetwork(t, w); !slices.Equal(h.tables, []string{"closed=false", "closed=true"}) || len(h.reserved) != 2 {
		t.Errorf("the host has %+v", h)
	}
	if got := reach(t, two, address(t, one).String()+":80"); got["tcp "+address(t, one).String()+":80"] != "connection refused" {
		t.Errorf("a sandbox of another server: %v", got)
	}
	networktest.Must(t, errors.Join(one.Destroy(t.Context()), first.Close()))
	if h := observeNetwork(t, w); !slices.Equal(h.tables, []string{"closed=true"}) || !h.forwards {
		t.Errorf("with the second alone the host has %+v", h)
	}
	if got := reach(t, two, networktest.Server+":80"); got["tcp "+networktest.Server+":80"] != networktest.Host {
		t.Errorf("the second's sandbox: %v", got)
	}
	networktest.Must(t, errors.Join(two.Destroy(t.Context()), second.Close()))
	unchanged(t, w)
}

// TestSubnets: the one that is asked for, or an error; and no more sandboxes than
// it has addresses for.
func TestSubnets(t *testing.T) {
	if !networktest.OnHostOfItsOwn(t) {
		return
	}
	w := networktest.NewWorld(t)
	subnet := func(text string) func(*native.Options) {
		return func(o *native.Options) { o.Network.Subnet = netip.MustParsePrefix(text) }
	}
	taken := openConnected(t, t.TempDir(), subnet("198.51.100.0/28"))
	if _, err := taken.Recover(t.Context()); !errors.Is(err, native.ErrNetwork) || !errors.Is(err, network.ErrTaken) {
		t.Errorf("a part of the uplink's: %v", err)
	}
	networktest.Must(t, taken.Close())
	dir := t.TempDir()
	d := openConnected(t, dir, subnet("10.9.8.4/30"))
	one, two := create(t, d, sandbox.Spec{ID: "one"}), create(t, d, sandbox.Spec{ID: "two"})
	for i, s := range []sandbox.Sandbox{one, two} {
		attachProbe(t, s)
		if got, want := address(t, s).String(), fmt.Sprintf("10.9.8.%d", 5+2*i); got != want {
			t.Errorf("sandbox %d has %s, want %s", i, got, want)
		}
	}
	if s, err := d.Create(t.Context(), sandbox.Spec{ID: "three"}); !errors.Is(err, native.ErrNetwork) {
		t.Errorf("Create = %v, %v; want ErrNetwork", s, err)
	}
	networktest.Must(t, one.Destroy(t.Context()))
	var again sandbox.Sandbox
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { // the kernel removes the interface later
		var err error
		if again, err = d.Create(t.Context(), sandbox.Spec{ID: "again"}); err == nil {
			break
		}
		if !errors.Is(err, native.ErrNetwork) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	networktest.Must(t, errors.Join(again.Destroy(t.Context()), two.Destroy(t.Context()), d.Close()))
	if _, err := os.Stat(filepath.Join(dir, "subnet")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the note of the subnet: %v", err)
	}
	unchanged(t, w)
}

// TestRulesAreMadeAgain: whoever loads the host's rules anew may remove those of
// sandboxes.
func TestRulesAreMadeAgain(t *testing.T) {
	if !networktest.OnHostOfItsOwn(t) {
		return
	}
	w := networktest.NewWorld(t)
	d := openConnected(t, t.TempDir(), nil)
	s := create(t, d, sandbox.Spec{ID: "one"})
	attachProbe(t, s)
	networktest.Serve(t, nil, "0.0.0.0:80")
	tables, err := network.Tables("thaw-")
	networktest.Must(t, err)
	for name := range tables {
		networktest.Must(t, network.RemoveTable(name))
	}
	for deadline := time.Now().Add(patience); len(observeNetwork(t, w).tables) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the rules stay away")
		}
	}
	if got := reach(t, s, networktest.Host+":80"); got["tcp "+networktest.Host+":80"] != "connection refused" {
		t.Errorf("the host: %v", got)
	}
	networktest.Must(t, errors.Join(s.Destroy(t.Context()), d.Close()))
	unchanged(t, w)
}

// TestListenersAhead: the socket is there before it is asked for, is opened anew
// once it was closed, and does not outlive the sandbox.
func TestListenersAhead(t *testing.T) {
	const ahead = "169.254.100.1:9001"
	dir := t.TempDir()
	before := observe(t, dir)
	if os.Geteuid() != 0 {
		t.Skip("sandboxes need root")
	}
	d := openConnected(t, dir, func(o *native.Options) { o.Network, o.Ahead = nil, []string{ahead, "169.254.100.1:9002"} })
	s := create(t, d, sandbox.Spec{ID: "one"})
	attachProbe(t, s)
	conn, err := s.Dial(t.Context(), "tcp4", ahead)
	if err != nil {
		t.Fatalf("nobody listens ahead: %v", err)
	}
	conn.Close()
	for range 2 {
		l, err := s.Listen(t.Context(), "tcp4", ahead)
		networktest.Must(t, err)
		if second, err := s.Listen(t.Context(), "tcp4", ahead); err == nil {
			second.Close()
			t.Error("two have the address")
		}
		networktest.Must(t, l.Close())
	}
	networktest.Must(t, errors.Join(s.Destroy(t.Context()), d.Close()))
	before.compare(t, dir)
}
