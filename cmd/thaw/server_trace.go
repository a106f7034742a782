package main

import (
	"context"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"thaw/internal/environment"
	"thaw/internal/pool"
	"thaw/internal/telemetry/trace/otlp"
)

// tracing is where the spans of invocations are sent to.
type tracing struct {
	Endpoint string // base URL of a collector; empty: by the standard variables
	Ratio    float64
}

// spansGrace is how long the end of a server waits for a collector.
const spansGrace = 5 * time.Second

func (t *tracing) flags(cmd *cobra.Command) {
	t.Ratio = 1
	cmd.Flags().StringVar(&t.Endpoint, "otlp-endpoint", "", "`URL` of an OpenTelemetry collector that gets a span of every invocation, such as http://localhost:4318 (default $OTEL_EXPORTER_OTLP_ENDPOINT)")
	cmd.Flags().Var((*share)(&t.Ratio), "otlp-ratio", "share of the traces that the collector gets; those that their caller samples always")
}

// share is a flag of a number from 0 to 1.
type share float64

func (s *share) Set(text string) error {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= 0 && f <= 1) {
		return usageError("it must be a number from 0 to 1")
	}
	*s = share(f)
	return nil
}

func (s *share) String() string { return strconv.FormatFloat(float64(*s), 'g', -1, 64) }
func (s *share) Type() string   { return "float" }

// destination is where spans go; empty if nowhere.
func (t *tracing) destination(getenv func(string) string) (endpoint string, headers map[string]string, err error) {
	if endpoint, headers, err = otlp.Variables(getenv); err != nil {
		return "", nil, err
	}
	if t.Endpoint != "" {
		if endpoint, err = otlp.Endpoint(t.Endpoint); err != nil {
			return "", nil, usageError("--otlp-endpoint: %v", err)
		}
	}
	return endpoint, headers, nil
}

// openSpans is called before there is an environment, so that it closes after the
// last one.
func (s *server) openSpans(context.Context) error {
	endpoint, headers, err := s.config.Tracing.destination(os.Getenv)
	if err != nil || endpoint == "" {
		return err
	}
	s.spans = otlp.Open(otlp.Options{Endpoint: endpoint, Headers: headers, Ratio: s.config.Tracing.Ratio, Logger: s.logger})
	s.onClose(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, spansGrace)
		defer cancel()
		return s.spans.Close(ctx)
	})
	s.logger.Info("spans are sent to a collector", "endpoint", endpoint, "ratio", s.config.Tracing.Ratio)
	return nil
}

// traced has a new environment observed, if spans are wanted. What it returns
// takes the environment that was made to the options.
func (s *server) traced(opts *environment.Options) func(pool.Environment) pool.Environment {
	if s.spans == nil {
		return func(e pool.Environment) pool.Environment { return e }
	}
	observer := s.spans.Observer(otlp.Source{
		Function: opts.Function, Version: opts.Version.Number, Account: opts.Scope.Account, Region: opts.Scope.Region,
	})
	opts.Observe = observer.Observe
	return func(e pool.Environment) pool.Environment {
		return &tracedEnvironment{Environment: e, observer: observer}
	}
}

// tracedEnvironment has a span of its shutdown, which no event tells of.
type tracedEnvironment struct {
	pool.Environment
	observer *otlp.Observer
	once     sync.Once
}

func (e *tracedEnvironment) Shutdown(ctx context.Context) error {
	first := false
	e.once.Do(func() { first = true })
	began := time.Now()
	err := e.Environment.Shutdown(ctx)
	if first {
		e.observer.Ended(began, time.Now(), err != nil)
	}
	return err
}
