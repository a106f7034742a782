package native

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"thaw/internal/linux/network"
)

// Network is how sandboxes reach beyond the host: each has an interface of its
// own and speaks to others under the host's address. The host itself, other
// sandboxes and link-local addresses are refused.
type Network struct {
	// Subnet is where the addresses of sandboxes are taken from, two for each. The
	// zero value is one that the host has no route to.
	Subnet netip.Prefix
	// Resolver answers where resolv.conf inside says that questions go.
	Resolver Resolver
}

// Resolver answers questions for names. What Serve returns ends with both sockets
// when it is closed.
type Resolver interface {
	Serve(packets net.PacketConn, streams net.Listener) io.Closer
}

// ErrNetwork is matched by errors of Recover and Create for a host that cannot
// connect sandboxes.
var ErrNetwork = errors.New("no network for sandboxes")

const (
	// interfacePrefix begins the names of all servers' interfaces, and tablePrefix
	// those of their tables.
	interfacePrefix = "thaw"
	tablePrefix     = "thaw-"
	// subnetFile keeps the subnet that is reserved, for the next life.
	subnetFile = "subnet"
	// maxConnections bounds what the host remembers for one sandbox.
	maxConnections = 4096
	// networkLock orders what servers do to the host's forwarding.
	networkLock        = "network"
	networkLockTimeout = 10 * time.Second
	// watchInterval is how long rules that were removed may be gone.
	watchInterval = time.Second
	// vanishTimeout is how long the kernel may take to remove the interfaces of
	// sandboxes that have ended, until they are removed one by one.
	vanishTimeout = time.Second
)

// The networks from which subnets are chosen, the first to be tried first: the
// one that is set apart for measurements, which is on no real network, and a far
// corner of the private ones.
var subnetPools = []netip.Prefix{netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("10.254.0.0/16")}

// subnetBits makes a subnet of 2,048 pairs.
const subnetBits = 20

// gateway is a server's part of the host's network.
type gateway struct {
	options Network
	dir     string // of the state
	name    string // of the table
	prefix  string // of interfaces
	logger  *slog.Logger
	links   *network.Links
	subnet  netip.Prefix
	mtu     int
	rules   network.Rules
	unwatch context.CancelFunc // nil while nobody watches
	watcher sync.WaitGroup

	mu   sync.Mutex
	next int
	used map[int]bool
}

// openGateway connects to the kernel and changes nothing. options may be nil: the
// gateway is then good for removing what another life has left.
func openGateway(options *Network, dir string, logger *slog.Logger) (*gateway, error) {
	links, err := network.OpenLinks()
	if err != nil {
		return nil, err
	}
	h := fnv.New32a()
	h.Write([]byte(dir))
	g := &gateway{
		dir: dir, name: tablePrefix + strings.TrimPrefix(treeName(dir), "thaw-"), logger: logger, links: links, used: map[int]bool{},
		prefix: fmt.Sprintf("%s%05s-", interfacePrefix, strconv.FormatUint(uint64(h.Sum32())%(36*36*36*36*36), 36)),
	}
	if options != nil {
		g.options = *options
	}
	return g, nil
}

// up reserves a subnet, makes the rules and has the host forward packets.
func (g *gateway) up(ctx context.Context) error {
	lock, err := lockFile(ctx, filepath.Join(idLockDir, networkLock), networkLockTimeout)
	if err != nil {
		return err
	}
	defer lock.Close()
	uplink, err := g.links.Uplink()
	if err != nil {
		return err
	}
	g.mtu = uplink.MTU
	if err := g.reserve(); err != nil {
		return err
	}
	forwards, err := network.Forwarding()
	if err != nil {
		return err
	}
	g.rules = network.Rules{
		Table: g.name, Own: g.prefix, All: interfacePrefix, Subnet: g.subnet, Connections: maxConnections, Closed: !forwards,
	}
	if err := g.rules.Apply(); err != nil {
		return err
	}
	if !forwards {
		if err := network.SetForwarding(true); err != nil {
			return err
		}
	}
	if chain, err := Obstacle(); err == nil && chain != "" {
		g.logger.Warn("functions may not reach the network: a packet filter of this host drops what it forwards",
			slog.String("chain", chain), slog.String("interfaces", interfacePrefix+"*"))
	}
	watching, cancel := context.WithCancel(context.WithoutCancel(ctx))
	g.unwatch = cancel
	g.watcher.Go(func() { g.watch(watching) })
	return nil
}

// watch makes the rules anew when somebody has removed them, as whoever loads the
// host's own rules may do, for they keep sandboxes from the host.
func (g *gateway) watch(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(watchInterval):
		}
		found, err := network.HasTable(g.name)
		if err != nil {
			continue
		}
		if found {
			// Another server may have handed over that the host is to be closed.
			if tables, err := network.Tables(tablePrefix); err == nil {
				g.rules.Closed = g.rules.Closed || tables[g.name]
			}
			continue
		}
		if err := g.rules.Apply(); err != nil {
			g.logger.Error("rules of the packet filter are gone and cannot be made again", slog.Any("error", err))
			continue
		}
		g.logger.Warn("rules of the packet filter were gone and have been made again", slog.String("table", g.name))
	}
}

// Obstacle names a chain of this host's packet filter that drops what is forwarded
// unless it knows it; it is empty if there is none.
func Obstacle() (string, error) { return network.Obstacle(tablePrefix) }

