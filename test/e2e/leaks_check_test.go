package e2e_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// TestLeakCheck leaves something of each kind behind, as a server could, and
// looks whether the check of all other tests tells.
func TestLeakCheck(t *testing.T) {
	s := start(t)
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	if err := s.observe().empty(); err != nil {
		t.Fatal(err)
	}
	var group string
	for name := range s.groups {
		group = filepath.Join("/sys/fs/cgroup", hierarchy(t), name)
	}
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(group)
	file := filepath.Join(s.dir, "sandbox", "left")
	if err := os.WriteFile(file, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	loop, err := exec.Command("losetup", "--find", "--show", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Command("losetup", "--detach", strings.TrimSpace(string(loop))).Run()
	mount := filepath.Join(s.dir, "mounted")
	if err := os.Mkdir(mount, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "none", mount).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	defer exec.Command("umount", mount).Run()
	s.subnet = netip.MustParsePrefix("203.0.113.0/24")
	name := fmt.Sprintf("thawleak%d", os.Getpid()%10_000)
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name + "p"}
	if err := netlink.LinkAdd(link); err != nil {
		t.Fatalf("make a pair of interfaces: %v", err)
	}
	defer netlink.LinkDel(link)
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(203, 0, 113, 77), Mask: net.CIDRMask(32, 32)}}); err != nil {
		t.Fatalf("give an interface an address: %v", err)
	}
	// The shell ends and leaves its child to the reaper of orphans, which is us.
	out, err := exec.Command("sh", "-c", "sleep 100 >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Command("kill", "-9", strings.TrimSpace(string(out))).Run()
	for _, part := range s.observe().parts() {
		if part.name != "descriptors" && len(part.list) != 1 {
			t.Errorf("%d %s are seen, want 1: %v", len(part.list), part.name, part.list)
		}
	}
}

// hierarchy is a cgroup hierarchy that exists on this host: that of version 2.
func hierarchy(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat("/sys/fs/cgroup/unified"); err == nil {
		return "unified"
	}
	return ""
}
