// Package fake is the sandbox driver for the tests of the layers above: its
// programs are Go functions and its network is memory. Nothing in it blocks
// outside of Go's own primitives, so it works under testing/synctest, where
// real sockets and pipes do not.
//
// A Program stands for an executable file. What it can do is in Process: write
// to its outputs, dial and listen inside the sandbox, take signals, run out of
// memory. A kill cancels its context and cuts its connections; it must then
// return. A freeze holds it at its next read, write, dial or Wait.
//
// Concurrency: as package sandbox demands. Every program runs on one goroutine
// which Destroy and Reset wait for, as long as their context lets them.
package fake

import (
	"context"
	"fmt"
	"sync"
	"syscall"

	"thaw/internal/sandbox"
)

// Program is what an executable does. Its result is the exit code, which counts
// only if it was not killed.
type Program func(ctx context.Context, p *Process) int

// Options configures a Driver.
type Options struct {
	// Programs by their absolute path inside. A path that is not there gives
	// ErrExec with the text "no such file or directory".
	Programs map[string]Program
	// ExecErrors are paths whose execution the kernel refuses, and its reasons.
	ExecErrors map[string]syscall.Errno
	// Create, if set, is asked before each sandbox; its error is Create's.
	Create func(sandbox.Spec) error
	// Leftovers is what Recover reports.
	Leftovers sandbox.Leftovers
}

// Driver makes sandboxes in memory.
type Driver struct {
	options Options

	mu     sync.Mutex
	boxes  []*Sandbox // in order of creation, destroyed ones removed
	closed bool
}

var _ sandbox.Driver = (*Driver)(nil)

// New returns a driver.
func New(options Options) *Driver { return &Driver{options: options} }

// Create makes an empty sandbox.
func (d *Driver) Create(ctx context.Context, spec sandbox.Spec) (sandbox.Sandbox, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("create sandbox: %w", err)
	}
	if d.options.Create != nil {
		if err := d.options.Create(spec); err != nil {
			return nil, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, fmt.Errorf("create sandbox: %w", sandbox.ErrDestroyed)
	}
	s := newSandbox(d, spec)
	d.boxes = append(d.boxes, s)
	return s, nil
}

// Sandboxes returns the living sandboxes, the oldest first.
func (d *Driver) Sandboxes() []*Sandbox {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]*Sandbox(nil), d.boxes...)
}

// Recover reports Options.Leftovers.
func (d *Driver) Recover(context.Context) (sandbox.Leftovers, error) {
	return d.options.Leftovers, nil
}

// Close makes further Creates fail. The sandboxes that were handed out stay
// their owners' to destroy.
func (d *Driver) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return nil
}

func (d *Driver) forget(s *Sandbox) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, b := range d.boxes {
		if b == s {
			d.boxes = append(d.boxes[:i:i], d.boxes[i+1:]...)
			return
		}
	}
}
