package metrics

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// hour is one that is open: its points are in memory, and in its log.
type hour struct {
	start  int64 // minutes since 1970
	points map[string][]byte
	log    *log
}

// add appends a point.
func (h *hour) add(key string, p *point) { h.points[key] = appendPoint(h.points[key], p) }

// hourFormat names the files of an hour.
const hourFormat = "2006-01-02T15"

const (
	logSuffix  = ".log"
	hourSuffix = ".hour"
	// damagedSuffix follows the name of a file that was put aside.
	damagedSuffix = ".damaged"
)

func hourName(start int64) string { return time.Unix(start*60, 0).UTC().Format(hourFormat) }

// hourOf reads a file's name.
func hourOf(name string) (start int64, ok bool) {
	at, err := time.Parse(hourFormat, name)
	return at.Unix() / 60, err == nil
}

// castagnoli is the polynomial of all checksums here.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const logMagic = "thawlog1"

// log is the file of an hour that is open: blocks of records. It is used by one
// goroutine at a time.
type log struct {
	file  *os.File
	size  int64 // of the good part
	known map[string]uint64
	bad   bool // nothing can be appended
}

// record is a point of a series on its way to a log.
type record struct {
	key  string
	data []byte // appendPoint
}

// maxBlock bounds a block, in bytes.
const maxBlock = 256 << 20

// openLog opens or makes a log, and reads what is in it. A block that is not whole is
// cut off with all behind it: it was being written when the server was killed.
func openLog(path string, each func(key string, p *point)) (l *log, cut int64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, 0, err
	}
	l = &log{file: f, known: map[string]uint64{}}
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	if len(data) >= len(logMagic) && string(data[:len(logMagic)]) != logMagic {
		return nil, 0, errors.Join(fmt.Errorf("%s is no log of metrics", path), f.Close())
	}
	l.size = int64(l.replay(data, each))
	if cut = int64(len(data)) - l.size; cut > 0 {
		if err := f.Truncate(l.size); err != nil {
			return nil, 0, errors.Join(err, f.Close())
		}
	}
	return l, cut, nil
}

// replay reads whole blocks and returns where they end.
func (l *log) replay(data []byte, each func(key string, p *point)) (good int) {
	if len(data) < len(logMagic) {
		return 0
	}
	good = len(logMagic)
	var keys []string
	for {
		rest := data[good:]
		if len(rest) < 8 {
			return good
		}
		size, sum := binary.LittleEndian.Uint32(rest), binary.LittleEndian.Uint32(rest[4:])
		if uint64(size) > uint64(len(rest)-8) {
			return good
		}
		block := rest[8 : 8+size]
		if crc32.Checksum(block, castagnoli) != sum {
			return good
		}
		records, found, err := readBlock(block, keys)
		if err != nil {
			return good
		}
		for _, key := range found[len(keys):] {
			l.known[key] = uint64(len(l.known))
		}
		keys = found
		for i := range records {
			each(records[i].key, &records[i].point)
		}
		good += 8 + int(size)
	}
}

type readRecord struct {
	key string
	point
}

// readBlock reads the records of a block; keys are those known before, and found all
// that are known then.
func readBlock(block []byte, keys []string) (records []readRecord, found []string, err error) {
	r := &reading{data: block}
	found = slices.Clip(keys)
	for len(r.data) > 0 {
		id := r.uvarint()
		if id == uint64(len(found)) {
			found = append(found, r.text(r.uvarint()))
		}
		if r.bad || id >= uint64(len(found)) {
			return nil, nil, errPoint
		}
		p, err := r.point()
		if err != nil {
			return nil, nil, err
		}
		records = append(records, readRecord{found[id], p})
	}
	return records, found, nil
}

// append writes one block and has it on the disk then. What could not be written whole
// is cut off.
func (l *log) append(records []record) error {
	if l.bad {
		return errors.New("the log cannot be appended to any more")
	}
	var block []byte
	fresh := map[string]uint64{}
	for _, r := range records {
		id, ok := l.known[r.key]
		if !ok {
			id, ok = fresh[r.key]
		}
		if !ok {
			id = uint64(len(l.known) + len(fresh))
			fresh[r.key] = id
			block = binary.AppendUvarint(block, id)
			block = binary.AppendUvarint(block, uint64(len(r.key)))
			block = append(block, r.key...)
		} else {
			block = binary.AppendUvarint(block, id)
		}
		block = append(block, r.data...)
	}
	if len(block) > maxBlock {
		return fmt.Errorf("a block of %d bytes is too large", len(block))
	}
	var head []byte
	if l.size == 0 {
		head = append(head, logMagic...)
	}
	head = binary.LittleEndian.AppendUint32(head, uint32(len(block)))
	head = binary.LittleEndian.AppendUint32(head, crc32.Checksum(block, castagnoli))
	whole := append(head, block...)
	_, err := l.file.WriteAt(whole, l.size)
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		if cutErr := l.file.Truncate(l.size); cutErr != nil {
			l.bad = true
			err = errors.Join(err, cutErr)
		}
		return err
	}
	l.size += int64(len(whole))
	for key, id := range fresh {
		l.known[key] = id
	}
	return nil
}

// remove closes the log and removes its file.
func (l *log) remove() error {
	return errors.Join(l.file.Close(), os.Remove(l.file.Name()))
}

// syncDir has the names in a directory on the disk.
func syncDir(dir string) error {
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
