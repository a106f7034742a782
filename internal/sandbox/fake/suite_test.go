package fake_test

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"thaw/internal/sandbox/fake"
	"thaw/internal/sandbox/sandboxtest"
)

func TestSuite(t *testing.T) {
	programs := map[string]fake.Program{}
	for b, p := range map[sandboxtest.Behaviour]fake.Program{
		sandboxtest.Echo: echo, sandboxtest.Exit: exit, sandboxtest.Block: ready, sandboxtest.Term: term,
		sandboxtest.Fetch: fetch, sandboxtest.Serve: serve, sandboxtest.Tick: tick,
	} {
		programs["/"+string(b)] = p
	}
	sandboxtest.Run(t, func(t *testing.T) sandboxtest.Harness {
		d := fake.New(fake.Options{Programs: programs})
		t.Cleanup(func() {
			if left := d.Sandboxes(); len(left) > 0 {
				t.Errorf("%d sandboxes are left", len(left))
			}
		})
		return sandboxtest.Harness{Driver: d, Program: func(b sandboxtest.Behaviour) (string, []string) {
			return "/" + string(b), []string{string(b)}
		}}
	})
}

func echo(_ context.Context, p *fake.Process) int {
	value := ""
	for _, e := range p.Env {
		if v, ok := strings.CutPrefix(e, "VAR="); ok {
			value = v
		}
	}
	fmt.Fprintf(p.Stdout, "args=%s var=%s dir=%s\n", strings.Join(p.Args[1:], ","), value, p.Dir)
	fmt.Fprintln(p.Stderr, "to stderr")
	for i, f := range p.Files {
		fmt.Fprintf(f, "file %d", 3+i)
	}
	return 0
}

func exit(_ context.Context, p *fake.Process) int {
	code, err := strconv.Atoi(p.Args[1])
	if err != nil {
		return 2
	}
	return code
}

func ready(ctx context.Context, p *fake.Process) int {
	fmt.Fprintln(p.Stdout, "ready")
	return block(ctx, p)
}

func term(ctx context.Context, p *fake.Process) int {
	signals := p.Notify(syscall.SIGTERM)
	fmt.Fprintln(p.Stdout, "ready")
	select {
	case <-signals:
	case <-ctx.Done():
	}
	return 7
}

func fetch(ctx context.Context, p *fake.Process) int {
	conn, err := p.Dial(ctx, "tcp4", p.Args[1])
	if err != nil {
		return 2
	}
	defer conn.Close()
	if _, err := io.Copy(p.Stdout, conn); err != nil {
		return 2
	}
	return 0
}

func serve(ctx context.Context, p *fake.Process) int {
	l, err := p.Listen("tcp4", p.Args[1])
	if err != nil {
		return 2
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	fmt.Fprintln(p.Stdout, "ready")
	for {
		conn, err := l.Accept()
		if err != nil {
			return 0
		}
		io.WriteString(conn, "served")
		conn.Close()
	}
}

func tick(ctx context.Context, p *fake.Process) int {
	for ctx.Err() == nil {
		if _, err := io.WriteString(p.Stdout, "."); err != nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0
}
