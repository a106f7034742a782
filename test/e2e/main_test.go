package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	// A process that outlives its server becomes a child of this one, where the
	// leak check finds it.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "become the reaper of orphans:", err)
		os.Exit(1)
	}
	if err := house.open(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := house.close(); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL: after all tests:", err)
		code = 1
	}
	os.Exit(code)
}

// house is what the tests of one run share.
var house = &workshop{}

// workshop makes, once, what many tests need.
type workshop struct {
	dir string // for everything that is built

	mu       sync.Mutex
	programs map[string]string // Go programs by their package and flags
	serving  map[int]bool      // processes of the servers that run
	shared   *server
	full     kernel // what the shared server holds while no function exists
}

func (w *workshop) open() (err error) {
	w.programs, w.serving = make(map[string]string), make(map[int]bool)
	w.dir, err = os.MkdirTemp("", "thaw-e2e-")
	return err
}

func (w *workshop) close() error {
	var err error
	if w.shared != nil {
		err = w.shared.end()
	}
	return errors.Join(err, os.RemoveAll(w.dir))
}

// serves tells whether a process is a server that runs.
func (w *workshop) serves(pid int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.serving[pid]
}

func (w *workshop) mark(pid int, runs bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serving[pid] = runs
}

// program builds a Go package once and returns the file.
func (w *workshop) program(t testing.TB, pkg string, flags ...string) string {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	key := strings.Join(append(flags, pkg), " ")
	if file, ok := w.programs[key]; ok {
		return file
	}
	file := filepath.Join(w.dir, fmt.Sprint(len(w.programs)), filepath.Base(pkg))
	args := append([]string{"build", "-trimpath", "-ldflags=-s -w", "-o", file}, flags...)
	cmd := exec.Command("go", append(args, pkg)...)
	cmd.Dir = clone(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	w.programs[key] = file
	return file
}

// thaw is the program under test. thaw-init is carried inside it; an overlay
// puts it there without touching the clone, which others may be building too.
func thaw(t testing.TB) string {
	t.Helper()
	if file := os.Getenv("THAW_E2E_PROGRAM"); file != "" {
		return file
	}
	initProgram := house.program(t, "./cmd/thaw-init")
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		filepath.Join(clone(t), "cmd/thaw/initbin/thaw-init"): initProgram,
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(house.dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	return house.program(t, "./cmd/thaw", "-overlay="+file)
}

// clone is the root of this module.
func clone(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// missing ends a test that lacks something: with a skip, or with a failure where
// everything is to be there.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("THAW_E2E_REQUIRE") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// needRoot is what every test that starts a server asks for.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "sandboxes need root")
	}
}

// runtimesDir is where the managed runtimes are built.
func runtimesDir(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("THAW_E2E_RUNTIMES"); dir != "" {
		return dir
	}
	return filepath.Join(clone(t), "build", "runtimes")
}

// managed lists the built runtimes whose name begins with a language.
func managed(t testing.TB, language string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(runtimesDir(t), language+"*", "runtime.json"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range found {
		names = append(names, filepath.Base(filepath.Dir(file)))
	}
	if len(names) == 0 {
		missing(t, "no %s runtime is built in %s: run \"make runtimes\"", language, runtimesDir(t))
	}
	return names
}

// python is the newest built Python runtime: the language of most functions that
// behave badly here.
func python(t testing.TB) string {
	t.Helper()
	newest := ""
	for _, name := range managed(t, "python") {
		if len(name) > len(newest) || len(name) == len(newest) && name > newest {
			newest = name
		}
	}
	return newest
}

// node is the oldest built Node runtime.
func node(t testing.TB) string {
	t.Helper()
	return managed(t, "nodejs")[0]
}

// client is a program of the Python environment: aws or python.
func client(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("THAW_E2E_VENV")
	if dir == "" {
		dir = filepath.Join(clone(t), "build", "venv")
	}
	file := filepath.Join(dir, "bin", name)
	if _, err := os.Stat(file); err != nil {
		missing(t, "no %s: \"make test\" installs the AWS CLI and boto3 there", file)
	}
	return file
}
