package logstore

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"slices"
	"time"
)

// Position is a place between events: in front of the event of that time and
// number, or where it would be.
type Position struct {
	At  int64 // milliseconds since 1970
	Seq uint64
}

// Compare orders positions by time, then number.
func (p Position) Compare(other Position) int {
	return cmp.Or(cmp.Compare(p.At, other.At), cmp.Compare(p.Seq, other.Seq))
}

func (e *Event) position() Position { return Position{e.At.UnixMilli(), e.Seq} }

// after is the position behind an event.
func (e *Event) after() Position { return Position{e.At.UnixMilli(), e.Seq + 1} }

// Query asks for one page of a group's events.
type Query struct {
	Group string
	// Stream chooses streams by name; nil means all.
	Stream func(name string) bool
	// Match chooses events by message; nil means all.
	Match func(message []byte) bool
	// From and To bound the positions of events: From <= position < To. Their zero
	// values mean no bound.
	From, To Position
	// Backward asks for the last events instead of the first.
	Backward bool
	Limit    int // events; 0 means 10,000
}

// Page is an answer: events by position.
type Page struct {
	Events []Event
	// More tells that there may be further events in the direction of the search:
	// from Next on, or before it.
	More bool
	Next Position
}

const (
	// pageEvents and pageBytes bound a page, as the service does.
	pageEvents = 10_000
	pageBytes  = 1 << 20
	// pageEvent is charged for each event beside its message, as the service does.
	pageEvent = 26
)

// Search reads one page.
func (s *Store) Search(ctx context.Context, q Query) (Page, error) {
	if err := s.Settle(ctx); err != nil {
		return Page{}, err
	}
	if q.Limit <= 0 || q.Limit > pageEvents {
		q.Limit = pageEvents
	}
	if q.To == (Position{}) {
		q.To = Position{At: math.MaxInt64}
	}
	about, err := s.Group(q.Group)
	if err != nil {
		return Page{}, err
	}
	if about.Retention > 0 {
		oldest := Position{At: s.now().AddDate(0, 0, -about.Retention).UnixMilli()}
		if q.From.Compare(oldest) < 0 {
			q.From = oldest
		}
	}
	var found view
	if err := s.using(q.Group, func(g *group) error { found = g.snapshot(&q); return nil }); err != nil {
		return Page{}, err
	}
	return found.search(ctx, &q, s.opts.ScanBytes)
}

// view is what a search sees of a group, whatever happens to it meanwhile.
type view struct {
	group  uint64
	blocks []blockRef
	hidden map[string]uint64
}

type blockRef struct {
	block
	path  string
	names []streamStat
}

// snapshot lists the blocks that may have what a query asks for, in the order in
// which the search wants them. The caller holds g.mu.
func (g *group) snapshot(q *Query) view {
	v := view{group: g.id, hidden: make(map[string]uint64, len(g.hidden))}
	for name, before := range g.hidden {
		v.hidden[name] = before
	}
	for _, s := range g.segments {
		wanted := s.wanted(q)
		names := s.Streams[:len(s.Streams):len(s.Streams)] // names never change
		for _, b := range s.Blocks {
			if b.Last < q.From.At || b.First > q.To.At || !b.has(wanted) {
				continue
			}
			v.blocks = append(v.blocks, blockRef{block: b, path: s.path, names: names})
		}
	}
	slices.SortStableFunc(v.blocks, func(a, b blockRef) int {
		if q.Backward {
			return cmp.Compare(b.Last, a.Last)
		}
		return cmp.Compare(a.First, b.First)
	})
	return v
}

// wanted tells which of a segment's streams a query asks for; nil means all.
func (s *segment) wanted(q *Query) []bool {
	if q.Stream == nil {
		return nil
	}
	wanted := make([]bool, len(s.Streams))
	for i := range s.Streams {
		wanted[i] = q.Stream(s.Streams[i].Name)
	}
	return wanted
}

func (b *block) has(wanted []bool) bool {
	return wanted == nil || b.Many && slices.Contains(wanted, true) ||
		slices.ContainsFunc(b.Streams, func(id uint32) bool { return wanted[id] })
}

func (v *view) search(ctx context.Context, q *Query, scanBytes int64) (Page, error) {
	page := selection{query: q}
	read := blockReader{}
	defer read.close()
	var scanned int64
	for i := range v.blocks {
		b := &v.blocks[i]
		if page.beyond(b) {
			break
		}
		if scanned > scanBytes && page.cut(b) {
			break
		}
		if err := ctx.Err(); err != nil {
			return Page{}, err
		}
		data, err := read.block(b)
		if errors.Is(err, fs.ErrNotExist) {
			continue // dropped meanwhile
		}
		if err != nil {
			return Page{}, err
		}
		scanned += b.Length
		v.take(data, b, &page)
	}
	return page.page(), nil
}

// take offers a block's events to a page.
func (v *view) take(data []byte, b *blockRef, page *selection) {
	q := page.query
	seq := b.Seq
	for {
		payload, rest, err := nextFrame(data)
		if err != nil || payload == nil {
			return // a block whose bytes have changed since they were written
		}
		data = rest
		r, err := decodeRecord(payload)
		if err != nil || r.kind != kindEvent {
			continue
		}
		number := seq
		seq++
		at := Position{r.at, number}
		if at.Compare(q.From) < 0 || at.Compare(q.To) >= 0 || r.number >= uint64(len(b.names)) {
			continue
		}
		name := b.names[r.number].Name
		if number < v.hidden[name] || q.Stream != nil && !q.Stream(name) {
			continue
		}
		if !page.wants(at) || q.Match != nil && !q.Match(r.text) {
			continue
		}
		page.add(Event{
			Seq: number, Stream: name, At: time.UnixMilli(r.at), Ingested: time.UnixMilli(r.ingested),
			Message: string(r.text), group: v.group,
		})
	}
}

// blockReader keeps the last file open: blocks that follow each other are mostly
// of one.
type blockReader struct {
	path string
	file *os.File
	buf  []byte
}

func (r *blockReader) block(b *blockRef) ([]byte, error) {
	if r.path != b.path {
		r.close()
		file, err := os.Open(b.path)
		if err != nil {
			return nil, err
		}
		r.path, r.file = b.path, file
	}
	if int64(cap(r.buf)) < b.Length {
		r.buf = make([]byte, b.Length)
	}
	r.buf = r.buf[:b.Length]
	_, err := r.file.ReadAt(r.buf, b.Offset)
	return r.buf, err
}

func (r *blockReader) close() {
	if r.file != nil {
		r.file.Close()
	}
	r.path, r.file = "", nil
}
