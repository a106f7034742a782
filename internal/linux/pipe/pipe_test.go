package pipe_test

import (
	"errors"
	"io"
	"os"
	"testing"

	"thaw/internal/linux/pipe"
)

func TestPipe(t *testing.T) {
	r, w, err := pipe.Open()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 8)
	if n, err := r.TryRead(buf); n != 0 || err != nil {
		t.Errorf("TryRead of an empty pipe = %d, %v", n, err)
	}
	waited := make(chan error)
	go func() { waited <- r.Wait() }()
	w.Write([]byte("hello"))
	if err := <-waited; err != nil {
		t.Fatal(err)
	}
	if n, err := r.TryRead(buf); string(buf[:n]) != "hello" || err != nil {
		t.Errorf("TryRead = %q, %v", buf[:n], err)
	}
	w.Close()
	if err := r.Wait(); err != nil {
		t.Errorf("Wait at the end: %v", err)
	}
	if _, err := r.TryRead(buf); err != io.EOF {
		t.Errorf("TryRead at the end: %v, want io.EOF", err)
	}
}

func TestCloseEndsWait(t *testing.T) {
	r, w, err := pipe.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	waited := make(chan error)
	go func() { waited <- r.Wait() }()
	r.Close()
	if err := <-waited; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Wait = %v, want os.ErrClosed", err)
	}
}
