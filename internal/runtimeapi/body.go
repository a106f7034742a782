package runtimeapi

import (
	"bufio"
	"bytes"
	"io"
	"slices"
)

const (
	// growBy bounds the memory that a body is given ahead of its bytes.
	growBy = 64 << 10
	// maxDiscard bounds how much of an oversized body is read to keep the
	// connection, in bytes.
	maxDiscard = 64 << 20
	// maxChunkLine bounds a chunk's size with its extensions, in bytes.
	maxChunkLine = 256
)

// payload is a body that has arrived. Of one beyond the limit only the size is
// known.
type payload struct {
	bytes []byte
	size  int64
}

// collector keeps up to max bytes, then only counts.
type collector struct {
	max  int64
	data payload
	over bool
}

// take moves n bytes of a body from the reader.
func (k *collector) take(br *bufio.Reader, n int64) error {
	k.data.size += n
	if k.over || k.data.size > k.max {
		k.over, k.data.bytes = true, nil
		_, err := br.Discard(int(n))
		return err
	}
	for n > 0 {
		step := int(min(n, growBy))
		k.data.bytes = slices.Grow(k.data.bytes, step)
		from := len(k.data.bytes)
		k.data.bytes = k.data.bytes[:from+step]
		if _, err := io.ReadFull(br, k.data.bytes[from:]); err != nil {
			return err
		}
		n -= int64(step)
	}
	return nil
}

// readBody reads the body, or counts it if it is longer than max. Bodies that
// are longer than maxDiscard beyond it are left unread: then consumed is false.
func (q *request) readBody(br *bufio.Reader, max int64) (payload, error) {
	if q.consumed {
		return payload{}, nil
	}
	q.opened = true
	k := collector{max: max}
	if q.length != chunked {
		if q.length > max && (q.expects || q.length > maxDiscard) {
			return payload{size: q.length}, nil
		}
		err := k.take(br, q.length)
		q.consumed = err == nil
		return k.data, ended(err)
	}
	for wire := int64(0); ; { // the bytes that came, chunk lines included
		n, line, err := q.chunkSize(br)
		if err != nil {
			return k.data, ended(err)
		}
		if n == 0 {
			break
		}
		wire += int64(line)
		if n > maxDiscard || wire+n > max+maxDiscard {
			return payload{size: max + maxDiscard}, nil
		}
		wire += n + int64(len("\r\n"))
		if err := k.chunk(br, n); err != nil {
			return k.data, ended(err)
		}
	}
	err := q.readFields(br, len(q.head)+maxTrailer)
	q.consumed = err == nil
	return k.data, ended(err)
}

// chunkSize reads the line before a chunk, and tells its length too; size 0 is
// the last one.
func (q *request) chunkSize(br *bufio.Reader) (n int64, length int, err error) {
	line, err := br.ReadSlice('\n')
	if len(line) > maxChunkLine {
		return 0, 0, malformed("chunk extensions are too long")
	}
	if err != nil {
		return 0, 0, err
	}
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	size, _, _ := bytes.Cut(text, []byte{';'})
	n, isHex := parseHex(bytes.TrimRight(size, " \t"))
	if !ok || !isHex {
		return 0, 0, malformed("malformed chunk size")
	}
	return n, len(line), nil
}

// chunk takes a chunk's bytes and the line end behind them.
func (k *collector) chunk(br *bufio.Reader, n int64) error {
	if err := k.take(br, n); err != nil {
		return err
	}
	end, err := br.Peek(2)
	if err == nil && string(end) != "\r\n" {
		return malformed("chunk is longer than its size")
	}
	br.Discard(len(end)) // what was peeked at is there
	return err
}
