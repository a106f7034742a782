// Package trace reads and writes the trace header of the service, X-Amzn-Trace-Id,
// and decides which invocations are sampled.
//
// Vocabulary: the header is a list of fields, such as
//
//	Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a1b2c3d4:0
//
// Root names the trace, Parent the span that caused this request, Sampled whether
// the trace is recorded. Lineage is the service's own count of hops: each acceptance
// is one. A field that is not known is passed on. A segment is the span of one
// invocation of a function whose tracing is Active: what the function does has it
// for its parent.
package trace

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"regexp"
	"strings"
	"sync"
	"time"
)

// HeaderName is the name of the header in HTTP.
const HeaderName = "X-Amzn-Trace-Id"

// maxHeader bounds what a caller may pass on, in bytes; maxFields, in how many
// fields.
const (
	maxHeader = 1024
	maxFields = 32
)

// The known fields.
const (
	Root    = "Root"
	Parent  = "Parent"
	Sampled = "Sampled"
	Lineage = "Lineage"
)

var (
	rootForm = regexp.MustCompile(`^1-[0-9a-f]{8}-[0-9a-f]{24}$`)
	spanForm = regexp.MustCompile(`^[0-9a-f]{16}$`)
)

// Header is a trace header's fields in their order.
type Header []Field

// Field is one of them.
type Field struct{ Name, Value string }

// Parse reads a header. One without a valid Root, or that is too long, names no
// trace; neither does one whose Parent is no span.
func Parse(s string) (Header, bool) {
	if s == "" || len(s) > maxHeader || strings.Count(s, ";") >= maxFields {
		return nil, false
	}
	var h Header
	for part := range strings.SplitSeq(s, ";") {
		name, value, found := strings.Cut(strings.TrimSpace(part), "=")
		if name == "" && !found {
			continue // a separator at the end
		}
		if !found || h.Get(name) != "" {
			return nil, false
		}
		h = append(h, Field{name, value})
	}
	parent := h.Get(Parent)
	return h, rootForm.MatchString(h.Get(Root)) && (parent == "" || spanForm.MatchString(parent))
}

// Get returns the value of a field; empty if there is none.
func (h Header) Get(name string) string {
	for _, f := range h {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// With returns the header with a field set: in its place, or at the end; an empty
// value takes it out.
func (h Header) With(name, value string) Header {
	out := make(Header, 0, len(h)+1)
	found := false
	for _, f := range h {
		if f.Name == name {
			found = true
			f.Value = value
		}
		if f.Value != "" || f.Name != name {
			out = append(out, f)
		}
	}
	if !found && value != "" {
		out = append(out, Field{name, value})
	}
	return out
}

func (h Header) String() string {
	var b strings.Builder
	for i, f := range h {
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteString(f.Name)
		b.WriteByte('=')
		b.WriteString(f.Value)
	}
	return b.String()
}

// Accepted is the header with which an invocation goes on.
type Accepted struct {
	Header string
	// Undecided tells that the caller has left it open whether the trace is sampled;
	// Fresh, that he gave none, so that even its parent is made up.
	Undecided, Fresh bool
}

// Accept takes the caller's header, or a new one that is not sampled.
func Accept(given string, now time.Time) Accepted {
	h, ok := Parse(given)
	if !ok {
		return Accepted{Header: fresh(now), Undecided: true, Fresh: true}
	}
	a := Accepted{}
	if s := h.Get(Sampled); s != "0" && s != "1" {
		h, a.Undecided = h.With(Sampled, "0"), true
	}
	lineage := newLineage()
	if given := h.Get(Lineage); given != "" {
		lineage = nextLineage(given)
	}
	a.Header = h.With(Lineage, lineage).String()
	return a
}

// fresh makes a header as the service does.
func fresh(now time.Time) string {
	var random [24]byte
	rand.Read(random[:])
	var at [4]byte
	binary.BigEndian.PutUint32(at[:], uint32(now.Unix()))
	buf := append(make([]byte, 0, 96), "Root=1-"...)
	buf = hex.AppendEncode(buf, at[:])
	buf = append(buf, '-')
	buf = hex.AppendEncode(buf, random[:12])
	buf = append(buf, ";Parent="...)
	buf = hex.AppendEncode(buf, random[12:20])
	buf = append(buf, ";Sampled=0;Lineage=1:"...)
	buf = hex.AppendEncode(buf, random[20:])
	return string(append(buf, ":0"...))
}

// Segment is how a sampled invocation of a function with active tracing appears.
type Segment struct {
	ID string
	// Caller is the header as the caller meant it, Runtime the one that the function
	// gets: there the segment is the parent.
	Caller, Runtime string
}

// Activate makes the segment of an invocation of a function with active tracing;
// false if it is not sampled.
func Activate(a Accepted, sampler *Sampler) (Segment, bool) {
	h, ok := Parse(a.Header)
	if !ok {
		return Segment{}, false
	}
	if a.Undecided && sampler.Sample() {
		h = h.With(Sampled, "1")
	}
	if h.Get(Sampled) != "1" {
		return Segment{}, false
	}
	var random [8]byte
	rand.Read(random[:])
	s := Segment{ID: hex.EncodeToString(random[:]), Caller: h.String()}
	s.Runtime = h.With(Parent, s.ID).String()
	if a.Fresh {
		s.Caller = h.With(Parent, "").String()
	}
	return s, true
}

// Sampler decides for those who have left it open, as the service documents it:
// the first invocation of each second, and one in twenty of the others.
type Sampler struct {
	now    func() time.Time
	random func() float64 // from 0 to 1

	mu     sync.Mutex
	second int64
}

const sampledShare = 0.05

// NewSampler makes a Sampler with a clock and a source of random numbers below 1.
func NewSampler(now func() time.Time, random func() float64) *Sampler {
	return &Sampler{now: now, random: random}
}

// Sample decides about one invocation.
func (s *Sampler) Sample() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if second := s.now().Unix(); second != s.second {
		s.second = second
		return true
	}
	return s.random() < sampledShare
}
