// Package dns forwards the questions of sandboxes to the host's resolvers, which
// sandboxes cannot reach themselves: a resolver of the host listens on its
// loopback, and a network of one's own has another loopback.
//
// Vocabulary. A service is what stands in one sandbox, a socket for datagrams and
// one for connections; an upstream is one of the host's resolvers, as its
// resolv.conf names them at the time. A question is sent on as it came, and so is
// its answer: nothing is remembered, and nothing but the question is looked at.
//
// Concurrency: every method may be called from any goroutine. A service has two
// goroutines that listen and one for each question under way; Close waits for all.
package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"
)

const (
	// maxUnderWay bounds the questions of one service, and maxTotal those of all.
	// What is too much is not answered: clients ask again.
	maxUnderWay = 64
	maxTotal    = 1024
	// maxStreams bounds the connections of one service.
	maxStreams = 16
	// streamIdle is how long a connection waits for its next question.
	streamIdle = 10 * time.Second

	// maxMessage is the largest there can be, by its length in two bytes.
	maxMessage = 1<<16 - 1
	// maxQuestion is the largest datagram that is taken for a question.
	maxQuestion = 4 << 10
)

// Options configure a Forwarder.
type Options struct {
	// Config is the file that names the upstreams; empty means /etc/resolv.conf. It
	// is read again when it changes.
	Config string
	// Port is the upstreams'; empty means 53.
	Port string
	// Timeout is how long one upstream may take; 0 means two seconds.
	Timeout time.Duration
	Logger  *slog.Logger
}

// Forwarder serves all sandboxes.
type Forwarder struct {
	config  *config
	port    string
	timeout time.Duration
	logger  *slog.Logger
	total   chan struct{} // holds a token for each question
	buffers sync.Pool
}

// New makes a Forwarder without services.
func New(o Options) *Forwarder {
	f := &Forwarder{config: newConfig(o.Config), port: o.Port, timeout: o.Timeout, logger: o.Logger, total: make(chan struct{}, maxTotal)}
	if f.port == "" {
		f.port = "53"
	}
	if f.timeout == 0 {
		f.timeout = 2 * time.Second
	}
	f.buffers.New = func() any { return new([maxMessage]byte) }
	return f
}

// service is one sandbox's.
type service struct {
	*Forwarder
	packets  net.PacketConn
	streams  net.Listener
	ctx      context.Context
	cancel   context.CancelFunc
	underWay chan struct{}
	places   chan struct{} // of connections
	work     sync.WaitGroup
}

// Serve begins to answer at two sockets, which are the service's from then on.
// Closing what it returns ends it.
func (f *Forwarder) Serve(packets net.PacketConn, streams net.Listener) io.Closer {
	s := &service{
		Forwarder: f, packets: packets, streams: streams,
		underWay: make(chan struct{}, maxUnderWay), places: make(chan struct{}, maxStreams),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.work.Go(s.servePackets)
	s.work.Go(s.serveStreams)
	return s
}

// Close ends the service and waits for it.
func (s *service) Close() error {
	s.cancel()
	err := errors.Join(s.packets.Close(), s.streams.Close())
	s.work.Wait()
	return err
}

// take takes a place for a question, or does not.
func (s *service) take() bool {
	select {
	case s.underWay <- struct{}{}:
	default:
		return false
	}
	select {
	case s.total <- struct{}{}:
		return true
	default:
		<-s.underWay
		return false
	}
}

func (s *service) free() {
	<-s.total
	<-s.underWay
}

func (s *service) servePackets() {
	buffer := make([]byte, maxQuestion)
	for {
		n, from, err := s.packets.ReadFrom(buffer)
		if s.ctx.Err() != nil {
			return
		}
		if err != nil { // of one datagram, such as that nobody took an answer
			if !s.pause() {
				return
			}
			continue
		}
		if !s.take() {
			continue
		}
		question := append([]byte(nil), buffer[:n]...)
		s.work.Go(func() {
			defer s.free()
			if answer := s.answer("udp", question); answer != nil {
				s.packets.WriteTo(answer, from) // who has gone needs no answer
			}
		})
	}
}

// pause keeps a socket that fails at once, again and again, from filling a
// processor.
func (s *service) pause() bool {
	select {
	case <-s.ctx.Done():
		return false
	case <-time.After(10 * time.Millisecond):
		return true
	}
}

func (s *service) serveStreams() {
	for {
		select {
		case s.places <- struct{}{}:
		case <-s.ctx.Done():
			return
		}
		conn, err := s.streams.Accept()
		if err != nil {
			<-s.places
			if errors.Is(err, net.ErrClosed) || !s.pause() {
				return
			}
			continue
		}
		s.work.Go(func() {
			defer func() { <-s.places }()
			s.serveStream(conn)
		})
	}
}

// serveStream answers the questions of a connection, one after the other.
func (s *service) serveStream(conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(s.ctx, func() { conn.Close() })()
	for {
		conn.SetDeadline(time.Now().Add(streamIdle))
		question, err := readFramed(conn)
		if err != nil || !s.take() {
			return
		}
		answer := s.answer("tcp", question)
		s.free()
		if answer == nil {
			return
		}
		conn.SetDeadline(time.Now().Add(streamIdle))
		if writeFramed(conn, answer) != nil {
			return
		}
	}
}

// readFramed reads a message with its length before it.
func readFramed(r io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, message)
	return message, err
}

func writeFramed(w io.Writer, message []byte) error {
	framed := binary.BigEndian.AppendUint16(make([]byte, 0, len(message)+2), uint16(len(message)))
	_, err := w.Write(append(framed, message...))
	return err
}
