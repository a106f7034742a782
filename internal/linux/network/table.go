package network

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Rules are what the host's packet filter does with the pairs of one owner.
//
// Packets that come from one are let out to where the host's routes lead, under
// the host's address. Refused are: the host itself, by any of its addresses; other
// pairs; link-local, loopback and multicast addresses; a sender's address that is
// not the pair's; IPv6; and more connections at a time than Connections. Nothing
// gets in but answers.
type Rules struct {
	Table  string // name of the owner's table
	Own    string // prefix of the names of the owner's interfaces here
	All    string // prefix that those of all owners have
	Subnet netip.Prefix
	// Connections is how many the packet filter keeps for one address.
	Connections uint32
	// Closed keeps the host from forwarding anything else, on a host that did not
	// forward before.
	Closed bool
}

// closedChain is the name of the chain that Closed adds.
const closedChain = "closed"

// refusedNetworks are out of reach, whatever the host's routes say.
var refusedNetworks = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("224.0.0.0/3"), // multicast, and what is reserved
	// Where clouds tell machines about themselves, if not at a link-local address.
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba Cloud
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure
	netip.MustParsePrefix("192.0.0.192/32"),     // Oracle Cloud
}

// Apply makes the table, in the place of one that is there, all at once.
func (r Rules) Apply() error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	table := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: r.Table})
	conn.DelTable(table) // of what there may have been before
	conn.AddTable(table)
	refuse := conn.AddChain(&nftables.Chain{Name: "refuse", Table: table})
	add := func(chain *nftables.Chain, parts ...[]expr.Any) {
		var all []expr.Any
		for _, part := range parts {
			all = append(all, part...)
		}
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: all})
	}
	add(refuse, protocolIs(unix.IPPROTO_TCP), reject(unix.NFT_REJECT_TCP_RST, 0))
	add(refuse, reject(unix.NFT_REJECT_ICMPX_UNREACH, unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED))

	input := conn.AddChain(baseChain(table, "input", nftables.ChainHookInput, nftables.ChainTypeFilter, nftables.ChainPriorityFilter))
	add(input, from(r.Own), goTo(refuse))

	forward := conn.AddChain(baseChain(table, "forward", nftables.ChainHookForward, nftables.ChainTypeFilter, nftables.ChainPriorityFilter))
	add(forward, from(r.Own), notIPv4(), drop())
	add(forward, from(r.Own), noWayBack(), drop())
	add(forward, from(r.Own), to(r.All), goTo(refuse))
	for _, n := range append([]netip.Prefix{r.Subnet}, refusedNetworks...) {
		add(forward, from(r.Own), destination(n), goTo(refuse))
	}
	live := &nftables.Set{Table: table, Name: "live", KeyType: nftables.TypeIPAddr, Dynamic: true}
	if err := conn.AddSet(live, nil); err != nil {
		return fmt.Errorf("make set: %w", err)
	}
	add(forward, from(r.Own), stateIn(expr.CtStateBitNEW), over(live, r.Connections), goTo(refuse))
	add(forward, to(r.Own), stateIn(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), accept())
	add(forward, to(r.Own), drop())

	outward := conn.AddChain(baseChain(table, "outward", nftables.ChainHookPostrouting, nftables.ChainTypeNAT, nftables.ChainPriorityNATSource))
	add(outward, notTo(r.All), source(r.Subnet), []expr.Any{&expr.Masq{}})
	if r.Closed {
		closeHost(conn, table, r.All)
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("make table %s: %w", r.Table, err)
	}
	return nil
}

// closeHost lets nothing new through the host but what is of pairs, or was sent
// on by rules for it: forwarding makes a router of a host, which nobody has asked for.
func closeHost(conn *nftables.Conn, table *nftables.Table, all string) {
	chain := conn.AddChain(baseChain(table, closedChain, nftables.ChainHookForward, nftables.ChainTypeFilter, nftables.ChainPriorityFilter))
	var rule []expr.Any
	for _, part := range [][]expr.Any{notFrom(all), notTo(all), stateIn(expr.CtStateBitNEW), notRedirected(), drop()} {
		rule = append(rule, part...)
	}
	conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: rule})
}

// HasTable tells whether there is a table.
func HasTable(name string) (bool, error) {
	conn, err := nftables.New()
	if err != nil {
		return false, fmt.Errorf("open nftables: %w", err)
	}
	_, err = conn.ListTableOfFamily(name, nftables.TableFamilyINet)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for table %s: %w", name, err)
	}
	return true, nil
}

// Tables lists the tables whose name begins with a prefix, and tells of each
// whether it is closed. A list that changes while the kernel makes it may lack
// something, so that two have to be the same.
func Tables(prefix string) (map[string]bool, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	last, err := listTables(conn, prefix)
	for range dumpAttempts {
		if err != nil {
			return nil, err
		}
		var now map[string]bool
		if now, err = listTables(conn, prefix); maps.Equal(now, last) {
			break
		}
		last = now
	}
	return last, err
}

func listTables(conn *nftables.Conn, prefix string) (map[string]bool, error) {
	tables, err := conn.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	found := map[string]bool{}
	for _, t := range tables {
		if strings.HasPrefix(t.Name, prefix) {
			found[t.Name] = false
		}
	}
	chains, err := conn.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, fmt.Errorf("list chains: %w", err)
	}
	for _, c := range chains {
		if _, known := found[c.Table.Name]; known && c.Name == closedChain {
			found[c.Table.Name] = true
		}
	}
	return found, nil
}

// CloseTable adds to another owner's table what Closed does.
func CloseTable(table, all string) error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	closeHost(conn, &nftables.Table{Family: nftables.TableFamilyINet, Name: table}, all)
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("close table %s: %w", table, err)
	}
	return nil
}

