package logstore

import (
	"container/heap"
	"slices"
)

// selection keeps the first events of those it is offered, in the direction of
// the search, as many as a page holds. What it has refused once marks the end of
// the page: nothing behind it is taken, so that a page has no holes.
type selection struct {
	query *Query
	kept  worstFirst
	bytes int
	// end is the nearest position that was refused, or that was not looked at.
	end    Position
	hasEnd bool
}

// before tells whether a comes before b in the direction of the search.
func (s *selection) before(a, b Position) bool {
	if s.query.Backward {
		return a.Compare(b) > 0
	}
	return a.Compare(b) < 0
}

func (s *selection) wants(at Position) bool { return !s.hasEnd || s.before(at, s.end) }

func (s *selection) add(e Event) {
	s.kept.backward = s.query.Backward
	heap.Push(&s.kept, e)
	s.bytes += len(e.Message) + pageEvent
	for len(s.kept.events) > 1 && (s.bytes > pageBytes || len(s.kept.events) > s.query.Limit) {
		worst := heap.Pop(&s.kept).(Event)
		s.bytes -= len(worst.Message) + pageEvent
		s.end, s.hasEnd = worst.position(), true
	}
}

// beyond tells whether a block, and with it all that follow, is past the end.
func (s *selection) beyond(b *blockRef) bool {
	if s.query.Backward {
		return s.hasEnd && b.Last < s.end.At
	}
	return s.hasEnd && b.First > s.end.At
}

// cut ends the page in front of a block that is not looked at any more. It
// refuses if the next search would begin where this one did.
func (s *selection) cut(b *blockRef) bool {
	at := Position{At: b.First}
	progress := at.Compare(s.query.From) > 0
	if s.query.Backward {
		at = Position{At: b.Last + 1}
		progress = at.Compare(s.query.To) < 0
	}
	if !progress {
		return false
	}
	if !s.wants(at) {
		return true
	}
	s.end, s.hasEnd = at, true
	return true
}

// page is the result, the events by position.
func (s *selection) page() Page {
	events := slices.DeleteFunc(s.kept.events, func(e Event) bool {
		if s.query.Backward {
			return s.hasEnd && e.position().Compare(s.end) < 0
		}
		return s.hasEnd && e.position().Compare(s.end) >= 0
	})
	slices.SortFunc(events, func(a, b Event) int { return a.position().Compare(b.position()) })
	p := Page{Events: events, More: s.hasEnd, Next: s.query.From}
	switch {
	case s.query.Backward:
		p.Next = s.query.To
		if len(events) > 0 {
			p.Next = events[0].position()
		} else if s.hasEnd {
			p.Next = s.end
		}
	case len(events) > 0:
		p.Next = events[len(events)-1].after()
		if s.hasEnd && s.end.Compare(p.Next) > 0 {
			p.Next = s.end
		}
	case s.hasEnd:
		p.Next = s.end
	}
	return p
}

// worstFirst is a heap of events, the last in the direction of the search on top.
type worstFirst struct {
	events   []Event
	backward bool
}

func (h *worstFirst) Len() int { return len(h.events) }

func (h *worstFirst) Less(i, j int) bool {
	order := h.events[i].position().Compare(h.events[j].position())
	if h.backward {
		return order < 0
	}
	return order > 0
}

func (h *worstFirst) Swap(i, j int) { h.events[i], h.events[j] = h.events[j], h.events[i] }
func (h *worstFirst) Push(x any)    { h.events = append(h.events, x.(Event)) }

func (h *worstFirst) Pop() any {
	last := len(h.events) - 1
	e := h.events[last]
	h.events = h.events[:last]
	return e
}
