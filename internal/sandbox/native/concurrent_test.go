package native_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"thaw/internal/sandbox"
)

// TestManyAtOnce creates, uses, freezes and destroys from many goroutines, more
// than the pool has, as a burst of cold starts does.
func TestManyAtOnce(t *testing.T) {
	d := open(t, 3)
	var group sync.WaitGroup
	errs := make(chan error, 8)
	for i := range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			for n := range 4 {
				if err := live(t.Context(), d, fmt.Sprintf("box-%d-%d", i, n)); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	group.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}

// live is one sandbox's life.
func live(ctx context.Context, d sandbox.Driver, id string) (err error) {
	s, err := d.Create(ctx, sandbox.Spec{ID: id})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Destroy(ctx)) }()
	if err := s.Attach(ctx, sandbox.Mount{Sources: []string{probeDir}, Target: "/var/task"}); err != nil {
		return err
	}
	l, err := s.Listen(ctx, "tcp4", "169.254.100.1:9001")
	if err != nil {
		return err
	}
	r, w, err := s.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = s.Start(ctx, sandbox.Process{Path: "/var/task/probe", Args: []string{"probe", "fetch", "169.254.100.1:9001"}, Stdout: w})
	w.Close()
	if err != nil {
		return err
	}
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	if err := errors.Join(s.Freeze(), s.Thaw()); err != nil {
		return err
	}
	_, err = io.WriteString(conn, id)
	if err := errors.Join(err, conn.Close()); err != nil {
		return err
	}
	if text, err := io.ReadAll(r); err != nil || string(text) != id {
		return fmt.Errorf("sandbox %s fetched %q, %w", id, text, err)
	}
	return nil
}
