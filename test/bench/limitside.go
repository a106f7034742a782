package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// limitSide runs the limit program: one process per function for warm
// invocations, and one for cold ones.
type limitSide struct {
	work    string
	binary  string
	running map[string]target
	started []*process
}

func newLimitSide(source, work string) (*limitSide, error) {
	s := &limitSide{work: work, binary: filepath.Join(work, "limit"), running: map[string]target{}}
	return s, goBuild(s.binary, "./"+filepath.Join(source, "limit"))
}

func (s *limitSide) warm(ctx context.Context, f function, n int) (target, error) {
	return s.run(ctx, f, "-n", strconv.Itoa(n))
}

func (s *limitSide) cold(ctx context.Context, f function) (target, error) {
	return s.run(ctx, f, "-cold")
}

// inPlace gives the limit program a mount namespace in which the function, the
// client and the interpreter are where they are in a real environment, so that
// both sides run the same program with the same arguments.
const inPlace = `set -e
mount --make-rprivate /
mount -t tmpfs none "$1"
mkdir "$1/task" "$1/runtime" "$1/lang"
mount --bind "$2" "$1/task"
if [ -n "$3" ]; then mount --bind "$3" "$1/runtime"; mount --bind "$4" "$1/lang"; fi
mount --rbind "$1" /var
cd /var/task
shift 4
exec "$@"`

func (s *limitSide) run(ctx context.Context, f function, flags ...string) (target, error) {
	key := fmt.Sprint(f.word, flags)
	if t, ok := s.running[key]; ok {
		return t, nil
	}
	address, err := freeAddress()
	if err != nil {
		return target{}, err
	}
	mounts := filepath.Join(s.work, "mounts")
	if err := os.MkdirAll(mounts, 0o755); err != nil {
		return target{}, err
	}
	program := "/var/runtime/bootstrap"
	if f.client == "" {
		program = "/var/task/bootstrap"
	}
	// Absolute paths, since the script changes its directory.
	args := []string{"-c", inPlace, "sh"}
	for _, path := range []string{mounts, f.dir, f.client, f.lang, s.binary} {
		if path != "" {
			if path, err = filepath.Abs(path); err != nil {
				return target{}, err
			}
		}
		args = append(args, path)
	}
	args = append(args, "-listen", address)
	args = append(append(args, flags...), "--", program)
	cmd := exec.Command("/bin/sh", args...)
	cmd.Env = f.environ()
	cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGTERM}
	p, err := start(cmd, filepath.Join(s.work, "limit.log"))
	if err != nil {
		return target{}, fmt.Errorf("start the limit program: %w", err)
	}
	s.started = append(s.started, p)
	if err := p.listening(ctx, address); err != nil {
		return target{}, fmt.Errorf("limit program for %s: %w", f.word, err)
	}
	request := fmt.Sprintf("POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", address, len(event), event)
	t := target{address: address, request: []byte(request), pid: cmd.Process.Pid}
	s.running[key] = t
	return t, nil
}

func (s *limitSide) close() {
	for _, p := range s.started {
		p.stop()
	}
}