// reserve takes the subnet that was asked for, or one that is free.
func (g *gateway) reserve() error {
	if g.options.Subnet.IsValid() {
		return g.take(g.options.Subnet.Masked())
	}
	h := fnv.New32a()
	h.Write([]byte(g.dir))
	var err error
	for _, pool := range subnetPools {
		count := uint32(1) << (subnetBits - pool.Bits())
		for i := range count {
			if err = g.take(subnetOf(pool, (h.Sum32()+i)%count)); !errors.Is(err, network.ErrTaken) {
				return err
			}
		}
	}
	return err
}

// subnetOf is the n-th subnet of a pool.
func subnetOf(pool netip.Prefix, n uint32) netip.Prefix {
	first := pool.Addr().As4()
	binary.BigEndian.PutUint32(first[:], binary.BigEndian.Uint32(first[:])+n<<(32-subnetBits))
	return netip.PrefixFrom(netip.AddrFrom4(first), subnetBits)
}

// take reserves one subnet. It is noted first: what is not noted would not be
// given back by the next life.
func (g *gateway) take(p netip.Prefix) error {
	file := filepath.Join(g.dir, subnetFile)
	if err := os.WriteFile(file, []byte(p.String()+"\n"), 0o600); err != nil {
		return err
	}
	if err := g.links.Reserve(p); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	g.subnet = p
	return nil
}

// slots is how many pairs of addresses a subnet has.
func (g *gateway) slots() int { return 1 << (31 - g.subnet.Bits()) }

// connect gives a namespace its interface. The slot is to be given back.
func (g *gateway) connect(namespace *os.File) (slot int, err error) {
	for range g.slots() {
		slot, ok := g.takeSlot()
		if !ok {
			break
		}
		outside := g.subnet.Addr().As4()
		binary.BigEndian.PutUint32(outside[:], binary.BigEndian.Uint32(outside[:])+uint32(2*slot))
		pair := network.Pair{Name: g.prefix + strconv.FormatInt(int64(slot), 36), Outside: netip.AddrFrom4(outside), MTU: g.mtu}
		pair.Inside = pair.Outside.Next()
		err := g.links.Connect(namespace, pair)
		if err == nil {
			return slot, nil
		}
		g.putSlot(slot)
		if !errors.Is(err, network.ErrExists) { // else the kernel has yet to remove a sandbox's that has ended
			return 0, fmt.Errorf("%w: %w", ErrNetwork, err)
		}
	}
	return 0, fmt.Errorf("%w: all %d addresses of %s are in use", ErrNetwork, g.slots(), g.subnet)
}

// takeSlot goes round, so that one is used again as late as can be: answers may
// still be on their way to the last who had it.
func (g *gateway) takeSlot() (int, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for range g.slots() {
		slot := g.next
		g.next = (g.next + 1) % g.slots()
		if !g.used[slot] {
			g.used[slot] = true
			return slot, true
		}
	}
	return 0, false
}

func (g *gateway) putSlot(slot int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.used, slot)
}

// down removes everything of this server from the host, be it of another life,
// and returns how many interfaces there were. Without a note of a subnet there is
// nothing.
func (g *gateway) down(ctx context.Context) (int, error) {
	if g.unwatch != nil {
		g.unwatch()
		g.watcher.Wait()
		g.unwatch = nil
	}
	file := filepath.Join(g.dir, subnetFile)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	lock, err := lockFile(ctx, filepath.Join(idLockDir, networkLock), networkLockTimeout)
	if err != nil {
		return 0, err
	}
	defer lock.Close()
	removed, err := g.removeInterfaces(ctx)
	if err != nil {
		return removed, err
	}
	if err := g.removeTable(); err != nil {
		return removed, err
	}
	if p, err := netip.ParsePrefix(strings.TrimSpace(string(text))); err == nil {
		if err := g.links.Release(p); err != nil {
			return removed, err
		}
	}
	return removed, os.Remove(file)
}

// removeInterfaces lets the kernel do it, which does it for many at a time, and
// removes what stays.
func (g *gateway) removeInterfaces(ctx context.Context) (int, error) {
	for deadline := time.Now().Add(vanishTimeout); ; {
		names, err := g.links.Named(g.prefix)
		if err != nil || len(names) == 0 {
			return 0, err
		}
		if time.Now().After(deadline) {
			for i, name := range names {
				if err := g.links.Remove(name); err != nil {
					return i, err
				}
			}
			return len(names), nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// removeTable removes the rules. If this server has made the host forward packets,
// the host stops, unless another server needs it: then that one keeps it closed
// to others from now on.
func (g *gateway) removeTable() error {
	tables, err := network.Tables(tablePrefix)
	if err != nil {
		return err
	}
	closed, found := tables[g.name]
	delete(tables, g.name)
	if closed || g.rules.Closed {
		err = g.handOver(tables)
		g.rules.Closed = false
	}
	if !found {
		return err
	}
	return errors.Join(err, network.RemoveTable(g.name))
}

func (g *gateway) handOver(others map[string]bool) error {
	for name, closed := range others {
		if !closed {
			return network.CloseTable(name, interfacePrefix)
		}
	}
	if len(others) > 0 { // one of them has it
		return nil
	}
	return network.SetForwarding(false)
}

func (g *gateway) close() { g.links.Close() }
