package trace_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"thaw/internal/telemetry/trace"
)

// TestChain: what a function sends on with its calls counts them.
func TestChain(t *testing.T) {
	header := ""
	for hop := range 40 {
		accepted := trace.Accept(header, time.Unix(0, 0))
		if got := trace.Hops(accepted.Header); got != hop {
			t.Fatalf("hop %d: %d in %s", hop, got, accepted.Header)
		}
		if before, _ := trace.Parse(header); header != "" {
			after, _ := trace.Parse(accepted.Header)
			chain := func(h trace.Header) string { return h.Get(trace.Lineage)[:10] }
			if before.Get(trace.Root) != after.Get(trace.Root) || chain(before) != chain(after) {
				t.Fatalf("hop %d: %s became %s", hop, header, accepted.Header)
			}
		}
		header = accepted.Header
	}
}

func TestHops(t *testing.T) {
	for lineage, want := range map[string]int{
		"1:a1b2c3d4:0": 0, "1:a1b2c3d4:16": 16, "1:a1b2c3d4:32768": 32768,
		"": 0, "1:": 0, "1:a1b2c3d4": 0, "1:a1b2c3d4:": 0, "1:a1b2c3d4:-1": 0, "1:a1b2c3dg:5": 0, "2:a1b2c3d4:5": 0, "a1b2c3d4:5": 0,
		"1:a1b2c3d4:999999": 0, "1:" + strings.Repeat("a", 20) + ":5": 0,
	} {
		for _, header := range []string{"Lineage=" + lineage + ";Root=1", "Root=1;Lineage=" + lineage, fmt.Sprintf("Root=1;Lineage=%s;Sampled=1", lineage)} {
			if got := trace.Hops(header); got != want {
				t.Errorf("%s: %d, want %d", header, got, want)
			}
		}
	}
}
