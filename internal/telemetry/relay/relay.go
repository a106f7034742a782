package relay

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"

	"thaw/internal/telemetry"
)

// Options is what a relay works with.
type Options struct {
	// Dial connects to an address inside the sandbox.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Emit adds an event to the environment's stream, which publishes it here.
	Emit   func(telemetry.Record)
	Logger *slog.Logger
}

// Relay delivers the events of one life of an environment.
type Relay struct {
	opts Options

	mu sync.Mutex
}

// New makes a relay without subscriptions.
func New(opts Options) *Relay { return &Relay{opts: opts} }

// Subscribe makes or replaces an extension's subscription. api is "telemetry" or
// "logs"; an error's text is what a client is told with status 400.
func (r *Relay) Subscribe(extension, api string, body []byte) error {
	return errors.New("Telemetry API is not supported")
}

// Publish gives an event to those who subscribed to its type.
func (r *Relay) Publish(e telemetry.Event) {}

// Pause lets deliveries that are under way end, and begins no others.
func (r *Relay) Pause() {}

// Resume goes on after Pause.
func (r *Relay) Resume() {}

// Flush delivers what is buffered, until ctx ends.
func (r *Relay) Flush(ctx context.Context) {}

// Close flushes until ctx ends, and ends all subscriptions.
func (r *Relay) Close(ctx context.Context) {}
