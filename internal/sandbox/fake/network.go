package fake

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	bufferBytes = 64 << 10 // of a connection's direction and of a pipe, as Linux has it
	backlog     = 128      // connections that wait for Accept; further dials wait
)

// network is the loopback of one sandbox.
type network struct {
	mu        sync.Mutex
	listeners map[string]*listener
	closed    bool
}

func newNetwork() *network { return &network{listeners: map[string]*listener{}} }

func (n *network) listen(kind, address string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, opError("listen", kind, address, net.ErrClosed)
	}
	if n.listeners[address] != nil {
		return nil, opError("listen", kind, address, syscall.EADDRINUSE)
	}
	l := &listener{network: n, address: addr(address), queue: make(chan *conn, backlog), done: make(chan struct{})}
	n.listeners[address] = l
	return l, nil
}

func (n *network) dial(ctx context.Context, kind, address string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[address]
	n.mu.Unlock()
	if l == nil {
		return nil, opError("dial", kind, address, syscall.ECONNREFUSED)
	}
	to, from := newBuffer(), newBuffer()
	near := &conn{in: from, out: to, remote: l.address}
	far := &conn{in: to, out: from, local: l.address}
	select {
	case l.queue <- far:
		return near, nil
	case <-l.done:
		return nil, opError("dial", kind, address, syscall.ECONNREFUSED)
	case <-ctx.Done():
		return nil, opError("dial", kind, address, ctx.Err())
	}
}

func (n *network) close() {
	n.mu.Lock()
	n.closed = true
	var open []*listener
	for _, l := range n.listeners {
		open = append(open, l)
	}
	n.mu.Unlock()
	for _, l := range open {
		l.Close()
	}
}

func opError(op, kind, address string, err error) error {
	return &net.OpError{Op: op, Net: kind, Addr: addr(address), Err: err}
}

type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }

type listener struct {
	network *network
	address addr
	queue   chan *conn
	done    chan struct{}
	once    sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, opError("accept", "tcp", string(l.address), net.ErrClosed)
	default:
	}
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.done:
		return nil, opError("accept", "tcp", string(l.address), net.ErrClosed)
	}
}

// Close also resets the connections that nobody has accepted.
func (l *listener) Close() error {
	l.once.Do(func() {
		l.network.mu.Lock()
		delete(l.network.listeners, string(l.address))
		l.network.mu.Unlock()
		close(l.done)
		for {
			select {
			case c := <-l.queue:
				c.Close()
			default:
				return
			}
		}
	})
	return nil
}

func (l *listener) Addr() net.Addr { return l.address }

// conn is one end of a connection: two buffers, crossed.
type conn struct {
	in, out       *buffer
	local, remote addr
}

func (c *conn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c *conn) Write(b []byte) (int, error) { return c.out.write(b) }
func (c *conn) Close() error {
	c.in.closeRead()
	c.out.closeWrite()
	return nil
}
func (c *conn) CloseWrite() error                  { c.out.closeWrite(); return nil }
func (c *conn) LocalAddr() net.Addr                { return c.local }
func (c *conn) RemoteAddr() net.Addr               { return c.remote }
func (c *conn) SetReadDeadline(t time.Time) error  { c.in.readDeadline.set(c.in, t); return nil }
func (c *conn) SetWriteDeadline(t time.Time) error { c.out.writeDeadline.set(c.out, t); return nil }
func (c *conn) SetDeadline(t time.Time) error {
	c.in.readDeadline.set(c.in, t)
	c.out.writeDeadline.set(c.out, t)
	return nil
}

// buffer is one direction: bytes written and not yet read, up to bufferBytes.
type buffer struct {
	mu                          sync.Mutex
	changed                     *sync.Cond
	data                        []byte
	readClosed, writeClosed     bool
	readDeadline, writeDeadline deadline
}

func newBuffer() *buffer {
	b := &buffer{}
	b.changed = sync.NewCond(&b.mu)
	return b
}

// deadline is guarded by its buffer's mutex.
type deadline struct {
	timer  *time.Timer
	passed bool
	epoch  int
}

func (d *deadline) set(b *buffer, t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.epoch++
	d.passed = !t.IsZero() && !t.After(time.Now())
	b.changed.Broadcast()
	if t.IsZero() || d.passed {
		return
	}
	epoch := d.epoch
	d.timer = time.AfterFunc(time.Until(t), func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if d.epoch == epoch {
			d.passed = true
			b.changed.Broadcast()
		}
	})
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

func (b *buffer) read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		switch {
		case b.readClosed:
			return 0, net.ErrClosed
		case b.readDeadline.passed:
			return 0, os.ErrDeadlineExceeded
		case len(b.data) > 0:
			n := copy(p, b.data)
			b.data = b.data[n:]
			b.changed.Broadcast()
			return n, nil
		case b.writeClosed:
			return 0, io.EOF
		case len(p) == 0:
			return 0, nil
		}
		b.changed.Wait()
	}
}

// readable tells whether read would not block. There is one reader at a time.
func (b *buffer) readable() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.data) > 0 || b.writeClosed || b.readClosed
}

// wait blocks until it is readable.
func (b *buffer) wait() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.data) == 0 && !b.writeClosed && !b.readClosed {
		b.changed.Wait()
	}
	if b.readClosed {
		return net.ErrClosed
	}
	return nil
}

func (b *buffer) write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	written := 0
	for {
		switch room := bufferBytes - len(b.data); {
		case b.writeClosed:
			return written, net.ErrClosed
		case b.readClosed:
			return written, syscall.EPIPE
		case b.writeDeadline.passed:
			return written, os.ErrDeadlineExceeded
		case room > 0 && written < len(p):
			n := min(room, len(p)-written)
			b.data = append(b.data, p[written:written+n]...)
			written += n
			b.changed.Broadcast()
		}
		if written == len(p) {
			return written, nil
		}
		if len(b.data) == bufferBytes {
			b.changed.Wait()
		}
	}
}

func (b *buffer) closeRead() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.readClosed, b.data = true, nil
	b.readDeadline.stop()
	b.changed.Broadcast()
}

func (b *buffer) closeWrite() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writeClosed = true
	b.writeDeadline.stop()
	b.changed.Broadcast()
}

// pipeReader is the reading end of a Pipe.
type pipeReader struct{ b *buffer }

func (r pipeReader) Read(p []byte) (int, error) { return r.b.read(p) }
func (r pipeReader) Close() error               { r.b.closeRead(); return nil }

func (r pipeReader) TryRead(p []byte) (int, error) {
	if !r.b.readable() {
		return 0, nil
	}
	return r.b.read(p)
}

func (r pipeReader) Wait() error { return r.b.wait() }

// pipeWriter is one descriptor of a Pipe's writing end. The reader sees the end
// of the data when the last one is closed.
type pipeWriter struct {
	b      *buffer
	open   *atomic.Int64 // writers that are not closed
	closed atomic.Bool
}

func newPipe() (pipeReader, *pipeWriter) {
	b := newBuffer()
	w := &pipeWriter{b: b, open: new(atomic.Int64)}
	w.open.Add(1)
	return pipeReader{b}, w
}

func (w *pipeWriter) dup() *pipeWriter {
	w.open.Add(1)
	return &pipeWriter{b: w.b, open: w.open}
}

func (w *pipeWriter) Write(p []byte) (int, error) {
	if w.closed.Load() {
		return 0, net.ErrClosed
	}
	return w.b.write(p)
}

func (w *pipeWriter) Close() error {
	if w.closed.Swap(true) {
		return net.ErrClosed
	}
	if w.open.Add(-1) == 0 {
		w.b.closeWrite()
	}
	return nil
}
