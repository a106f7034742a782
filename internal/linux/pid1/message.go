package pid1

import (
	"encoding/binary"
	"errors"
)

// Kind is the first byte of a message.
type Kind byte

// The kinds of message and their directions.
const (
	KindRoot    Kind = 'R' // daemon → spawner, once; answered by Done or Failed
	KindSpawn   Kind = 'P' // daemon → spawner; answered by Spawned or Failed
	KindSpawned Kind = 'p'
	KindPrepare Kind = 'Q' // daemon → PID 1, once; answered by Ready or Failed
	KindReady   Kind = 'q' // with the network namespace as its descriptor
	KindStart   Kind = 'S' // answered by Started or Failed
	KindStarted Kind = 's'
	KindSignal  Kind = 'K'
	KindReset   Kind = 'Z'
	KindExited  Kind = 'x'
	KindDone    Kind = 'd'
	KindFailed  Kind = 'f'
)

// MaxMessage bounds a message: the kernel's default socket buffer takes it whole,
// and an environment of Lambda's 4 KiB with all else is far from it.
const MaxMessage = 64 << 10

// MaxFiles bounds the descriptors of one message (the kernel's own limit is 253).
const MaxFiles = 64

// StepKind tells what a Step does.
type StepKind byte

// The kinds of step of which a root tree is made.
const (
	StepDirectory  StepKind = 'd'
	StepFile       StepKind = 'f' // Text is its content
	StepSymlink    StepKind = 'l' // Text is where it points
	StepBind       StepKind = 'b' // Text is the directory or file of the host; always read-only, nosuid
	StepFilesystem StepKind = 't' // a tmpfs; Text are its options
	StepSeal       StepKind = 's' // makes the mount at Path read-only
)

// Step makes one thing in a root tree. Paths are relative to it.
type Step struct {
	Kind    StepKind
	Path    string
	Text    string
	Mode    uint32
	Devices bool // of a bind: device nodes work on it
}

// Root tells the spawner to build the tree that every sandbox gets a copy of.
type Root struct {
	Mountpoint string // an empty directory of the host; nothing stays mounted there
	Steps      []Step
}

// Spawn asks for a PID 1. Its descriptors are PID 1's end of its control socket
// and the directory of its cgroup.
type Spawn struct {
	FirstID uint32 // of the host's user and group ids that become 0…Count-1 inside
	Count   uint32
}

// Spawned answers Spawn.
type Spawned struct{ PID int } // on the host

// Prepare readies a PID 1 for its first Start.
type Prepare struct {
	Hostname string
	Filter   []byte // seccomp program, as struct sock_filter in native order
	UID, GID uint32 // of every process that it starts
}

// Start asks for a process. Its descriptors are: the root, if Root; one mount
// per target; one file for each true of Present, in order.
type Start struct {
	Root    bool     // the first descriptor is a mount that becomes the root directory
	Targets []string // where the mounts go; they are made before anything else
	Path    string
	Args    []string
	Env     []string
	Dir     string
	Limits  []ResourceLimit
	Present []bool // which of the process's descriptors 1, 2, 3, … are given; the others are the null device
}

// ResourceLimit is a limit as of setrlimit(2), soft and hard alike. PID 1 sets it
// on itself, for its processes to inherit.
type ResourceLimit struct {
	Resource int
	Value    uint64
}

// Started answers Start.
type Started struct{ PID int } // inside

// Signal is sent to the process group of a started process.
type Signal struct {
	PID    int
	Number int
}

// Exited tells the end of a started process.
type Exited struct {
	PID    int
	Status uint32 // as of wait(2)
}

// Failed answers what went wrong.
type Failed struct {
	Operation string
	Errno     uint32
	Exec      bool // the program itself could not be executed
}

// ErrMalformed is returned for a message that does not decode.
var ErrMalformed = errors.New("malformed message")

// encoder appends fields; decoder takes them off in the same order.
type encoder []byte

func encode(k Kind) encoder { return encoder{byte(k)} }

func (e *encoder) number(n uint64) { *e = binary.AppendUvarint(*e, n) }
func (e *encoder) text(s string) {
	e.number(uint64(len(s)))
	*e = append(*e, s...)
}
func (e *encoder) flag(b bool) {
	if b {
		*e = append(*e, 1)
		return
	}
	*e = append(*e, 0)
}
func (e *encoder) texts(list []string) {
	e.number(uint64(len(list)))
	for _, s := range list {
		e.text(s)
	}
}

type decoder struct {
	rest   []byte
	failed bool
}

func (d *decoder) number() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) number32() uint32 {
	n := d.number()
	if n > 1<<32-1 {
		d.fail()
	}
	return uint32(n)
}

