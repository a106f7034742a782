package environment

import (
	"context"

	"thaw/internal/lambda"
	"thaw/internal/runtimes"
	"thaw/internal/sandbox"
)

// Inside serves what environments offer to their functions besides the Runtime
// API: the server's own API, with credentials for it.
type Inside interface {
	// Open begins to serve one sandbox. It is called once for each, before
	// anything runs in it.
	Open(ctx context.Context, box sandbox.Network, r Resident) (Guest, error)
}

// Resident tells whose sandbox it is.
type Resident struct {
	Environment string
	Function    string
	Version     *lambda.Version
}

// Guest is what the processes of one sandbox are given.
type Guest struct {
	// Variables give way to those that the function's configuration sets.
	Variables   map[string]string
	Credentials runtimes.Credentials
	// Close takes it all back and waits until that is done. It is called once, when
	// the sandbox is gone.
	Close func() error
}

// openInside makes the guest of a new sandbox. A server that offers nothing has
// guests without anything.
func (e *Environment) openInside(ctx context.Context, box sandbox.Network) (Guest, error) {
	nothing := Guest{Close: func() error { return nil }}
	if e.opts.Inside == nil {
		return nothing, nil
	}
	guest, err := e.opts.Inside.Open(ctx, box, Resident{Environment: e.id, Function: e.opts.Function, Version: e.opts.Version})
	if err != nil {
		return nothing, err
	}
	return guest, nil
}
