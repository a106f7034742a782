package main

import (
	"slices"
	"testing"
	"time"

	"thaw/internal/concurrency"
)

// TestCrowded: a tenth of what no function has for itself is left, whatever the
// others have.
func TestCrowded(t *testing.T) {
	for _, c := range []struct {
		account, reserved, inUse int
		want                     bool
	}{
		{1000, 0, 0, false}, {1000, 0, 899, false}, {1000, 0, 900, true}, {1000, 0, 1000, true},
		{1000, 900, 0, false}, {1000, 900, 89, false}, {1000, 900, 90, true},
		{1, 0, 0, false}, {1, 0, 1, true}, {9, 0, 8, false}, {10, 0, 9, true},
	} {
		u := concurrency.Usage{Running: c.inUse, Unreserved: c.inUse, Claimed: c.reserved + c.inUse}
		if got := crowded(c.account, u); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}

func TestDelays(t *testing.T) {
	for text, want := range map[string][]time.Duration{
		"1m,2m": {time.Minute, 2 * time.Minute}, "100ms": {100 * time.Millisecond}, "": nil, "1s,1s,1s": nil, "1s,": nil, "1ms": nil, "2h": nil, "soon": nil,
	} {
		var got delays
		if err := got.Set(text); (err == nil) != (want != nil) || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
