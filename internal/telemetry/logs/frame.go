package logs

import (
	"encoding/binary"
	"time"
)

// framer makes events of a pipe of framed records: type u32, length u32, time in
// microseconds u64, all big-endian, then the message. Bytes that are no frame are
// taken as plain output: code inside can write what it likes. Its methods are
// called with the stream's lock held.
type framer struct {
	stream *Stream
	buf    []byte

	within bool      // a frame's header is read
	rest   int       // bytes of its message to come
	at     time.Time // what the frame says; zero for no time
	level  string
}

const (
	frameHeader = 16
	// frameMagic is the upper part of every frame's type word; the lower byte holds
	// the format in two bits, text or JSON, and the level above them.
	frameMagic = 0xa55a0000
	// maxFrame is the longest message that is believed to be one, in bytes. It is
	// cut into events like a long line.
	maxFrame = 16 << 20
	// keepFrames is the buffer that is kept for the next records, in bytes.
	keepFrames = 4 << 10
)

func (f *framer) write(b []byte) { f.buf = append(f.buf, b...) }

// take emits what is complete.
func (f *framer) take(now time.Time) {
	b := f.buf
	for {
		if !f.within {
			if len(b) < frameHeader {
				break
			}
			if !f.header(b) {
				f.stream.function.write(b, now)
				b = nil
				break
			}
			b = b[frameHeader:]
		}
		n := min(f.rest, MaxEvent)
		if len(b) < n {
			break
		}
		f.message(b[:n], now)
		b = b[n:]
		f.rest -= n
		f.within = f.rest > 0
	}
	if len(b) == 0 && cap(f.buf) > keepFrames {
		f.buf = nil
	}
	f.buf = append(f.buf[:0], b...)
}

// header reads a frame's header; false if these bytes are none.
func (f *framer) header(b []byte) bool {
	word, size := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if word&0xffffff00 != frameMagic || size > maxFrame {
		return false
	}
	f.within, f.rest, f.level = true, int(size), ""
	if l := word >> 2 & 7; int(l) < len(levelNames) {
		f.level = levelNames[l]
	}
	f.at = time.Time{}
	if micros := binary.BigEndian.Uint64(b[8:]); micros > 0 && micros < 1<<62 {
		f.at = time.UnixMicro(int64(micros)).UTC()
	}
	return true
}

// end emits what has come of a record whose writer was killed.
func (f *framer) end(now time.Time) {
	if f.within {
		f.message(f.buf, now)
	}
	f.buf, f.within, f.rest = nil, false, 0
}

// message emits a message as one event, at the time that its writer names.
func (f *framer) message(b []byte, now time.Time) {
	f.stream.function.end(now)
	if len(b) == 0 || b[len(b)-1] != '\n' {
		b = append(b[:len(b):len(b)], '\n')
	}
	at := f.at
	if at.IsZero() {
		at = now
	}
	f.stream.line(b, printed{now: now, at: at, level: f.level})
}
