package e2e_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDefaults looks at what a server does that is told nothing but where to
// keep its data: it listens on loopback only and trusts nobody.
func TestDefaults(t *testing.T) {
	out, err := exec.Command(thaw(t), "serve", "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{`127.0.0.1:4566`, `sigv4`} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("the help of serve does not name %s:\n%s", want, out)
		}
	}
}

// TestKeysArePrivate looks at the files that hold secrets.
func TestKeysArePrivate(t *testing.T) {
	s := shared(t)
	info, err := os.Stat(filepath.Join(s.dir, "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("keys.json has mode %v", got)
	}
	info, err = os.Stat(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got&0o022 != 0 {
		t.Errorf("the data directory has mode %v", got)
	}
}

// TestListensOnLoopbackOnly compares the sockets of the server with what it was
// told.
func TestListensOnLoopbackOnly(t *testing.T) {
	s := shared(t)
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		ip := a.(*net.IPNet).IP
		if ip.IsLoopback() || ip.IsLinkLocalUnicast() {
			continue
		}
		c, err := net.DialTimeout("tcp", net.JoinHostPort(ip.String(), port), time.Second)
		if err == nil {
			c.Close()
			t.Errorf("the server answers on %v", ip)
		}
	}
}

// TestNoAuthenticationOnlyOnLoopback refuses to serve everybody without asking
// who he is.
func TestNoAuthenticationOnlyOnLoopback(t *testing.T) {
	needRoot(t)
	for _, listen := range []string{"0.0.0.0:0", "[::]:0", ":0"} {
		ctx, cancel := context.WithTimeout(t.Context(), startLimit)
		defer cancel()
		cmd := exec.CommandContext(ctx, thaw(t), "serve", "--listen", listen, "--auth", "none",
			"--data", t.TempDir(), "--runtimes", runtimesDir(t))
		out, err := cmd.CombinedOutput()
		if err == nil || ctx.Err() != nil || !strings.Contains(string(out), "loopback") {
			t.Errorf("listen on %s without authentication: %v, %v\n%s", listen, err, ctx.Err(), out)
		}
	}
	s := start(t, "--auth", "none")
	if r := s.send(t, "GET", functionsPath+"/nobody", nil, time.Time{}); r.status != 404 {
		t.Errorf("on loopback: %d %s, want 404", r.status, r.body)
	}
}

// TestAccountLimit fills the account's concurrency: the next caller is told so,
// and is served when the others are done.
func TestAccountLimit(t *testing.T) {
	s := start(t, "--account-concurrency", "2")
	s.deployKeeping(t, "crowded", goEcho(t))
	v := s.fire(t.Context(), []string{"crowded"}, 2, func(int) time.Duration { return 2 * time.Second })
	s.busy(t, 2, "crowded")
	err := eventually(2*time.Second, func() error {
		_, err := s.tryInvoke(t.Context(), "crowded", map[string]any{})
		if err == nil {
			return permanent{context.Canceled}
		}
		wantError(t, err, 429, "TooManyRequestsException", "Rate Exceeded.")
		return nil
	})
	if err != nil {
		t.Errorf("the third invocation was not refused: %v", err)
	}
	v.wait.Wait()
	if v.good != 2 {
		t.Errorf("the first two: %v %v", v.errs, v.bad)
	}
	s.invoke(t, "crowded", map[string]any{"value": 3}).decode(t, &echoed{})
}

// TestKeepAlive ends an environment that nobody has used for the keep-alive.
func TestKeepAlive(t *testing.T) {
	s := start(t, "--keep-alive", "1s")
	before := s.filled(t)
	s.deployKeeping(t, "short", goEcho(t))
	var first, second, third echoed
	s.invoke(t, "short", map[string]any{}).decode(t, &first)
	s.invoke(t, "short", map[string]any{}).decode(t, &second)
	if first.Count != 1 || second.Count != 2 {
		t.Errorf("counts %d and %d, want one environment", first.Count, second.Count)
	}
	s.noMoreThan(t, before)
	s.invoke(t, "short", map[string]any{}).decode(t, &third)
	if third.Count != 1 {
		t.Errorf("count %d after the keep-alive, want a new environment", third.Count)
	}
}
