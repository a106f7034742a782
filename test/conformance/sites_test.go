package conformance_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"
)

// sites are the servers of a run.
type sites struct {
	usual site
	// hurried makes later tries of events after a moment instead of minutes.
	hurried site
	// bus gets what the usual one sends to EventBridge.
	bus *bus
}

// of is where a case is run.
func (s *sites) of(d derived) site {
	if d.hurried {
		return s.hurried
	}
	return s.usual
}

// startSites starts what the cases need.
func startSites(t *testing.T, cases []derived) *sites {
	t.Helper()
	b, address := startBus(t)
	s := &sites{usual: startServer(t, "--events-endpoint", address).site(), bus: b}
	if slices.ContainsFunc(cases, func(d derived) bool { return d.hurried }) {
		s.hurried = startServer(t, "--async-retry-delays", "100ms,200ms").site()
	}
	return s
}

func (s *server) site() site {
	return site{Endpoint: "http://" + s.address, KeyID: s.accessID, Secret: s.secret}
}

// bus stands for EventBridge: it keeps the events that it makes of entries.
type bus struct {
	mu     sync.Mutex
	events []any
}

// startBus starts one, and tells where.
func startBus(t *testing.T) (*bus, string) {
	t.Helper()
	b := &bus{}
	s := httptest.NewServer(b)
	t.Cleanup(s.Close)
	return b, s.URL
}

// ServeHTTP answers PutEvents. An event has the members of its entry, and the bus's own.
func (b *bus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Entries []struct {
			Source, DetailType, Detail string
			Resources                  []any
			Time                       float64
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Header.Get("X-Amz-Target") != "AWSEvents.PutEvents" {
		http.Error(w, `{"__type":"ValidationException"}`, http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var entries []m
	for _, e := range in.Entries {
		id := fmt.Sprintf("%08x-0000-4000-8000-%012x", len(b.events), len(b.events))
		b.events = append(b.events, m{
			"version": "0", "id": id, "account": account, "region": region, "source": e.Source, "detail-type": e.DetailType,
			"resources": e.Resources, "detail": e.Detail, "time": time.Unix(int64(e.Time), 0).UTC().Format(time.RFC3339),
		})
		entries = append(entries, m{"EventId": id})
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	json.NewEncoder(w).Encode(m{"FailedEntryCount": 0, "Entries": entries})
}

// about finds the event whose resources are these.
func (b *bus) about(resources []any, number int) (event any, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, event := range b.events {
		if !reflect.DeepEqual(event.(m)["resources"], resources) {
			continue
		}
		if number--; number < 0 {
			return event, true
		}
	}
	return nil, false
}
