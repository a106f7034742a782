package e2e_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"thaw/internal/linux/network"
	"thaw/internal/linux/network/networktest"
)

// The internet of these tests: one server, which has a name.
const (
	internetName = "service.example"
	internetURL  = "http://" + internetName + "/"
)

// internet makes a host of the test's own with an internet beyond it. It tells
// whether this is the process that is on it.
func internet(t *testing.T) bool {
	t.Helper()
	needRoot(t)
	if !networktest.OnHostOfItsOwn(t) {
		return false
	}
	w := networktest.NewWorld(t)
	w.ResolveBy(t, networktest.Server)
	var web, metadata net.Listener
	var names net.PacketConn
	networktest.Must(t, network.Inside(w.Internet, func() (err error) {
		if web, err = net.Listen("tcp4", networktest.Server+":80"); err != nil {
			return err
		}
		if metadata, err = net.Listen("tcp4", networktest.LinkLocal+":80"); err != nil {
			return err
		}
		names, err = net.ListenPacket("udp4", networktest.Server+":53")
		return err
	}))
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		io.WriteString(w, "hello "+host)
	})}
	go server.Serve(web)
	go server.Serve(metadata)
	go answerNames(names)
	t.Cleanup(func() { server.Close(); names.Close() })
	return true
}

// answerNames knows one name.
func answerNames(p net.PacketConn) {
	buffer := make([]byte, 1<<10)
	for {
		n, from, err := p.ReadFrom(buffer)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buffer[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
		q := m.Questions[0]
		switch {
		case strings.TrimSuffix(q.Name.String(), ".") != internetName:
			m.RCode = dnsmessage.RCodeNameError
		case q.Type == dnsmessage.TypeA:
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 1},
				Body:   &dnsmessage.AResource{A: [4]byte(net.ParseIP(networktest.Server).To4())},
			}}
		}
		if answer, err := m.Pack(); err == nil {
			p.WriteTo(answer, from)
		}
	}
}

// reach asks a function that reaches out.
func (s *server) reach(t *testing.T, name string, ways [][2]string) map[string]string {
	t.Helper()
	var got map[string]string
	s.invoke(t, name, map[string]any{"ways": ways}).decode(t, &got)
	return got
}

// TestFunctionsReachOut: by name and by number, under the host's address, and
// neither the host nor what is of it.
func TestFunctionsReachOut(t *testing.T) {
	if !internet(t) {
		return
	}
	hostServer, err := net.Listen("tcp4", "0.0.0.0:8080")
	networktest.Must(t, err)
	defer hostServer.Close()
	s := start(t, "--network", "nat")
	s.deployKeeping(t, "python", spec{runtime: python(t), handler: "handler.handler", zip: source(t, "python/reach"), timeout: 60, memory: 256})
	s.deployKeeping(t, "node", spec{runtime: node(t), handler: "index.handler", zip: source(t, "node/reach"), timeout: 60, memory: 256})
	got := s.reach(t, "python", [][2]string{
		{"fetch", internetURL}, {"resolve", internetName}, {"resolve", "nobody.example"}, {"fetch", "http://" + networktest.Server + "/"},
		{"connect", networktest.Host + ":8080"}, {"connect", s.address}, {"connect", networktest.LinkLocal + ":80"},
		{"connect", "sandbox.localdomain:9001"},
	})
	want := map[string]string{
		"fetch " + internetURL: "hello " + networktest.Host, "resolve " + internetName: networktest.Server, "resolve nobody.example": "no such name",
		"fetch http://" + networktest.Server + "/": "hello " + networktest.Host,
		"connect " + networktest.Host + ":8080":    "ECONNREFUSED",
		"connect " + s.address:                     "ECONNREFUSED",
		"connect " + networktest.LinkLocal + ":80": "ECONNREFUSED",
		"connect sandbox.localdomain:9001":         "connected",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("python (-want +got):\n%s", diff)
	}
	got = s.reach(t, "node", [][2]string{{"fetch", internetURL}, {"resolve", internetName}, {"resolve", "nobody.example"}})
	want = map[string]string{
		"fetch " + internetURL: "hello " + networktest.Host, "resolve " + internetName: networktest.Server, "resolve nobody.example": "ENOTFOUND",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("node (-want +got):\n%s", diff)
	}
	if err := s.end(); err != nil {
		t.Error(err)
	}
	hostUnchanged(t)
}

