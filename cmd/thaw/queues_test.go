package main

import (
	"log/slog"
	"testing"

	apisqs "thaw/internal/api/sqs"
	"thaw/internal/catalog"
	"thaw/internal/lambda"
	"thaw/internal/queue"
	"thaw/internal/store/memory"
)

// newFakeQueues is the SQS API over a store in memory.
func newFakeQueues(t *testing.T) *apisqs.Handler {
	t.Helper()
	logger, events := slog.New(slog.DiscardHandler), memory.New()
	records, err := catalog.Open(t.Context(), events.Metadata(), catalog.Options{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	queues, err := queue.Open(queue.Options{Catalog: records, Events: events.Queue, Scope: lambda.DefaultScope, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, close := range []func() error{queues.Close, records.Close, events.Close} {
			if err := close(); err != nil {
				t.Error(err)
			}
		}
	})
	return apisqs.New(apisqs.Options{Queues: queues, Scope: lambda.DefaultScope, Logger: logger})
}
