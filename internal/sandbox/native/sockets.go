package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"thaw/internal/linux/network"
	"thaw/internal/sandbox"
)

// connect gives a new sandbox its network: the loopback, an interface to the
// outside if there is to be one, and the sockets that are opened ahead.
func (b *box) connect() error {
	if err := network.Loopback(b.network, net.ParseIP(apiAddress)); err != nil {
		return err
	}
	options := &b.driver.options
	if options.Network != nil {
		slot, err := b.driver.gateway.connect(b.network)
		if err != nil {
			return err
		}
		b.slot = &slot
	}
	b.ahead = make(map[string]net.Listener, len(options.Ahead))
	return network.Inside(b.network, func() error {
		for _, address := range options.Ahead {
			l, err := listenConfig().Listen(context.Background(), tcp, address)
			if err != nil {
				return fmt.Errorf("listen ahead: %w", err)
			}
			b.ahead[address] = l
		}
		if options.Network == nil || options.Network.Resolver == nil {
			return nil
		}
		return b.serveNames(options.Network.Resolver)
	})
}

const (
	tcp = "tcp4"
	// namesAddress is where resolv.conf says that questions go.
	namesAddress = apiAddress + ":53"
)

// serveNames opens the sockets of the resolver. The calling thread is inside.
func (b *box) serveNames(r Resolver) error {
	packets, err := listenConfig().ListenPacket(context.Background(), "udp4", namesAddress)
	if err != nil {
		return fmt.Errorf("listen for names: %w", err)
	}
	streams, err := listenConfig().Listen(context.Background(), tcp, namesAddress)
	if err != nil {
		return errors.Join(fmt.Errorf("listen for names: %w", err), packets.Close())
	}
	b.names = r.Serve(packets, streams)
	return nil
}

// listenConfig is without multipath TCP, which Go listens with otherwise: it costs
// and gains nothing inside.
func listenConfig() *net.ListenConfig {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	return &config
}

// Listen opens a socket in the sandbox's network namespace, or gives out one that
// was opened ahead.
func (b *box) Listen(ctx context.Context, kind, address string) (net.Listener, error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("listen inside: %w", err)
	}
	l := b.takeAhead(kind, address)
	if l == nil {
		err := network.Inside(b.network, func() (err error) {
			l, err = listenConfig().Listen(ctx, kind, address)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("listen inside: %w", err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dying {
		return nil, errors.Join(fmt.Errorf("listen inside: %w", sandbox.ErrDestroyed), l.Close())
	}
	own := &listener{l, b}
	b.listeners[own] = struct{}{}
	return own, nil
}

func (b *box) takeAhead(kind, address string) net.Listener {
	if kind != tcp {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.ahead[address]
	delete(b.ahead, address)
	return l
}

// disconnect closes what the sandbox's network holds on this side.
func (b *box) disconnect() error {
	b.mu.Lock()
	var open []io.Closer
	for l := range b.listeners {
		open = append(open, l)
	}
	for _, l := range b.ahead {
		open = append(open, l)
	}
	b.ahead = nil
	b.mu.Unlock()
	for _, l := range open { // an open one would keep the network namespace
		l.Close()
	}
	if b.names != nil {
		return b.names.Close()
	}
	return nil
}

// listener is known to its sandbox until it is closed.
type listener struct {
	net.Listener
	box *box
}

// Close closes it.
func (l *listener) Close() error {
	l.box.mu.Lock()
	delete(l.box.listeners, l)
	l.box.mu.Unlock()
	return l.Listener.Close()
}

// Dial connects to a number, not a name: names are resolved on other threads,
// which are outside.
func (b *box) Dial(ctx context.Context, kind, address string) (net.Conn, error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("dial inside: %w", err)
	}
	b.mu.Lock()
	dying := b.dying
	b.mu.Unlock()
	if dying {
		return nil, fmt.Errorf("dial inside: %w", sandbox.ErrDestroyed)
	}
	var dialer net.Dialer
	dialer.SetMultipathTCP(false)
	var conn net.Conn
	err := network.Inside(b.network, func() (err error) {
		conn, err = dialer.DialContext(ctx, kind, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dial inside: %w", err)
	}
	return conn, nil
}
