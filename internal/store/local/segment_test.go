package local

import (
	"bytes"
	"testing"
)

// exampleSegment has groups 5 to 7.
func exampleSegment() []byte {
	b := encodeSegmentHeader(5, 99)
	for n := uint64(5); n < 8; n++ {
		b = appendGroup(b, 99, n, n, bytes.Repeat([]byte{byte(n)}, 10))
	}
	return b
}

func numbers(b []byte, salt, after uint64) (found []uint64, clean bool) {
	clean, _ = scan(b, salt, after, func(g group) error {
		found = append(found, g.number)
		return nil
	})
	return found, clean
}

// TestScanSkipsDamage: behind bytes that are no group, the next one is found; a group
// with another salt is none.
func TestScanSkipsDamage(t *testing.T) {
	whole := exampleSegment()
	if found, clean := numbers(append(whole, make([]byte, 100)...), 99, 4); len(found) != 3 || !clean {
		t.Errorf("found %v, clean %t", found, clean)
	}
	if found, _ := numbers(whole, 98, 4); len(found) != 0 {
		t.Errorf("with another salt: %v", found)
	}
	for at := segmentHeader; at < len(whole); at++ {
		b := bytes.Clone(whole)
		b[at] ^= 0x10
		broken := uint64(5 + (at-segmentHeader)/(groupHeader+10))
		found, clean := numbers(b, 99, 4)
		if len(found) != 2 || clean || found[0] == broken || found[1] == broken {
			t.Errorf("byte %d: found %v, clean %t", at, found, clean)
		}
	}
}

// FuzzScan: whatever a segment has, scanning ends, and what it finds is in order.
func FuzzScan(f *testing.F) {
	f.Add(exampleSegment())
	f.Add(encodeSegmentHeader(1, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		found, _ := numbers(b, 99, 4)
		last := uint64(4)
		for _, n := range found {
			if n <= last {
				t.Errorf("group %d after %d", n, last)
			}
			last = n
		}
		if first, salt, err := decodeSegmentHeader(b); err == nil && !bytes.Equal(encodeSegmentHeader(first, salt), b[:segmentHeader]) {
			t.Error("a header decodes that would not be written")
		}
	})
}

// FuzzDecodeMark: what decodes is what would be written.
func FuzzDecodeMark(f *testing.F) {
	f.Add(mark{salt: 1, first: 2, last: 3, puts: 4}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := decodeMark(b); err == nil && !bytes.Equal(m.encode(), b) {
			t.Errorf("%+v", m)
		}
	})
}
