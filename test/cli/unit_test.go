package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestUnits has systemd check the units, with this program in the place of the
// installed one.
func TestUnits(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("no systemd-analyze")
	}
	dir := t.TempDir()
	for _, name := range []string{"thaw.service", "thaw.socket"} {
		unit, err := os.ReadFile(filepath.Join("../../packaging", name))
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.ReplaceAll(string(unit), "/usr/local/bin/thaw", "/bin/true")
		save(t, filepath.Join(dir, name), changed)
	}
	cmd := exec.Command("systemd-analyze", "verify", "--man=no", filepath.Join(dir, "thaw.service"), filepath.Join(dir, "thaw.socket"))
	out, err := cmd.CombinedOutput()
	// It may also speak of units of the machine; only what it says of these counts.
	if complaint := regexp.MustCompile(`(?m)^.*thaw\.(service|socket).*$`).Find(out); complaint != nil {
		t.Errorf("systemd: %s", complaint)
	} else if err != nil {
		t.Logf("systemd-analyze: %v\n%s", err, out)
	}
}

// TestUnitLeavesSandboxesPossible: settings under which no sandbox can be made, or
// no function run, are not in the unit.
func TestUnitLeavesSandboxesPossible(t *testing.T) {
	unit, err := os.ReadFile("../../packaging/thaw.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{
		"ProtectProc", "ProcSubset", "ProtectKernelTunables", "ProtectKernelLogs", "PrivateDevices", "ProtectClock",
		"ProtectControlGroups", "RestrictNamespaces", "ProtectHostname", "MemoryDenyWriteExecute", "PrivateUsers", "DynamicUser",
	} {
		if regexp.MustCompile(`(?m)^` + setting + `=`).Match(unit) {
			t.Errorf("%s is set", setting)
		}
	}
}
