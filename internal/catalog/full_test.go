package catalog_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"thaw/internal/catalog"
	"thaw/internal/lambda"
	"thaw/internal/store"
	"thaw/internal/store/memory"
)

// fullDisk takes no record any more.
type fullDisk struct{ store.Metadata }

func (fullDisk) Put(context.Context, string, []byte, store.Revision) (store.Revision, error) {
	return 0, store.ErrFull
}

// TestFullDisk: who changes something is told why it is not done.
func TestFullDisk(t *testing.T) {
	c, err := catalog.Open(t.Context(), fullDisk{memory.New().Metadata()}, catalog.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.PutFunction(t.Context(), &lambda.Function{Name: "f", Latest: lambda.Version{Number: lambda.Latest}}, 0)
	told := new(lambda.Error)
	if !errors.As(err, &told) || told.Code != lambda.CodeService || told.Message != "The server's disk is full: nothing was changed." || !errors.Is(err, store.ErrFull) {
		t.Errorf("%v", err)
	}
}
