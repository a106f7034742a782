package native

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"thaw/internal/linux/network"
	"thaw/internal/sandbox"
)

// Listen opens a socket in the sandbox's network namespace. Multipath TCP, which
// Go listens with otherwise, costs and gains nothing there.
func (b *box) Listen(ctx context.Context, kind, address string) (net.Listener, error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("listen inside: %w", err)
	}
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	var l net.Listener
	err := network.Inside(b.network, func() (err error) {
		l, err = config.Listen(ctx, kind, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen inside: %w", err)
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