// hostUnchanged looks for what a server does to the host's network.
func hostUnchanged(t *testing.T) {
	t.Helper()
	links, err := network.OpenLinks()
	networktest.Must(t, err)
	defer links.Close()
	names, err := links.Named("thaw")
	networktest.Must(t, err)
	tables, err := network.Tables("thaw-")
	networktest.Must(t, err)
	forwards, err := network.Forwarding()
	networktest.Must(t, err)
	if len(names)+len(tables) > 0 || forwards {
		t.Errorf("the host has interfaces %v, tables %v, forwards: %t", names, tables, forwards)
	}
}

// TestNoNetwork: nothing is reached, and nothing of the host is changed; the API
// is there.
func TestNoNetwork(t *testing.T) {
	if !internet(t) {
		return
	}
	s := start(t, "--network", "none", "--function-allow", "lambda:ListFunctions")
	hostUnchanged(t)
	s.deployKeeping(t, "reach", spec{runtime: python(t), handler: "handler.handler", zip: source(t, "python/reach"), timeout: 60, memory: 256})
	s.deployKeeping(t, "calls", callers(t)["python"])
	began := time.Now()
	got := s.reach(t, "reach", [][2]string{{"fetch", internetURL}, {"connect", networktest.Server + ":80"}, {"connect", networktest.LinkLocal + ":80"}})
	want := map[string]string{
		"fetch " + internetURL: "no such name", "connect " + networktest.Server + ":80": "ENETUNREACH", "connect " + networktest.LinkLocal + ":80": "ENETUNREACH",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %v to be told", took)
	}
	if diff := cmp.Diff(called{Answer: []any{"calls", "reach"}}, s.call(t, "calls", map[string]any{"call": "list"})); diff != "" {
		t.Errorf("the API (-want +got):\n%s", diff)
	}
}

// TestNetworkSurvivesAKill: the next server removes what a killed one has left, and
// its functions reach out again.
func TestNetworkSurvivesAKill(t *testing.T) {
	if !internet(t) {
		return
	}
	dir := t.TempDir()
	s := startIn(t, dir)
	s.deployKeeping(t, "reach", spec{runtime: python(t), handler: "handler.handler", zip: source(t, "python/reach"), timeout: 60, memory: 256})
	want := map[string]string{"fetch " + internetURL: "hello " + networktest.Host}
	if diff := cmp.Diff(want, s.reach(t, "reach", [][2]string{{"fetch", internetURL}})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.kill()
	next := startIn(t, dir)
	if diff := cmp.Diff(want, next.reach(t, "reach", [][2]string{{"fetch", internetURL}})); diff != "" {
		t.Errorf("after a kill (-want +got):\n%s", diff)
	}
	if err := next.end(); err != nil {
		t.Error(err)
	}
	hostUnchanged(t)
}

func serveCommand(ctx context.Context, t *testing.T, flags ...string) *exec.Cmd {
	t.Helper()
	args := []string{"serve", "--listen", "127.0.0.1:0", "--data", t.TempDir(), "--runtimes", runtimesDir(t)}
	return exec.CommandContext(ctx, thaw(t), append(args, flags...)...)
}

// TestSubnetThatIsTaken: who asks for a network gets it or an error; who leaves it
// to the server gets one without.
func TestSubnetThatIsTaken(t *testing.T) {
	if !internet(t) {
		return
	}
	const taken = "198.51.100.0/28"
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	out, err := serveCommand(ctx, t, "--network", "nat", "--network-subnet", taken).CombinedOutput()
	if err == nil || ctx.Err() != nil || !strings.Contains(string(out), "network is in use on this host") {
		t.Errorf("%v, %v: %s", err, ctx.Err(), out)
	}
	s := start(t, "--network-subnet", taken)
	if !strings.Contains(s.stderr.String(), "functions reach nothing beyond this server") {
		t.Errorf("no warning: %s", s.stderr)
	}
	hostUnchanged(t)
}
