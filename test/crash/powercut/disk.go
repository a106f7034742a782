// Package powercut is a disk whose power can be cut: a file system in memory that
// keeps apart what programs have written and what has reached the medium, and that
// forgets, when it is cut, what need not have.
//
// The model. What is on the medium:
//
//   - a file's bytes and length, as of the last fsync or fdatasync of the file (or a
//     write with O_SYNC or O_DSYNC);
//   - names (create, mkdir, link, rename, unlink), as of the last fsync of their
//     directory. With Ordered, also as of any fsync of any file or directory, as a
//     journal like ext4's commits all earlier changes of names with each fsync.
//
// Of all else, a random part survives a cut: of the changes of names, a prefix of
// those of each directory (with Ordered: of all); of the bytes, any of the pages
// that were written, each whole or torn at a sector of 512 bytes; of the changes of
// length, any. A sector is never torn.
//
// Real disks and file systems are kinder in most ways. Owners, modes and times are
// always kept.
package powercut

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
)

const (
	pageSize   = 4096
	sectorSize = 512
)

// Disk is the file system and its medium.
type Disk struct {
	ordered bool

	mu       sync.Mutex
	root     *inode
	numbers  uint64
	log      []nameChange // not on the medium yet, the oldest first
	room     int64        // bytes that files may have in all; 0 is no bound
	used     int64
	left     int // changes until the power is cut, if it is above 0
	failing  int // syncs that are to fail
	dead     bool
	cut      chan struct{} // closed when the power was cut
	released chan struct{} // closed when whoever waits may have an error
	Changes  int           // how many there were
}

// inode is a file or a directory. A file's bytes, and a directory's names.
type inode struct {
	number uint64
	mode   uint32
	links  int

	now     []byte
	medium  []byte
	pending []write

	names       map[string]*inode // nil for a file
	namesMedium map[string]*inode
}

// write is a change of a file that is not on the medium yet: bytes at an offset,
// or, without bytes, a new length.
type write struct {
	offset int64
	bytes  []byte
}

// nameChange has a directory's name mean another inode, or none. A rename is two of
// them, which share their fate.
type nameChange struct {
	parts []namePart
}

type namePart struct {
	dir  *inode
	name string
	to   *inode
}

// New makes an empty disk.
func New(ordered bool) *Disk {
	d := &Disk{ordered: ordered, cut: make(chan struct{}), released: make(chan struct{})}
	d.root = d.newInode(syscall.S_IFDIR | 0o700)
	return d
}

func (d *Disk) newInode(mode uint32) *inode {
	d.numbers++
	i := &inode{number: d.numbers, mode: mode}
	if mode&syscall.S_IFMT == syscall.S_IFDIR {
		i.names, i.namesMedium = map[string]*inode{}, map[string]*inode{}
	}
	return i
}

// SetRoom bounds the bytes of all files; 0 is no bound.
func (d *Disk) SetRoom(bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = bytes
}

// Used is how many bytes all files have.
func (d *Disk) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used
}

// CutAfter cuts the power at the n-th change or sync from now. Whoever asks for
// anything afterwards waits for Release.
func (d *Disk) CutAfter(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left = n
}

// FailSyncs has the next n syncs fail. What they were to bring to the medium counts as
// written all the same, as it does for Linux's page cache: asking again succeeds, and
// brings nothing.
func (d *Disk) FailSyncs(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failing = n
}

// Cut cuts the power now.
func (d *Disk) Cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.die()
}

// WasCut is closed when the power was cut.
func (d *Disk) WasCut() <-chan struct{} { return d.cut }

// Release has all who wait get an error: when they are to die of a signal.
func (d *Disk) Release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.released:
	default:
		close(d.released)
	}
}

func (d *Disk) die() {
	if !d.dead {
		d.dead = true
		close(d.cut)
	}
}

// enter takes the lock for a request; change is set for those that count.
func (d *Disk) enter(change bool) syscall.Errno {
	d.mu.Lock()
	if change && !d.dead {
		d.Changes++
		if d.left > 0 {
			if d.left--; d.left == 0 {
				d.die()
			}
		}
	}
	if !d.dead {
		return 0
	}
	d.mu.Unlock()
	<-d.released
	return syscall.EIO
}

// What follows is called with the lock held.

func (d *Disk) writeAt(i *inode, b []byte, offset int64) syscall.Errno {
	if errno := d.grow(i, max(int64(len(i.now)), offset+int64(len(b)))); errno != 0 {
		return errno
	}
	copy(i.now[offset:], b)
	i.pending = append(i.pending, write{offset, slices.Clone(b)})
	return 0
}

func (d *Disk) truncate(i *inode, size int64) syscall.Errno {
	if errno := d.grow(i, size); errno != 0 {
		return errno
	}
	i.pending = append(i.pending, write{offset: size})
	return 0
}

// grow sets the length that programs see.
func (d *Disk) grow(i *inode, size int64) syscall.Errno {
	more := size - int64(len(i.now))
	if more > 0 && d.room > 0 && d.used+more > d.room {
		return syscall.ENOSPC
	}
	d.used += more
	i.now = resize(i.now, size)
	return 0
}

func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size:size]
	}
	if size <= int64(cap(b)) {
		old := len(b)
		b = b[:size]
		clear(b[old:])
		return b
	}
	return append(b, make([]byte, size-int64(len(b)))...)
}

