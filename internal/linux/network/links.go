package network

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Links changes the interfaces and routes of the namespace that this process is
// in. Its methods may be called from any goroutine.
type Links struct{ handle *netlink.Handle }

// OpenLinks connects to the kernel.
func OpenLinks() (*Links, error) {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return &Links{handle}, nil
}

// Close disconnects.
func (l *Links) Close() { l.handle.Close() }

// Pair is two connected interfaces: one here, one, named eth0, in another
// namespace. Their addresses are the two of a network of 31 bits.
type Pair struct {
	Name            string // of the one here
	Outside, Inside netip.Addr
	MTU             int
}

// innerName is what the interface in the other namespace is called.
const innerName = "eth0"

// ErrExists is returned for a pair whose name is taken.
var ErrExists = errors.New("interface exists")

// Connect makes a pair and a default route through it in the other namespace.
// There is no IPv6 on it. The pair is gone some time after the namespace is.
func (l *Links) Connect(namespace *os.File, p Pair) error {
	if err := Inside(namespace, func() error { return disableIPv6("default") }); err != nil {
		return err
	}
	veth := netlink.NewVeth(netlink.LinkAttrs{Name: p.Name, MTU: p.MTU, TxQLen: -1})
	veth.PeerName, veth.PeerNamespace, veth.PeerMTU = innerName, netlink.NsFd(namespace.Fd()), uint32(p.MTU)
	switch err := l.handle.LinkAdd(veth); {
	case errors.Is(err, unix.EEXIST):
		return fmt.Errorf("make %s: %w", p.Name, ErrExists)
	case err != nil:
		return fmt.Errorf("make %s: %w", p.Name, err)
	}
	if err := errors.Join(l.bringUp(veth, p), bringUpInside(namespace, p)); err != nil {
		return errors.Join(fmt.Errorf("set up %s: %w", p.Name, err), l.handle.LinkDel(veth))
	}
	return nil
}

func (l *Links) bringUp(veth *netlink.Veth, p Pair) error {
	if err := disableIPv6(p.Name); err != nil {
		return err
	}
	if err := l.handle.AddrAdd(veth, address(p.Outside)); err != nil {
		return fmt.Errorf("add address: %w", err)
	}
	return l.handle.LinkSetUp(veth)
}

func bringUpInside(namespace *os.File, p Pair) error {
	handle, err := netlink.NewHandleAt(netns.NsHandle(namespace.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer handle.Close()
	inner, err := handle.LinkByName(innerName)
	if err != nil {
		return fmt.Errorf("find %s: %w", innerName, err)
	}
	if err := handle.AddrAdd(inner, address(p.Inside)); err != nil {
		return fmt.Errorf("add address inside: %w", err)
	}
	if err := handle.LinkSetUp(inner); err != nil {
		return fmt.Errorf("set up inside: %w", err)
	}
	if err := handle.RouteAdd(&netlink.Route{LinkIndex: inner.Attrs().Index, Gw: p.Outside.AsSlice()}); err != nil {
		return fmt.Errorf("add default route: %w", err)
	}
	return nil
}

func address(a netip.Addr) *netlink.Addr {
	return &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(31, 32)}}
}

// disableIPv6 writes the setting of the calling thread's namespace. A kernel
// without IPv6 has none.
func disableIPv6(name string) error {
	err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// dumpAttempts is how often a list is asked for that changes while the kernel
// makes it.
const dumpAttempts = 100

// whole asks for a list until it is whole.
func whole[T any](list func() ([]T, error)) (all []T, err error) {
	for range dumpAttempts {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}

func (l *Links) routes() ([]netlink.Route, error) {
	routes, err := whole(func() ([]netlink.Route, error) { return l.handle.RouteList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	return routes, nil
}

// Named lists the interfaces whose name begins with a prefix.
func (l *Links) Named(prefix string) ([]string, error) {
	links, err := whole(l.handle.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var names []string
	for _, link := range links {
		if name := link.Attrs().Name; strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names, nil
}

// Remove removes an interface, and its pair with it. One that is gone is no error.
func (l *Links) Remove(name string) error {
	link, err := l.handle.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	if err := l.handle.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

// Uplink is where packets leave the host by default.
type Uplink struct {
	Name string // empty if there is no default route
	MTU  int
}

// defaultMTU is that of ethernet.
const defaultMTU = 1500

// Uplink looks for the default route.
func (l *Links) Uplink() (Uplink, error) {
	routes, err := l.routes()
	if err != nil {
		return Uplink{}, err
	}
	for _, r := range routes {
		if !isDefault(r) || r.LinkIndex == 0 {
			continue
		}
		link, err := l.handle.LinkByIndex(r.LinkIndex)
		if err != nil {
			return Uplink{}, fmt.Errorf("find uplink: %w", err)
		}
		return Uplink{link.Attrs().Name, link.Attrs().MTU}, nil
	}
	return Uplink{MTU: defaultMTU}, nil
}

func isDefault(r netlink.Route) bool {
	if r.Dst == nil {
		return true
	}
	ones, _ := r.Dst.Mask.Size()
	return ones == 0
}

// routeProtocol marks the routes by which networks are reserved.
const routeProtocol = 116

// ErrTaken is returned for a network that the host knows already.
var ErrTaken = errors.New("network is in use on this host")

// Reserve takes a network for pairs: where none of them is, it is unreachable,
// rather than somewhere behind the default route. Of two who ask at one time one
// gets ErrTaken, as does one who asks for a part of what the host has a route to.
func (l *Links) Reserve(p netip.Prefix) error {
	routes, err := l.routes()
	if err != nil {
		return err
	}
	for _, r := range routes {
		if known, ok := prefixOf(r); ok && known.Overlaps(p) {
			return fmt.Errorf("%s, route to %s: %w", p, known, ErrTaken)
		}
	}
	err = l.handle.RouteAdd(reservation(p))
	if errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("%s: %w", p, ErrTaken)
	}
	if err != nil {
		return fmt.Errorf("reserve %s: %w", p, err)
	}
	return nil
}

// Release gives a network back. One that is not reserved is no error.
func (l *Links) Release(p netip.Prefix) error {
	if err := l.handle.RouteDel(reservation(p)); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("release %s: %w", p, err)
	}
	return nil
}

func reservation(p netip.Prefix) *netlink.Route {
	return &netlink.Route{
		Dst:  &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())},
		Type: unix.RTN_UNREACHABLE, Protocol: routeProtocol,
	}
}

func prefixOf(r netlink.Route) (netip.Prefix, bool) {
	if isDefault(r) {
		return netip.Prefix{}, false
	}
	ip, ok := netip.AddrFromSlice(r.Dst.IP)
	ones, _ := r.Dst.Mask.Size()
	return netip.PrefixFrom(ip.Unmap(), ones), ok
}
