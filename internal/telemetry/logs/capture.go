package logs

import (
	"encoding/binary"
	"errors"
	"sync"
)

// Pipe is the reading end of a pipe that an environment writes to.
type Pipe interface {
	// TryRead reads what is there, 0 and nil if there is nothing.
	TryRead(p []byte) (int, error)
	// Wait blocks until there is something, or the pipe is closed.
	Wait() error
	Close() error
}

// Capture reads what an environment prints: one pipe that is both standard
// output and standard error, and one pipe of framed records, which runtime
// clients write to the descriptor that _LAMBDA_TELEMETRY_LOG_FD names, so that a
// record of several lines stays one event.
//
// The pipes are read by two goroutines as bytes arrive. Flush reads whatever is
// in them at the moment of the call, so that all that a runtime printed before
// it answered is in the log before END.
type Capture struct {
	stream         *Stream
	output, frames Pipe
	readers        sync.WaitGroup

	frame []byte // an unfinished frame; guarded by stream.mu
	buf   []byte // guarded by stream.mu
}

const (
	frameHeader = 16
	// frameMagic is the upper part of every frame's type word; the lower byte
	// holds format and level, which matter to JSON logs only.
	frameMagic = 0xa55a0000
	readSize   = 32 << 10
)

// Capture begins to read the stream's environment. It owns the pipes from here on.
func (s *Stream) Capture(output, frames Pipe) *Capture {
	c := &Capture{stream: s, output: output, frames: frames, buf: make([]byte, readSize)}
	c.readers.Go(func() { c.read(output) })
	c.readers.Go(func() { c.read(frames) })
	return c
}

// Close stops reading, after what is in the pipes has been read.
func (c *Capture) Close() error {
	c.Flush()
	err := errors.Join(c.output.Close(), c.frames.Close())
	c.readers.Wait()
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	c.stream.flushLine()
	return err
}

// Flush takes what is in the pipes now. It reads each at most as far as a pipe
// holds, so that code which prints without end cannot keep it.
func (c *Capture) Flush() {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	c.drainBoth()
}

// read takes bytes whenever the pipe has some; both pipes are drained at each turn.
func (c *Capture) read(p Pipe) {
	for p.Wait() == nil {
		c.stream.mu.Lock()
		open := c.drainBoth()
		c.stream.mu.Unlock()
		if !open {
			return
		}
	}
}

// drainBoth returns false once a pipe has ended. The frames are read before the
// output and emitted after it: what was printed before a record was framed is in
// the output's pipe by the time the record is in the other.
func (c *Capture) drainBoth() bool {
	framesOpen := drain(c.frames, c.buf, func(b []byte) { c.frame = append(c.frame, b...) })
	outputOpen := drain(c.output, c.buf, c.stream.output)
	c.takeFrames()
	return framesOpen && outputOpen
}

// pipeCapacity is what Linux's pipes hold unless told otherwise, in bytes.
const pipeCapacity = 64 << 10

// drain reads until the pipe is empty, or one pipe's capacity has been read.
func drain(p Pipe, buf []byte, take func([]byte)) bool {
	for total := 0; total < pipeCapacity; {
		n, err := p.TryRead(buf)
		if n <= 0 {
			return err == nil
		}
		take(buf[:n])
		total += n
	}
	return true
}

// takeFrames emits the whole frames that were read: type u32, length u32, time in
// microseconds u64, all big-endian, then the message. Bytes that are no frame are
// taken as plain output: code inside can write what it likes.
func (c *Capture) takeFrames() {
	for len(c.frame) >= frameHeader {
		word := binary.BigEndian.Uint32(c.frame)
		size := int(binary.BigEndian.Uint32(c.frame[4:]))
		if word&0xffffff00 != frameMagic || size > MaxEvent {
			c.stream.output(c.frame)
			c.frame = c.frame[:0]
			return
		}
		if len(c.frame) < frameHeader+size {
			return
		}
		c.stream.record(c.frame[frameHeader : frameHeader+size])
		c.frame = append(c.frame[:0], c.frame[frameHeader+size:]...)
	}
}

// record emits one framed message as one event.
func (s *Stream) record(message []byte) {
	s.flushLine()
	text := string(message)
	if len(text) == 0 || text[len(text)-1] != '\n' {
		text += "\n"
	}
	s.emit(text)
}
