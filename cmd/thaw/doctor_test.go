package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// fixtureHost is a machine made of a txtar archive of its /proc, /sys and /dev.
func fixtureHost(t *testing.T, archive string) host {
	t.Helper()
	parsed, err := txtar.ParseFile(filepath.Join("testdata", "doctor", archive))
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, file := range parsed.Files {
		name := filepath.Join(root, file.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, file.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return host{
		root: root, release: "6.1.0-18-amd64", dataDir: "/var/lib/thaw", address: "127.0.0.1:4566", runtimes: "/nowhere",
		lookPath:      func(name string) (string, error) { return "/usr/sbin/" + name, nil },
		listen:        func(string) error { return nil },
		freeBytes:     func(string) (uint64, error) { return 5 << 30, nil },
		freeInodes:    func(string) (uint64, error) { return 500_000, nil },
		userNamespace: func() error { return nil },
		now:           func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
		newGroup:      func(string) ([]string, error) { return []string{"cgroup.freeze", "cgroup.kill"}, nil },
		makeTree:      func() error { return nil },
		network:       func() error { return nil },
		obstacle:      func() (string, error) { return "", nil },
	}
}

// inspect runs all checks but the one of the program itself.
func inspect(h host) []finding {
	var findings []finding
	for _, c := range hostChecks() {
		if c.Name != "thaw-init" {
			findings = append(findings, c.run(h))
		}
	}
	return findings
}

func TestDoctor(t *testing.T) {
	tests := []struct {
		name, archive string
		change        func(*host)
	}{
		{"unified", "unified.txtar", func(*host) {}},
		{"hybrid", "hybrid.txtar", func(*host) {}},
		{"bare", "bare.txtar", func(h *host) {
			h.euid, h.release = 1000, "4.19.0"
			h.lookPath = func(string) (string, error) { return "", errors.New("not found") }
			h.listen = func(string) error { return errors.New("listen tcp 127.0.0.1:4566: bind: address already in use") }
			h.freeBytes = func(string) (uint64, error) { return 100 << 20, nil }
			h.freeInodes = func(string) (uint64, error) { return 10, nil }
			h.now = func() time.Time { return time.Unix(0, 0) }
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := fixtureHost(t, test.archive)
			test.change(&h)
			var out bytes.Buffer
			if err := printFindings(&out, inspect(h), false); err != nil {
				t.Fatal(err)
			}
			compareGolden(t, filepath.Join("testdata", "doctor", test.name+".txt"), out.String())
		})
	}
}

// TestDoctorJSON: every member that a script needs is there.
func TestDoctorJSON(t *testing.T) {
	var out bytes.Buffer
	if err := printFindings(&out, inspect(fixtureHost(t, "bare.txtar")), true); err != nil {
		t.Fatal(err)
	}
	var findings []finding
	if err := json.Unmarshal(out.Bytes(), &findings); err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.Check == "" || f.Detail == "" || f.Meaning == "" || (f.Fix == "") != (f.Status == statusOK) {
			t.Errorf("%+v is incomplete", f)
		}
	}
}

// TestDoctorCounts: there are as many checks as were promised, each with its own
// name, and each says what it is for and what to do.
func TestDoctorCounts(t *testing.T) {
	names := map[string]bool{}
	for _, c := range hostChecks() {
		if names[c.Name] || c.Meaning == "" || c.Fix == "" {
			t.Errorf("%q is there twice or incomplete", c.Name)
		}
		names[c.Name] = true
	}
	if len(names) < 30 {
		t.Errorf("%d checks", len(names))
	}
}

// TestCheckUserNamespaces: in a chroot the limit is fine and none can be made.
func TestCheckUserNamespaces(t *testing.T) {
	h := fixtureHost(t, "unified.txtar")
	if detail, ok := checkUserNamespaces(h); !ok {
		t.Error(detail)
	}
	h.userNamespace = func() error { return errors.New("operation not permitted") }
	if detail, ok := checkUserNamespaces(h); ok || !strings.Contains(detail, "operation not permitted") {
		t.Errorf("%q, %v", detail, ok)
	}
	h.euid = 1000
	if detail, ok := checkUserNamespaces(h); !ok {
		t.Errorf("another user may not try, but the server is root: %s", detail)
	}
}

func TestCheckSwap(t *testing.T) {
	tests := []struct {
		name, swaps, mounts string
		want                bool
	}{
		{"none", "Filename\tType\n", "", true},
		{"v2", "Filename\tType\n/dev/sda2\tpartition\n", "cgroup2 /cg cgroup2 rw 0 0\n", true},
		{"without accounting", "Filename\tType\n/dev/sda2\tpartition\n", "cgroup /cg cgroup rw,memory 0 0\n", false},
	}
	for _, test := range tests {
		root := t.TempDir()
		writeFile(t, filepath.Join(root, "proc/swaps"), test.swaps)
		writeFile(t, filepath.Join(root, "proc/self/mounts"), test.mounts)
		writeFile(t, filepath.Join(root, "cg/cgroup.controllers"), "memory cpu\n")
		if detail, ok := checkSwap(host{root: root}); ok != test.want {
			t.Errorf("%s: %v (%s)", test.name, ok, detail)
		}
	}
}

func TestCheckKernel(t *testing.T) {
	tests := map[string]bool{
		"5.14.0": true, "5.13.9": false, "6.18.44-x": true, "5.15": true, "5.14-rc1": true, "7.0": true,
		"4.19.0": false, "": false, "unknown": false, "6.x": false,
	}
	for release, want := range tests {
		if _, ok := checkKernel(host{release: release}); ok != want {
			t.Errorf("kernel %q: %v, want %v", release, ok, want)
		}
	}
}

// TestCheckNetwork: what the kernel refuses, and what other rules do, is told.
func TestCheckNetwork(t *testing.T) {
	h := fixtureHost(t, "unified.txtar")
	for _, check := range []func(host) (string, bool){checkNetwork, checkPacketFilter} {
		if detail, ok := check(h); !ok {
			t.Error(detail)
		}
	}
	h.network = func() error { return errors.New("make table thaw-try: operation not supported") }
	if detail, ok := checkNetwork(h); ok || !strings.Contains(detail, "not supported") {
		t.Errorf("%q, %v", detail, ok)
	}
	h.euid = 1000
	if detail, ok := checkNetwork(h); !ok {
		t.Errorf("another user may not try, but the server is root: %s", detail)
	}
	h.obstacle = func() (string, error) { return "filter FORWARD", nil }
	if detail, ok := checkPacketFilter(h); ok || !strings.Contains(detail, "filter FORWARD") {
		t.Errorf("%q, %v", detail, ok)
	}
}

// TestCheckResolver: comments and other lines are passed over.
func TestCheckResolver(t *testing.T) {
	for text, want := range map[string]bool{
		"# nameserver 10.0.0.1\nsearch a.example\n": false, "": false, "search x\nnameserver\t10.0.0.1\n": true,
	} {
		root := t.TempDir()
		writeFile(t, filepath.Join(root, "etc/resolv.conf"), text)
		if detail, ok := checkResolver(host{root: root}); ok != want {
			t.Errorf("%q: %v (%s)", text, ok, detail)
		}
	}
}

// TestCheckCgroup2HandsDown: a hierarchy whose controllers stay where they are is
// of no use.
func TestCheckCgroup2HandsDown(t *testing.T) {
	h := fixtureHost(t, "unified.txtar")
	h.makeTree = func() error { return errors.New("/sys/fs/cgroup holds processes") }
	if detail, ok := checkCgroup2(h); ok || detail != "/sys/fs/cgroup holds processes" {
		t.Errorf("detail %q, %v; want the driver's error", detail, ok)
	}
}

func TestCgroups(t *testing.T) {
	got := fixtureHost(t, "hybrid.txtar").cgroups()
	for _, controller := range []string{"memory", "cpu", "cpuacct", "pids"} {
		if !strings.HasPrefix(got.legacy[controller], "/sys/fs/cgroup/") {
			t.Errorf("%s is at %q", controller, got.legacy[controller])
		}
	}
	if diff := cmp.Diff([]string{"hugetlb"}, got.controllers); diff != "" {
		t.Errorf("v2 controllers (-want +got):\n%s", diff)
	}
}

// TestDoctorOnThisMachine: whatever the machine is, doctor comes to an end, and
// its exit code agrees with what it says.
func TestDoctorOnThisMachine(t *testing.T) {
	isolate(t)
	stdout, _, code := runVerb(t, "", "doctor", "--json", "--listen", "127.0.0.1:0")
	var findings []finding
	if err := json.Unmarshal([]byte(stdout), &findings); err != nil {
		t.Fatal(err)
	}
	want := exitOK
	for _, f := range findings {
		if f.Status == statusMissing {
			want = exitFailed
		}
	}
	if code != want || len(findings) != len(hostChecks()) {
		t.Errorf("exit code %d with %d findings, want %d", code, len(findings), want)
	}
}