// apply has one write reach a medium's bytes.
func (w write) apply(b []byte) []byte {
	if w.bytes == nil {
		return resize(b, w.offset)
	}
	b = resize(b, max(int64(len(b)), w.offset+int64(len(w.bytes))))
	copy(b[w.offset:], w.bytes)
	return b
}

func (d *Disk) sync(i *inode) syscall.Errno {
	if d.failing > 0 {
		d.failing--
		i.pending = nil
		return syscall.EIO
	}
	for _, w := range i.pending {
		i.medium = w.apply(i.medium)
	}
	i.pending = nil
	var rest []nameChange
	for _, c := range d.log {
		if d.ordered || slices.ContainsFunc(c.parts, func(p namePart) bool { return p.dir == i }) {
			c.apply()
		} else {
			rest = append(rest, c)
		}
	}
	d.log = rest
	return 0
}

func (c nameChange) apply() {
	for _, p := range c.parts {
		if p.to == nil {
			delete(p.dir.namesMedium, p.name)
		} else {
			p.dir.namesMedium[p.name] = p.to
		}
	}
}

// rename changes names, as one.
func (d *Disk) rename(parts ...namePart) {
	for _, p := range parts {
		if old := p.dir.names[p.name]; old != nil {
			if old.links--; old.links == 0 && old.names == nil {
				d.used -= int64(len(old.now))
			}
		}
		if p.to == nil {
			delete(p.dir.names, p.name)
			continue
		}
		p.dir.names[p.name] = p.to
		p.to.links++
	}
	d.log = append(d.log, nameChange{parts})
}

// After is a disk with what a cut has left, by chance. The old one has to be dead.
func (d *Disk) After(random *rand.Rand) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := d.surviveNames(random)
	fresh := New(d.ordered)
	chance := []float64{0, 0.2, 0.5, 0.9, 1}[random.IntN(5)]
	known := map[*inode]*inode{d.root: fresh.root}
	fresh.root.mode = d.root.mode
	fresh.takeOver(d.root, fresh.root, names, known, func(i *inode) []byte { return i.survive(random, chance) })
	return fresh
}

// names are directories' names where they differ from the medium's.
type names map[*inode]map[string]*inode

func (n names) of(dir *inode) map[string]*inode {
	if changed, ok := n[dir]; ok {
		return changed
	}
	return dir.namesMedium
}

func (n names) apply(c nameChange) {
	for _, p := range c.parts {
		if _, ok := n[p.dir]; !ok {
			n[p.dir] = maps.Clone(p.dir.namesMedium)
		}
		if p.to == nil {
			delete(n[p.dir], p.name)
		} else {
			n[p.dir][p.name] = p.to
		}
	}
}

// surviveNames applies the changes of names that happen to be on the medium.
func (d *Disk) surviveNames(random *rand.Rand) names {
	n := names{}
	if d.ordered {
		for _, c := range d.log[:random.IntN(len(d.log)+1)] {
			n.apply(c)
		}
		return n
	}
	left := map[*inode]int{} // of each directory's prefix
	of := map[*inode]int{}
	for _, c := range d.log {
		for _, p := range c.parts {
			of[p.dir]++
		}
	}
	for _, dir := range slices.SortedFunc(maps.Keys(of), func(a, b *inode) int { return cmp.Compare(a.number, b.number) }) {
		left[dir] = random.IntN(of[dir] + 1)
	}
	for _, c := range d.log {
		survives := true
		for _, p := range c.parts {
			left[p.dir]--
			survives = survives && left[p.dir] >= 0
		}
		if survives {
			n.apply(c)
			continue
		}
		for _, p := range c.parts {
			left[p.dir] = 0
		}
	}
	return n
}

// survive is what the medium has of a file.
func (i *inode) survive(random *rand.Rand, chance float64) []byte {
	b := slices.Clone(i.medium)
	for _, w := range i.pending {
		if w.bytes == nil {
			if random.Float64() < chance {
				b = w.apply(b)
			}
			continue
		}
		for start := int64(0); start < int64(len(w.bytes)); {
			at := w.offset + start
			end := min(start+pageSize-at%pageSize, int64(len(w.bytes)))
			if random.Float64() < chance {
				page := write{at, w.bytes[start:end]}
				if random.IntN(4) == 0 { // torn
					keep := int64(random.IntN(pageSize/sectorSize+1)) * sectorSize
					if keep = keep - at%pageSize; keep > 0 && keep < int64(len(page.bytes)) {
						page.bytes = page.bytes[:keep]
					}
				}
				b = page.apply(b)
			}
			start = end
		}
	}
	return b
}

// takeOver copies the medium's tree below a directory.
func (d *Disk) takeOver(from, to *inode, left names, known map[*inode]*inode, bytes func(*inode) []byte) {
	there := left.of(from)
	for _, name := range slices.Sorted(maps.Keys(there)) {
		old := there[name]
		fresh := known[old]
		if fresh == nil {
			fresh = d.newInode(old.mode)
			known[old] = fresh
			if old.names == nil {
				fresh.medium = bytes(old)
				fresh.now = slices.Clone(fresh.medium)
				d.used += int64(len(fresh.now))
			} else {
				d.takeOver(old, fresh, left, known, bytes)
			}
		}
		fresh.links++
		to.names[name], to.namesMedium[name] = fresh, fresh
	}
}
