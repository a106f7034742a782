package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"time"

	"thaw/internal/store"
)

// A message of the journal is a group of records, one after the other:
//
//	put    0x03, queue, ID, partition, due, attempts, body
//	done   0x04, queue, ID
//	purge  0x05, queue
//
// Queue, ID, partition and body are their length as a uvarint and their bytes; due
// is Unix time in nanoseconds, 8 bytes, big endian; attempts is a uvarint. A put
// replaces the event of the same ID, a done ends it, a purge ends all of a queue.
//
// Puts and dones of the first format, 0x01 and 0x02, have no queue; they are the
// unnamed one's.
const (
	opPutUnnamed  = 1
	opDoneUnnamed = 2
	opPut         = 3
	opDone        = 4
	opPurge       = 5
)

// unnamedQueue is where events go that were written before queues had names.
const unnamedQueue = "async"

type record struct {
	op       byte
	queue    string
	id       string
	event    store.Event // put: partition, due and body
	attempts int
	retry    bool // put: only while there is an event of this ID
	size     int  // encoded, in bytes
}

func putRecord(queue string, e store.Event, attempts int) record {
	r := record{op: opPut, queue: queue, id: e.ID, event: e, attempts: attempts}
	r.size = len(queue) + len(e.ID) + len(e.Partition) + len(e.Body) + 9 +
		uvarintLen(len(queue)) + uvarintLen(len(e.ID)) + uvarintLen(len(e.Partition)) + uvarintLen(attempts) + uvarintLen(len(e.Body))
	return r
}

func doneRecord(queue, id string) record {
	return record{op: opDone, queue: queue, id: id, size: 1 + uvarintLen(len(queue)) + len(queue) + uvarintLen(len(id)) + len(id)}
}

func purgeRecord(queue string) record {
	return record{op: opPurge, queue: queue, size: 1 + uvarintLen(len(queue)) + len(queue)}
}

func uvarintLen(n int) int { return (bits.Len(uint(n)|1) + 6) / 7 }

func (r *record) append(b []byte) []byte {
	b = append(b, r.op)
	b = appendBytes(b, r.queue)
	if r.op == opPurge {
		return b
	}
	b = appendBytes(b, r.id)
	if r.op != opPut {
		return b
	}
	b = appendBytes(b, r.event.Partition)
	b = binary.BigEndian.AppendUint64(b, uint64(r.event.Due.UnixNano()))
	b = binary.AppendUvarint(b, uint64(r.attempts))
	return appendBytes(b, r.event.Body)
}

func appendBytes[T string | []byte](b []byte, s T) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// errBroken is for a group that is not what was written.
var errBroken = errors.New("broken record")

// decodeGroup reads all records of a message; bodies share its memory.
func decodeGroup(b []byte) (records []record, err error) {
	for len(b) > 0 {
		d := decoder{rest: b}
		r := d.record()
		if d.broken {
			return nil, fmt.Errorf("%w: number %d of the group", errBroken, len(records))
		}
		r.size = len(b) - len(d.rest)
		b = d.rest
		records = append(records, r)
	}
	return records, nil
}

// decoder reads from the front of rest; broken stays set once anything is wrong.
type decoder struct {
	rest   []byte
	broken bool
}

func (d *decoder) record() record {
	r := record{op: d.rest[0]}
	d.rest = d.rest[1:]
	switch r.op {
	case opPutUnnamed, opDoneUnnamed:
		r.op += opPut - opPutUnnamed
		r.queue = unnamedQueue
	default:
		r.queue = string(d.bytes())
	}
	switch r.op {
	case opPurge:
	case opDone:
		r.id = string(d.bytes())
	case opPut:
		r.id = string(d.bytes())
		r.event.ID = r.id
		r.event.Partition = string(d.bytes())
		r.event.Due = time.Unix(0, d.int64())
		r.attempts = d.int()
		r.event.Body = d.bytes()
	default:
		d.broken = true
	}
	return r
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.broken = true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) int() int {
	v := d.uvarint()
	if v > math.MaxInt32 {
		d.broken = true
		return 0
	}
	return int(v)
}

func (d *decoder) int64() int64 {
	if len(d.rest) < 8 {
		d.broken = true
		return 0
	}
	v := binary.BigEndian.Uint64(d.rest)
	d.rest = d.rest[8:]
	return int64(v)
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.broken = true
		return nil
	}
	s := d.rest[:n:n]
	d.rest = d.rest[n:]
	return s
}
