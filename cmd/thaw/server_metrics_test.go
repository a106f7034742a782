package main

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/catalog"
	"thaw/internal/concurrency"
	"thaw/internal/lambda"
	"thaw/internal/pool"
	"thaw/internal/telemetry"
)

// TestScrapesOfThisMachine: who reads metrics without a signature.
func TestScrapesOfThisMachine(t *testing.T) {
	for name, c := range map[string]struct {
		peer, host, header string
		local              bool
	}{
		"Prometheus":             {"127.0.0.1:5000", "localhost:4566", "", true},
		"by IPv6":                {"[::1]:5000", "[::1]:4566", "", true},
		"mapped":                 {"[::ffff:127.0.0.1]:5000", "127.0.0.1:4566", "", true},
		"another machine":        {"192.0.2.1:5000", "localhost:4566", "", false},
		"a function":             {"169.254.100.2:5000", "169.254.100.1:9002", "", false},
		"a proxy":                {"127.0.0.1:5000", "localhost:4566", "X-Forwarded-For", false},
		"another kind of proxy":  {"127.0.0.1:5000", "localhost:4566", "Forwarded", false},
		"a web page":             {"127.0.0.1:5000", "localhost:4566", "Origin", false},
		"a web page's own name":  {"127.0.0.1:5000", "evil.example:4566", "", false},
		"no name":                {"127.0.0.1:5000", "", "", false},
		"a socket without peers": {"@", "localhost", "", false},
	} {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.RemoteAddr, r.Host = c.peer, c.host
		if c.header != "" {
			r.Header.Set(c.header, "for=192.0.2.1")
		}
		if got := localScrape(r); got != c.local {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// told keeps measures in short.
type told []string

func (m *told) Measure(one telemetry.Measure) {
	*m = append(*m, fmt.Sprintf("%s %s:%s %g", one.Metric, one.Function, one.Qualifier, one.Value))
}

// TestGaugesOfConcurrency: what is measured of the pool's peaks.
func TestGaugesOfConcurrency(t *testing.T) {
	f := &lambda.Function{Name: "f", Aliases: []lambda.Alias{{Name: "live", Version: "2"}}}
	f.Configs.Provisioned = []lambda.ProvisionedConcurrency{{Qualifier: "1"}, {Qualifier: "live"}}
	find := func(name string) (catalog.Record, bool) { return catalog.Record{Function: f}, name == "f" }
	for name, c := range map[string]struct {
		peaks pool.Figures
		want  told
	}{
		"nothing": {pool.Figures{Functions: []pool.FunctionFigures{{Function: "f", Versions: []pool.VersionFigures{{Version: "1", Provisioned: 2, Available: 2}}}}}, nil},
		"on demand": {
			pool.Figures{Usage: concurrency.Usage{Running: 3, Unreserved: 2, Claimed: 12}, Functions: []pool.FunctionFigures{{Function: "f", Running: 2}, {Function: "g", Running: 1}, {Function: "h"}}},
			told{
				"ClaimedAccountConcurrency : 12", "ConcurrentExecutions : 3", "ConcurrentExecutions f: 2", "ConcurrentExecutions g: 1", "UnreservedConcurrentExecutions : 2",
			},
		},
		"provisioned": {
			pool.Figures{Usage: concurrency.Usage{Running: 6}, Functions: []pool.FunctionFigures{
				{Function: "f", Running: 5, Versions: []pool.VersionFigures{{Version: "1", Busy: 1, Available: 4}, {Version: "2", Busy: 3, Available: 2}}},
				{Function: "gone", Running: 1, Versions: []pool.VersionFigures{{Version: "1", Busy: 1}}},
			}},
			told{
				"ConcurrentExecutions : 6", "ConcurrentExecutions f: 5", "ConcurrentExecutions gone: 1", "ProvisionedConcurrencyUtilization f:1 0.25",
				"ProvisionedConcurrencyUtilization f:live 1", "ProvisionedConcurrentExecutions : 5", "ProvisionedConcurrentExecutions f: 4",
				"ProvisionedConcurrentExecutions f:1 1", "ProvisionedConcurrentExecutions f:live 3", "ProvisionedConcurrentExecutions gone: 1",
				"UnreservedConcurrentExecutions : 0",
			},
		},
	} {
		var m told
		gauges{time.Now(), &m, find}.measure(c.peaks)
		slices.Sort(m)
		if diff := cmp.Diff(c.want, m); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
