package environment_test

import (
	"testing"
	"time"

	"thaw/internal/environment"
)

// TestFarewells holds the plan to the contract: §5.4 of a reset, §5.5 of a shutdown.
func TestFarewells(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		occasion           string
		internal, external bool
		runtime, all       time.Duration
	}{
		{"failed init", false, false, 0, 0},
		{"failed init", true, true, 0, 0},
		{"timeout", false, false, 0, 0},
		{"timeout", true, false, 600 * ms, 0},
		{"timeout", false, true, 600 * ms, 2000 * ms},
		{"timeout", true, true, 600 * ms, 2000 * ms},
		{"failure", false, false, 0, 0},
		{"failure", true, false, 600 * ms, 0},
		{"failure", false, true, 600 * ms, 2000 * ms},
		{"failure", true, true, 600 * ms, 2000 * ms},
		{"spindown", false, false, 0, 0},
		{"spindown", true, false, 500 * ms, 0},
		{"spindown", false, true, 300 * ms, 2000 * ms},
		{"spindown", true, true, 500 * ms, 2000 * ms},
	} {
		runtime, all := environment.Farewell(c.occasion, c.internal, c.external)
		if runtime != c.runtime || all != c.all {
			t.Errorf("%s, internal %v, external %v: %v for the runtime and %v in all, want %v and %v",
				c.occasion, c.internal, c.external, runtime, all, c.runtime, c.all)
		}
	}
}

func TestZoneOfARegion(t *testing.T) {
	for region, want := range map[string]string{
		"us-east-1": "use1-az1", "eu-central-1": "euc1-az1", "ap-southeast-2": "apse2-az1", "home": "home",
	} {
		if got := environment.ZoneID(region); got != want {
			t.Errorf("zone of %s is %s, want %s", region, got, want)
		}
	}
}
