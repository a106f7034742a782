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
	running map[string]*limitProcess
}

type limitProcess struct {
	*process
	target target
}

func newLimitSide(source, work string) (*limitSide, error) {
	s := &limitSide{work: work, binary: filepath.Join(work, "limit"), running: map[string]*limitProcess{}}
	return s, goBuild(s.binary, "./"+filepath.Join(source, "limit"))
}

func (s *limitSide) warm(ctx context.Context, f function, n int) (target, error) {
	if p := s.running[f.word]; p != nil {
		p.stop()
	}
	return s.run(ctx, f.word, f, "-n", strconv.Itoa(n))
}

func (s *limitSide) cold(ctx context.Context, f function) (target, error) {
	key := "cold " + f.word
	if p := s.running[key]; p != nil {
		return p.target, nil
	}
	return s.run(ctx, key, f, "-cold")
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

// run starts the limit program with a function, to be found by key.
func (s *limitSide) run(ctx context.Context, key string, f function, flags ...string) (target, error) {
	address, err := freeAddress()
	if err != nil {
		return target{}, err
	}
	cmd, err := s.command(f, append([]string{"-listen", address}, flags...))
	if err != nil {
		return target{}, err
	}
	p, err := start(cmd, filepath.Join(s.work, "limit.log"))
	if err != nil {
		return target{}, fmt.Errorf("start the limit program: %w", err)
	}
	s.running[key] = &limitProcess{process: p}
	if err := p.listening(ctx, address); err != nil {
		return target{}, fmt.Errorf("limit program for %s: %w", f.word, err)
	}
	request := fmt.Sprintf("POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", address, len(event), event)
	t := target{address: address, request: []byte(request), pid: cmd.Process.Pid}
	s.running[key].target = t
	return t, nil
}

// command is the limit program, in its mount namespace.
func (s *limitSide) command(f function, flags []string) (*exec.Cmd, error) {
	mounts := filepath.Join(s.work, "mounts")
	if err := os.MkdirAll(mounts, 0o755); err != nil {
		return nil, err
	}
	program := "/var/runtime/bootstrap"
	if f.client == "" {
		program = "/var/task/bootstrap"
	}
	args := []string{"-c", inPlace, "sh"}
	for _, path := range []string{mounts, f.dir, f.client, f.lang, s.binary} {
		if path != "" {
			absolute, err := filepath.Abs(path) // the script changes its directory
			if err != nil {
				return nil, err
			}
			path = absolute
		}
		args = append(args, path)
	}
	args = append(append(args, flags...), "--", program)
	cmd := exec.Command("/bin/sh", args...)
	cmd.Env = f.environ()
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGTERM}
	return cmd, nil
}

func (s *limitSide) close() {
	for _, p := range s.running {
		p.stop()
	}
}
