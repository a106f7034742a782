package logstore

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// Files are sequences of frames: the payload's length and checksum (CRC-32C),
// both little-endian, and the payload. docs/file-formats.md shows the bytes.
const (
	frameHeader = 8
	// maxFrame bounds a payload, so that a torn length asks for no memory.
	maxFrame = 4 << 20
)

// errTorn is the end of what can be read of a file: the rest is no whole frame.
var errTorn = errors.New("torn frame")

// beginFrame leaves room for the header; endFrame fills it in.
func beginFrame(buf []byte) []byte { return append(buf, 0, 0, 0, 0, 0, 0, 0, 0) }

func endFrame(buf []byte, start int) []byte {
	payload := buf[start+frameHeader:]
	binary.LittleEndian.PutUint32(buf[start:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(buf[start+4:], checksum(payload))
	return buf
}

// nextFrame takes the first frame of data. At the end of data it returns nil and
// no error.
func nextFrame(data []byte) (payload, rest []byte, err error) {
	if len(data) == 0 {
		return nil, nil, nil
	}
	if len(data) < frameHeader {
		return nil, data, errTorn
	}
	size := binary.LittleEndian.Uint32(data)
	if size == 0 || size > maxFrame || int(size) > len(data)-frameHeader {
		return nil, data, errTorn
	}
	end := frameHeader + int(size)
	payload = data[frameHeader:end]
	if checksum(payload) != binary.LittleEndian.Uint32(data[4:]) {
		return nil, data, errTorn
	}
	return payload, data[end:], nil
}

func checksum(b []byte) uint32 {
	return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) // the table is made once, by the library
}

// Kinds of records in a segment: the first byte of a payload.
const (
	kindHeader   = 'H' // number of the first event, time of creation, name of the group
	kindStream   = 'S' // id within the segment, time of creation, name
	kindEvent    = 'E' // stream's id, time, how much later it came in, message
	kindDeletion = 'D' // name of a stream: its events so far are gone
)

// record is a decoded payload. The fields that a kind lacks are zero.
type record struct {
	kind byte
	// number is the header's first event, or the stream's id.
	number uint64
	// at is the time of an event, or of the creation; milliseconds since 1970.
	at       int64
	ingested int64
	// text is a name or a message; it is part of the payload.
	text []byte
}

func appendRecord(buf []byte, r record) []byte {
	start := len(buf)
	buf = append(beginFrame(buf), r.kind)
	if r.kind != kindDeletion {
		buf = binary.AppendUvarint(buf, r.number)
		buf = binary.AppendVarint(buf, r.at)
	}
	if r.kind == kindEvent {
		buf = binary.AppendVarint(buf, r.ingested-r.at)
	}
	return endFrame(append(buf, r.text...), start)
}

var errRecord = errors.New("unknown record")

func decodeRecord(payload []byte) (record, error) {
	r := record{kind: payload[0]}
	d := varints{rest: payload[1:]}
	switch r.kind {
	case kindHeader, kindStream:
		r.number, r.at = d.unsigned(), d.signed()
	case kindEvent:
		r.number, r.at = d.unsigned(), d.signed()
		r.ingested = r.at + d.signed()
	case kindDeletion:
	default:
		return record{}, errRecord
	}
	if d.broken {
		return record{}, errRecord
	}
	r.text = d.rest
	return r, nil
}

// varints reads numbers from the front of a payload.
type varints struct {
	rest   []byte
	broken bool
}

func (d *varints) unsigned() uint64 {
	v, n := binary.Uvarint(d.rest)
	d.take(n)
	return v
}

func (d *varints) signed() int64 {
	v, n := binary.Varint(d.rest)
	d.take(n)
	return v
}

func (d *varints) take(n int) {
	if n <= 0 {
		d.broken = true
		return
	}
	d.rest = d.rest[n:]
}