// RemoveTable removes a table. One that is gone is no error.
func RemoveTable(name string) error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	conn.DelTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: name})
	if err := conn.Flush(); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove table %s: %w", name, err)
	}
	return nil
}

// Obstacle is a chain of others that drops what it does not know, before or after
// ours: "filter FORWARD". It is empty if there is none.
func Obstacle(ownPrefix string) (string, error) {
	conn, err := nftables.New()
	if err != nil {
		return "", fmt.Errorf("open nftables: %w", err)
	}
	chains, err := conn.ListChains()
	if err != nil {
		return "", fmt.Errorf("list chains: %w", err)
	}
	for _, c := range chains {
		forwards := c.Hooknum != nil && *c.Hooknum == *nftables.ChainHookForward && c.Table.Family != nftables.TableFamilyIPv6
		if forwards && c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop && !strings.HasPrefix(c.Table.Name, ownPrefix) {
			return c.Table.Name + " " + c.Name, nil
		}
	}
	return "", nil
}

// forwardingFile is whether the host forwards packets.
const forwardingFile = "/proc/sys/net/ipv4/ip_forward"

// Forwarding tells whether the host forwards packets from one interface to
// another.
func Forwarding() (bool, error) {
	text, err := os.ReadFile(forwardingFile)
	if err != nil {
		return false, err
	}
	return strings.TrimSpace(string(text)) == "1", nil
}

// SetForwarding changes it.
func SetForwarding(on bool) error {
	text := "0"
	if on {
		text = "1"
	}
	return os.WriteFile(forwardingFile, []byte(text), 0)
}

func baseChain(table *nftables.Table, name string, hook *nftables.ChainHook, kind nftables.ChainType, priority *nftables.ChainPriority) *nftables.Chain {
	policy := nftables.ChainPolicyAccept
	return &nftables.Chain{Name: name, Table: table, Hooknum: hook, Type: kind, Priority: priority, Policy: &policy}
}

// The parts of rules. Each compares what it has loaded into register 1.
const register = 1

func interfaceName(key expr.MetaKey, op expr.CmpOp, prefix string) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: key, Register: register},
		&expr.Cmp{Op: op, Register: register, Data: []byte(prefix)},
	}
}

func from(prefix string) []expr.Any { return interfaceName(expr.MetaKeyIIFNAME, expr.CmpOpEq, prefix) }
func to(prefix string) []expr.Any   { return interfaceName(expr.MetaKeyOIFNAME, expr.CmpOpEq, prefix) }
func notFrom(prefix string) []expr.Any {
	return interfaceName(expr.MetaKeyIIFNAME, expr.CmpOpNeq, prefix)
}
func notTo(prefix string) []expr.Any {
	return interfaceName(expr.MetaKeyOIFNAME, expr.CmpOpNeq, prefix)
}

func protocolIs(number byte) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: []byte{number}},
	}
}

func isIPv4(op expr.CmpOp) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: register},
		&expr.Cmp{Op: op, Register: register, Data: []byte{unix.NFPROTO_IPV4}},
	}
}

func notIPv4() []expr.Any { return isIPv4(expr.CmpOpNeq) }

// noWayBack is true of a sender's address that the host would not reach by the
// interface that the packet has come by.
func noWayBack() []expr.Any {
	return []expr.Any{
		&expr.Fib{Register: register, FlagSADDR: true, FlagIIF: true, ResultOIF: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: make([]byte, 4)},
	}
}

// Offsets of the addresses in a header of IPv4.
const (
	sourceOffset      = 12
	destinationOffset = 16
)

func inNetwork(offset uint32, p netip.Prefix) []expr.Any {
	mask := make([]byte, 4)
	for i := range p.Bits() {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return append(isIPv4(expr.CmpOpEq),
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: 4},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 4, Mask: mask, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: p.Masked().Addr().AsSlice()},
	)
}

func source(p netip.Prefix) []expr.Any      { return inNetwork(sourceOffset, p) }
func destination(p netip.Prefix) []expr.Any { return inNetwork(destinationOffset, p) }

// bitsOf compares some bits of what conntrack knows of a packet.
func bitsOf(key expr.CtKey, bits uint32, op expr.CmpOp) []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: key, Register: register},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 4,
			Mask: binaryutil.NativeEndian.PutUint32(bits), Xor: make([]byte, 4)},
		&expr.Cmp{Op: op, Register: register, Data: make([]byte, 4)},
	}
}

func stateIn(bits uint32) []expr.Any { return bitsOf(expr.CtKeySTATE, bits, expr.CmpOpNeq) }

// statusDNAT is IPS_DST_NAT of the kernel's conntrack.
const statusDNAT = 1 << 5

// notRedirected is true of what no rule has sent to another address than it was
// meant for.
func notRedirected() []expr.Any { return bitsOf(expr.CtKeySTATUS, statusDNAT, expr.CmpOpEq) }

// over is true when the sender has more connections than so many.
func over(set *nftables.Set, count uint32) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: sourceOffset, Len: 4},
		&expr.Dynset{SrcRegKey: register, SetName: set.Name, SetID: set.ID, Operation: uint32(unix.NFT_DYNSET_OP_ADD),
			Exprs: []expr.Any{&expr.Connlimit{Count: count, Flags: connlimitInvert}}},
	}
}

// connlimitInvert is NFT_CONNLIMIT_F_INV: true from the count on, and not below.
const connlimitInvert = 1

func reject(kind uint32, code uint8) []expr.Any {
	return []expr.Any{&expr.Reject{Type: kind, Code: code}}
}
func goTo(c *nftables.Chain) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictGoto, Chain: c.Name}}
}
func accept() []expr.Any { return []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}} }
func drop() []expr.Any   { return []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}} }
