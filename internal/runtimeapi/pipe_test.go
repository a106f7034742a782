package runtimeapi_test

import (
	"net"
	"sync"
)

// pipeListener is a listener in memory.
type pipeListener struct {
	incoming chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{incoming: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.incoming:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// peer is the far end of a connection; it reads all the time, as a socket's
// buffer does.
type peer struct {
	nc    net.Conn
	ended chan struct{}

	mu       sync.Mutex
	received []byte
}

// dial opens a connection; a deaf peer reads nothing at all.
func (l *pipeListener) dial(deaf bool) *peer {
	p, ok := l.tryDial(deaf)
	if !ok {
		panic("the listener is closed")
	}
	return p
}

// tryDial is dial where the listener may be closed.
func (l *pipeListener) tryDial(deaf bool) (*peer, bool) {
	near, far := net.Pipe()
	select {
	case l.incoming <- far:
	case <-l.closed:
		return nil, false
	}
	p := &peer{nc: near, ended: make(chan struct{})}
	if deaf {
		close(p.ended)
	} else {
		go p.read()
	}
	return p, true
}

func (p *peer) read() {
	defer close(p.ended)
	buf := make([]byte, 4096)
	for {
		n, err := p.nc.Read(buf)
		p.mu.Lock()
		p.received = append(p.received, buf[:n]...)
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// send writes as much as the server takes.
func (p *peer) send(s string) { p.nc.Write([]byte(s)) }

func (p *peer) take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := string(p.received)
	p.received = nil
	return s
}
