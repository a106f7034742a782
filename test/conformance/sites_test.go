package conformance_test

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// sites are the servers of a run.
type sites struct {
	usual site
	// hurried makes later tries of events after a moment instead of minutes.
	hurried site
	// bus is the EventBridge to which the usual one sends.
	bus site
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
	s := &sites{}
	var flags []string
	if slices.ContainsFunc(cases, func(d derived) bool { return d.bus }) {
		s.bus = startBus(t)
		flags = []string{"--events-endpoint", s.bus.Endpoint}
	}
	s.usual = startServer(t, flags...).site()
	if slices.ContainsFunc(cases, func(d derived) bool { return d.hurried }) {
		s.hurried = startServer(t, ).site()
	}
	return s
}

func (s *server) site() site {
	return site{Endpoint: "http://" + s.address, KeyID: s.accessID, Secret: s.secret}
}

// startBus starts moto's server as an EventBridge with an SQS to read from.
func startBus(t *testing.T) site {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	log := &tail{}
	cmd := exec.Command(existing(t, "THAW_E2E_VENV", "build/venv", "bin/moto_server"), "-H", "127.0.0.1", "-p", port)
	cmd.Env = append(os.Environ(), "MOTO_ACCOUNT_ID="+account)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("the event bus's log:\n%s", log)
		}
	})
	bus := site{Endpoint: "http://" + address, KeyID: "store", Secret: "store"}
	for begin := time.Now(); ; time.Sleep(pollPause) {
		resp, err := http.Get(bus.Endpoint + "/moto-api/")
		if err == nil {
			resp.Body.Close()
			return bus
		}
		if time.Since(begin) > startLimit {
			t.Fatalf("the event bus was not ready within %s: %v\n%s", startLimit, err, log)
		}
	}
}
