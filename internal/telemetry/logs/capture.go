package logs

import (
	"errors"
	"sync"
	"time"
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
// output and standard error, and, of a function, one pipe of framed records,
// which runtime clients write to the descriptor that _LAMBDA_TELEMETRY_LOG_FD
// names, so that a record of several lines stays one event.
//
// The pipes are read by a goroutine each as bytes arrive. Flush reads whatever is
// in them at the moment of the call, so that all that a runtime printed before
// it answered is in the log before END.
//
// Above the stream's rate lines are dropped and counted; code does not wait for
// its log. Only what is read to be dropped is bounded too, far higher, because
// reading costs the host as much as writing costs the function: who prints
// faster than Limits.Intake waits in its write.
type Capture struct {
	stream *Stream
	output Pipe
	frames Pipe // nil for an extension

	readers sync.WaitGroup
	closing chan struct{}

	lines  *lines // guarded by stream.mu, as is what follows
	framer framer
}

const readSize = 32 << 10

// Capture begins to read the pipes of the stream's function. It owns them from
// here on.
func (s *Stream) Capture(output, frames Pipe) *Capture {
	return s.capture(&Capture{output: output, frames: frames, lines: &s.function})
}

// CaptureExtension begins to read the pipe of an extension. It owns it from here on.
func (s *Stream) CaptureExtension(output Pipe) *Capture {
	return s.capture(&Capture{output: output, lines: &lines{stream: s, extension: true}})
}

func (s *Stream) capture(c *Capture) *Capture {
	c.stream = s
	c.closing = make(chan struct{})
	c.framer.stream = s
	s.mu.Lock()
	if s.buf == nil {
		s.buf = make([]byte, readSize)
	}
	s.mu.Unlock()
	c.readers.Go(func() { c.read(c.output) })
	if c.frames != nil {
		c.readers.Go(func() { c.read(c.frames) })
	}
	return c
}

// Close stops reading, after what is in the pipes has been read.
func (c *Capture) Close() error {
	c.Flush()
	close(c.closing)
	err := c.output.Close()
	if c.frames != nil {
		err = errors.Join(err, c.frames.Close())
	}
	c.readers.Wait()
	c.cut()
	return err
}

// Flush takes what is in the pipes now. It reads each at most as far as a pipe
// holds, so that code which prints without end cannot keep it.
func (c *Capture) Flush() {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	c.drain(c.stream.opts.Now())
}

// Cut is Flush after all that wrote was killed: what is unfinished stays so, and
// must not run into what is written by the next life.
func (c *Capture) Cut() {
	c.Flush()
	c.cut()
}

func (c *Capture) cut() {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	now := c.stream.opts.Now()
	c.framer.end(now)
	c.lines.end(now)
	c.stream.tellDropped(now)
}

// read takes bytes whenever the pipe has some; all pipes are drained at each turn.
func (c *Capture) read(p Pipe) {
	for p.Wait() == nil {
		c.stream.mu.Lock()
		now := c.stream.opts.Now()
		open := c.drain(now)
		pause := c.stream.intake.pause(now)
		c.stream.mu.Unlock()
		if !open || !c.rest(pause) {
			return
		}
	}
}

// rest waits, if it must. It returns false when the capture is being closed.
func (c *Capture) rest(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.closing:
		return false
	}
}

// drain returns false once a pipe has ended. The frames are read before the
// output and emitted after it: what was printed before a record was framed is in
// the output's pipe by the time the record is in the other. The caller holds the
// stream's lock.
func (c *Capture) drain(now time.Time) bool {
	open := true
	if c.frames != nil {
		open = c.empty(c.frames, func(b []byte) { c.framer.write(b) })
	}
	open = c.empty(c.output, func(b []byte) { c.lines.write(b, now) }) && open
	c.framer.take(now)
	return open
}

// pipeCapacity is what Linux's pipes hold unless told otherwise, in bytes.
const pipeCapacity = 64 << 10

// empty reads until the pipe is empty, or one pipe's capacity has been read.
func (c *Capture) empty(p Pipe, take func([]byte)) bool {
	for total := 0; total < pipeCapacity; {
		n, err := p.TryRead(c.stream.buf)
		if n <= 0 {
			return err == nil
		}
		take(c.stream.buf[:n])
		c.stream.intake.add(n)
		total += n
	}
	return true
}