// count reads a length of at most what is left, so that nothing is allocated for
// a promise.
func (d *decoder) count() int {
	n := d.number()
	if n > uint64(len(d.rest)) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) text() string {
	n := d.count()
	s := string(d.rest[:n])
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) flag() bool {
	if len(d.rest) == 0 || d.rest[0] > 1 {
		d.fail()
		return false
	}
	b := d.rest[0] == 1
	d.rest = d.rest[1:]
	return b
}

func (d *decoder) texts() []string {
	var list []string
	for n := d.count(); n > 0 && !d.failed; n-- {
		list = append(list, d.text())
	}
	return list
}

func (d *decoder) fail() { d.failed, d.rest = true, nil }

// Decode returns the message in a packet: one of this package's structs, or a
// bare Kind for the kinds without fields.
func Decode(packet []byte) (any, error) {
	if len(packet) == 0 {
		return nil, ErrMalformed
	}
	d := &decoder{rest: packet[1:]}
	var m any
	switch k := Kind(packet[0]); k {
	case KindRoot:
		m = decodeRoot(d)
	case KindSpawn:
		m = Spawn{FirstID: d.number32(), Count: d.number32()}
	case KindSpawned:
		m = Spawned{PID: int(d.number32())}
	case KindPrepare:
		m = Prepare{Hostname: d.text(), Filter: []byte(d.text()), UID: d.number32(), GID: d.number32()}
	case KindStart:
		m = decodeStart(d)
	case KindStarted:
		m = Started{PID: int(d.number32())}
	case KindSignal:
		m = Signal{PID: int(d.number32()), Number: int(d.number32())}
	case KindExited:
		m = Exited{PID: int(d.number32()), Status: d.number32()}
	case KindFailed:
		m = Failed{Operation: d.text(), Errno: d.number32(), Exec: d.flag()}
	case KindReady, KindReset, KindDone:
		m = k
	default:
		d.fail()
	}
	if d.failed || len(d.rest) > 0 {
		return nil, ErrMalformed
	}
	return m, nil
}

func decodeRoot(d *decoder) Root {
	r := Root{Mountpoint: d.text()}
	for n := d.count(); n > 0 && !d.failed; n-- {
		r.Steps = append(r.Steps, Step{
			Kind: StepKind(d.number32()), Path: d.text(), Text: d.text(), Mode: d.number32(), Devices: d.flag(),
		})
	}
	return r
}

func decodeStart(d *decoder) Start {
	s := Start{Root: d.flag(), Targets: d.texts(), Path: d.text(), Args: d.texts(), Env: d.texts(), Dir: d.text()}
	for n := d.count(); n > 0 && !d.failed; n-- {
		s.Limits = append(s.Limits, ResourceLimit{int(d.number32()), d.number()})
	}
	for n := d.count(); n > 0 && !d.failed; n-- {
		s.Present = append(s.Present, d.flag())
	}
	return s
}

// Encode returns the packet of a message that Decode gives back.
func Encode(m any) []byte {
	switch m := m.(type) {
	case Kind:
		return encode(m)
	case Root:
		return m.encode()
	case Spawn:
		return numbers(KindSpawn, m.FirstID, m.Count)
	case Spawned:
		return numbers(KindSpawned, uint32(m.PID))
	case Prepare:
		e := encode(KindPrepare)
		e.text(m.Hostname)
		e.text(string(m.Filter))
		e.number(uint64(m.UID))
		e.number(uint64(m.GID))
		return e
	case Start:
		return m.encode()
	case Started:
		return numbers(KindStarted, uint32(m.PID))
	case Signal:
		return numbers(KindSignal, uint32(m.PID), uint32(m.Number))
	case Exited:
		return numbers(KindExited, uint32(m.PID), m.Status)
	case Failed:
		e := encode(KindFailed)
		e.text(m.Operation)
		e.number(uint64(m.Errno))
		e.flag(m.Exec)
		return e
	default:
		return nil
	}
}

func numbers(k Kind, list ...uint32) []byte {
	e := encode(k)
	for _, n := range list {
		e.number(uint64(n))
	}
	return e
}

func (r Root) encode() []byte {
	e := encode(KindRoot)
	e.text(r.Mountpoint)
	e.number(uint64(len(r.Steps)))
	for _, s := range r.Steps {
		e.number(uint64(s.Kind))
		e.text(s.Path)
		e.text(s.Text)
		e.number(uint64(s.Mode))
		e.flag(s.Devices)
	}
	return e
}

func (s Start) encode() []byte {
	e := encode(KindStart)
	e.flag(s.Root)
	e.texts(s.Targets)
	e.text(s.Path)
	e.texts(s.Args)
	e.texts(s.Env)
	e.text(s.Dir)
	e.number(uint64(len(s.Limits)))
	for _, l := range s.Limits {
		e.number(uint64(l.Resource))
		e.number(l.Value)
	}
	e.number(uint64(len(s.Present)))
	for _, p := range s.Present {
		e.flag(p)
	}
	return e
}
