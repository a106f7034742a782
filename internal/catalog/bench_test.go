package catalog_test

import (
	"fmt"
	"log/slog"
	"testing"

	"thaw/internal/catalog"
	"thaw/internal/store/local"
)

// BenchmarkOpen starts a store and a catalog that hold 10,000 functions.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	logger := slog.New(slog.DiscardHandler)
	start := func() (*local.Store, *catalog.Catalog) {
		s, err := local.Open(b.Context(), local.Options{Dir: dir, Logger: logger})
		if err != nil {
			b.Fatal(err)
		}
		c, err := catalog.Open(b.Context(), s.Metadata(), catalog.Options{Logger: logger})
		if err != nil {
			b.Fatal(err)
		}
		return s, c
	}
	stop := func(s *local.Store, c *catalog.Catalog) {
		c.Close()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	s, c := start()
	for i := range 10_000 {
		f := full()
		f.Name, f.Versions = fmt.Sprintf("function-%d", i), nil
		if _, err := c.PutFunction(b.Context(), f, 0); err != nil {
			b.Fatal(err)
		}
	}
	stop(s, c)
	for b.Loop() {
		s, c := start()
		if n := len(c.Functions()); n != 10_000 {
			b.Fatalf("%d functions", n)
		}
		b.StopTimer()
		stop(s, c)
		b.StartTimer()
	}
}

func BenchmarkFunction(b *testing.B) {
	s, err := local.Open(b.Context(), local.Options{Dir: b.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	c := open(b, s.Metadata())
	if _, err := c.PutFunction(b.Context(), full(), 0); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, ok := c.Function("full"); !ok {
			b.Fatal("not there")
		}
	}
}
