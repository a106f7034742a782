package runtimeapi

import (
	"log/slog"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/telemetry"
)

// Defaults of Options.
const (
	// DefaultMaxConnections leaves room for a runtime's own connections and those
	// of ten extensions.
	DefaultMaxConnections = 64
	// DefaultReadTimeout bounds the time from a request's first byte to its end,
	// save for the answer to an event, which has until the event's deadline. An
	// extension has as long to take its event from the connection.
	DefaultReadTimeout = 30 * time.Second
)

// Options configures a Server; the zero value is complete: a runtime without
// external extensions, telemetry or metadata.
type Options struct {
	// Function is what extensions are told when they register.
	Function FunctionInfo
	// Extensions are the file names of the external extensions that are started;
	// whoever registers by another name is an internal one.
	Extensions []string
	// Subscriptions takes subscriptions to telemetry; nil if there is none.
	Subscriptions Subscriptions
	// OnExtension is called when an extension reports a failure (state InitError or
	// ExitError), OnSubscription with a record of each subscription. Both run on
	// the goroutine of the extension's connection, before it is answered; they must
	// not wait.
	OnExtension    func(telemetry.Extension)
	OnSubscription func(telemetry.Record)
	// SnapStart opens the endpoints of the restore phase.
	SnapStart bool
	// Metadata is what the metadata endpoint tells; without a token it is closed.
	Metadata Metadata

	// MaxResponse bounds a response's body, in bytes.
	MaxResponse int64
	// MaxConnections bounds the open connections; more are closed at once.
	MaxConnections int
	ReadTimeout    time.Duration
	Logger         *slog.Logger
}

// FunctionInfo names the function version that the environment is for.
type FunctionInfo struct {
	Name      string
	Version   string
	Handler   string
	AccountID string
}

// Metadata is what an environment may ask about its place.
type Metadata struct {
	Token              string // the bearer token that a request must carry
	AvailabilityZoneID string
}

// The APIs that a subscription may come by.
const (
	TelemetryAPI = "telemetry"
	LogsAPI      = "logs"
)

// Subscriptions is who takes an extension's wish to receive telemetry. The text
// of an error is shown to the extension as what is wrong with its request.
type Subscriptions interface {
	Subscribe(extension, api string, body []byte) error
}

func (o Options) withDefaults() Options {
	if o.MaxResponse == 0 {
		o.MaxResponse = lambda.MaxResponsePayload
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = DefaultMaxConnections
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = DefaultReadTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OnExtension == nil {
		o.OnExtension = func(telemetry.Extension) {}
	}
	if o.OnSubscription == nil {
		o.OnSubscription = func(telemetry.Record) {}
	}
	return o
}
