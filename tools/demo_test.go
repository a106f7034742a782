// Package tools_test runs the shell scripts beside it with stand-ins for the
// programs that they drive.
package tools_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// program stands in for bin/thaw: its server does nothing but be there.
const program = `#!/bin/sh
case $1 in
serve)
	case $3 in *:1) echo "thaw: $3 is in use by another process" >&2; exit 5 ;; esac
	mkdir -p "$5/store"
	printf '{"address":"%s","pid":%d}\n' "$3" $$ >"$5/server.json"
	exec sleep 60
	;;
doctor) case $3 in *:2) echo "missing   port   in use" ;; esac ;;
esac
`

// clone is a directory with the scripts and the stand-ins.
func clone(t *testing.T) string {
	t.Helper()
	script, err := os.ReadFile("demo.sh")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"tools/demo.sh":                          string(script),
		"bin/thaw":                               program,
		"runtimes/build.sh":                      "#!/bin/sh\n[ \"$1\" != --list ] || printf 'python3.11\\nnodejs22.x\\n'\n",
		"build/runtimes/python3.11/runtime.json": "{}",
		"build/runtimes/nodejs22.x/runtime.json": "{}",
		"build/demo/deployed":                    "by the user",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func demo(t *testing.T, dir, address string, args ...string) (output string, err error) {
	t.Helper()
	cmd := exec.Command("/bin/sh", append([]string{filepath.Join(dir, "tools", "demo.sh")}, args...)...)
	cmd.Env = append(os.Environ(), "LISTEN="+address)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

var serverProcess = regexp.MustCompile(`To end it: kill (\d+)`)

// TestDemoKeepsWhatIsDeployed, and tells how to find it again.
func TestDemoKeepsWhatIsDeployed(t *testing.T) {
	dir := clone(t)
	out, err := demo(t, dir, "127.0.0.1:3")
	if err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	pid, err := strconv.Atoi(serverProcess.FindStringSubmatch(out)[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("the server does not go on: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "build", "demo", "deployed")); err != nil {
		t.Error(err)
	}
	if !strings.Contains(out, "bin/thaw serve --listen 127.0.0.1:3 --data build/demo --runtimes build/runtimes") {
		t.Errorf("how to start it again is not told: %s", out)
	}
}

// TestDemoOnATakenPort: found out before, or by the server itself.
func TestDemoOnATakenPort(t *testing.T) {
	for _, address := range []string{"127.0.0.1:1", "127.0.0.1:2"} {
		out, err := demo(t, clone(t), address)
		if err == nil || !strings.Contains(out, address+" is in use by another process") || !strings.Contains(out, "make demo LISTEN=") {
			t.Errorf("%s: %v, %s", address, err, out)
		}
	}
}

// TestDemoEndsItsOwnServerOnly: the number in server.json may have become that of
// another server.
func TestDemoEndsItsOwnServerOnly(t *testing.T) {
	dir := clone(t)
	if out, err := demo(t, dir, "127.0.0.1:3", "stop"); err != nil || out != "" {
		t.Errorf("without a server: %v, %s", err, out)
	}
	other := exec.Command("/bin/sh", "-c", "read line", "thaw serve --data elsewhere")
	input, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "build", "demo", "server.json")
	if err := os.WriteFile(file, fmt.Appendf(nil, `{"address":"127.0.0.1:3","pid":%d,"region":"us-east-1"}`, other.Process.Pid), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := demo(t, dir, "127.0.0.1:3", "stop"); err == nil || !strings.Contains(out, "end it first") {
		t.Errorf("another server: %v, %s", err, out)
	}
	if _, err := input.Write([]byte("end\n")); err != nil {
		t.Fatal(err)
	}
	if err := other.Wait(); err != nil {
		t.Errorf("the other server was ended: %v", err)
	}
}
