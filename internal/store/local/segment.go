package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A segment is a header and then groups, up to zeros or the end of the file:
//
//	header   "THAWEVJ1", first group's number u64, salt u64, sum u32, 0 u32
//	group    length u32, sum u32, number u64, puts u64, and length bytes of records
//
// Numbers are big endian. A sum is the CRC-32C of the salt and of everything else
// in the header or the group. The salt is drawn once for a journal: whoever chooses
// an event's body cannot write a group into it. puts counts the put records up to
// the end of the group since the journal began, to say how many are missing.
const (
	segmentMagic  = "THAWEVJ1"
	segmentHeader = 32
	groupHeader   = 24

	// segmentSize is how large a segment becomes, in bytes. Two are set aside on the
	// disk: the one that is written, and the next.
	segmentSize = 8 << 20
	// maxGroup bounds a group's records, in bytes.
	maxGroup = 4 << 20
	// aheadGroups is how far a group may be from the last one that was read and still
	// be taken for one, behind damage.
	aheadGroups = 1 << 24
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum covers parts under a journal's salt.
func checksum(salt uint64, parts ...[]byte) uint32 {
	sum := crc32.Checksum(binary.BigEndian.AppendUint64(nil, salt), castagnoli)
	for _, p := range parts {
		sum = crc32.Update(sum, castagnoli, p)
	}
	return sum
}

func encodeSegmentHeader(first, salt uint64) []byte {
	b := append(make([]byte, 0, segmentHeader), segmentMagic...)
	b = binary.BigEndian.AppendUint64(b, first)
	b = binary.BigEndian.AppendUint64(b, salt)
	b = binary.BigEndian.AppendUint32(b, checksum(salt, b))
	return binary.BigEndian.AppendUint32(b, 0)
}

var errHeader = errors.New("the header is damaged")

func decodeSegmentHeader(b []byte) (first, salt uint64, err error) {
	if len(b) < segmentHeader || string(b[:8]) != segmentMagic {
		return 0, 0, errHeader
	}
	first, salt = binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])
	if checksum(salt, b[:24]) != binary.BigEndian.Uint32(b[24:]) || binary.BigEndian.Uint32(b[28:]) != 0 {
		return 0, 0, errHeader
	}
	return first, salt, nil
}

// appendGroup appends a group; records are its encoded records.
func appendGroup(b []byte, salt, number, puts uint64, records []byte) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint32(b, uint32(len(records)))
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint64(b, number)
	b = binary.BigEndian.AppendUint64(b, puts)
	b = append(b, records...)
	binary.BigEndian.PutUint32(b[start+4:], checksum(salt, b[start:start+4], b[start+8:]))
	return b
}

// group is one that was read; records shares the memory of the file's bytes.
type group struct {
	number, puts uint64
	offset       int // of records in the segment
	records      []byte
}

// groupAt reads the group at an offset, if there is one: whole, and numbered above
// after and up to limit.
func groupAt(b []byte, offset int, salt, after, limit uint64) (g group, ok bool) {
	if len(b)-offset < groupHeader {
		return group{}, false
	}
	head := b[offset : offset+groupHeader]
	number, length := binary.BigEndian.Uint64(head[8:]), binary.BigEndian.Uint32(head)
	if number <= after || number > limit || length == 0 || length > maxGroup || int(length) > len(b)-offset-groupHeader {
		return group{}, false
	}
	records := b[offset+groupHeader : offset+groupHeader+int(length)]
	if checksum(salt, head[:4], head[8:], records) != binary.BigEndian.Uint32(head[4:]) {
		return group{}, false
	}
	return group{number: number, puts: binary.BigEndian.Uint64(head[16:]), offset: offset + groupHeader, records: records}, true
}

// scan hands every group of a segment's bytes to take, in order; behind bytes that
// are no group it looks for the next one. clean is false if there are bytes that
// are neither groups nor zeros up to the end.
func scan(b []byte, salt, after uint64, take func(group) error) (clean bool, err error) {
	offset := segmentHeader
	clean = true
	for offset < len(b) {
		g, ok := groupAt(b, offset, salt, after, after+aheadGroups)
		if !ok {
			if clean && zeros(b[offset:]) {
				return true, nil
			}
			clean = false
			offset++
			continue
		}
		if err := take(g); err != nil {
			return clean, err
		}
		after = g.number
		offset = g.offset + len(g.records)
	}
	return clean, nil
}

func zeros(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// segment is a file of the journal, and how much of it lives.
type segment struct {
	path  string
	first uint64 // its first group's number
	size  int64  // up to the end of its last group
	live  int    // events
	bytes int64  // of the records of the live events
}

const segmentSuffix = ".log"

func segmentPath(dir string, first uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d%s", first, segmentSuffix))
}

// segmentNumber is the number of the first group that a file's name tells.
func segmentNumber(name string) (first uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	first, err := strconv.ParseUint(digits, 10, 64)
	return first, err == nil
}

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
