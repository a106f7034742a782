package metrics

import (
	"encoding/binary"
	"errors"
	"math"
)

// point is a summary and the minute of its hour.
type point struct {
	minute uint8
	Summary
}

// Forms of a point. What is behind the count depends on it.
const (
	formZeros  = iota // all values are 0
	formOnes          // all values are 1
	formEqual         // all values are the one that follows
	formSpread        // sum, least, greatest and buckets follow
)

// appendPoint encodes a point; docs/file-formats.md shows the bytes.
func appendPoint(buf []byte, p *point) []byte {
	buf = append(buf, p.minute)
	form := byte(formSpread)
	if p.Min == p.Max && len(p.buckets) == 1 {
		switch p.Min {
		case 0:
			form = formZeros
		case 1:
			form = formOnes
		default:
			form = formEqual
		}
	}
	buf = append(buf, form)
	buf = binary.AppendUvarint(buf, p.Count)
	switch form {
	case formEqual:
		buf = appendFloat(buf, p.Min)
	case formSpread:
		buf = appendFloat(appendFloat(appendFloat(buf, p.Sum), p.Min), p.Max)
		buf = binary.AppendUvarint(buf, uint64(len(p.buckets)))
		last := int64(0)
		for _, b := range p.buckets {
			buf = binary.AppendVarint(buf, int64(b.index)-last)
			buf = binary.AppendUvarint(buf, b.count)
			last = int64(b.index)
		}
	}
	return buf
}

func appendFloat(buf []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(buf, math.Float64bits(v))
}

var errPoint = errors.New("not a point")

// reading is bytes that points are read from; bad is set, and stays, when they end or
// say what cannot be.
type reading struct {
	data []byte
	bad  bool
}

func (r *reading) byte() byte {
	if r.bad = r.bad || len(r.data) == 0; r.bad {
		return 0
	}
	b := r.data[0]
	r.data = r.data[1:]
	return b
}

func (r *reading) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	if r.bad = r.bad || n <= 0; r.bad {
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *reading) varint() int64 {
	v, n := binary.Varint(r.data)
	if r.bad = r.bad || n <= 0; r.bad {
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *reading) float() float64 {
	if r.bad = r.bad || len(r.data) < 8; r.bad {
		return 0
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64(r.data))
	r.data = r.data[8:]
	return v
}

func (r *reading) text(n uint64) string {
	if r.bad = r.bad || n > uint64(len(r.data)); r.bad {
		return ""
	}
	s := string(r.data[:n])
	r.data = r.data[n:]
	return s
}

// point reads what appendPoint has written.
func (r *reading) point() (p point, err error) {
	p.minute = r.byte()
	form := r.byte()
	p.Count = r.uvarint()
	switch form {
	case formZeros:
		p.same(0)
	case formOnes:
		p.same(1)
	case formEqual:
		p.same(r.float())
	case formSpread:
		p.Sum, p.Min, p.Max = r.float(), r.float(), r.float()
		n, index := r.uvarint(), int64(0)
		if n > uint64(len(r.data)) { // each takes two bytes
			r.bad = true
			n = 0
		}
		p.buckets = make([]bucket, 0, n)
		for range n {
			step := r.varint()
			if index += step; step <= 0 && len(p.buckets) > 0 || index < math.MinInt16 || index > math.MaxInt16 {
				r.bad = true
			}
			p.buckets = append(p.buckets, bucket{int16(index), r.uvarint()})
		}
	default:
		r.bad = true
	}
	if r.bad || p.minute > 59 || p.Count == 0 {
		return point{}, errPoint
	}
	return p, nil
}

// same fills in a summary of equal values.
func (p *point) same(v float64) {
	p.Sum, p.Min, p.Max = v*float64(p.Count), v, v
	p.buckets = []bucket{{bucketOf(v), p.Count}}
}
