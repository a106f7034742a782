package backlog

import "container/heap"

// state is what may be done with an entry.
type state uint8

const (
	reserved state = iota // in no partition
	ready                 // due
	leased                // in somebody's hands
	delayed               // not yet due
	states
)

// entry is an item and where it stands.
type entry struct {
	Item
	token     uint64 // of the latest hand-out; 0 if there was none
	partition *partition
	index     int32 // in partition.ready, or in partition.later
	state     state
	was       state // before it was taken out
	ending    bool  // taken out, to be added again or forgotten
}

// partition holds the entries of one key, the earliest due first of each heap.
type partition struct {
	name   string
	ready  entryHeap
	later  entryHeap // leased and delayed
	leased int       // of later
	inLine bool
	index  int // in Backlog.waiting; absent if later is empty
}

// absent is the index of a partition that is not in Backlog.waiting.
const absent = -1

type entryHeap []*entry

var _ heap.Interface = (*entryHeap)(nil)

func (h entryHeap) Len() int { return len(h) }

// Less puts equal due times in the order in which they were stored.
func (h entryHeap) Less(i, j int) bool {
	if c := h[i].Due.Compare(h[j].Due); c != 0 {
		return c < 0
	}
	return h[i].Place < h[j].Place
}

func (h entryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = int32(i), int32(j)
}

// Push is for container/heap.
func (h *entryHeap) Push(x any) {
	e := x.(*entry)
	e.index = int32(len(*h))
	*h = append(*h, e)
}

// Pop is for container/heap.
func (h *entryHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}

// partitionHeap has those with later entries, by the earliest of these.
type partitionHeap []*partition

var _ heap.Interface = (*partitionHeap)(nil)

func (h partitionHeap) Len() int { return len(h) }

func (h partitionHeap) Less(i, j int) bool { return h[i].later[0].Due.Before(h[j].later[0].Due) }

func (h partitionHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is for container/heap.
func (h *partitionHeap) Push(x any) {
	p := x.(*partition)
	p.index = len(*h)
	*h = append(*h, p)
}

// Pop is for container/heap.
func (h *partitionHeap) Pop() any {
	last := len(*h) - 1
	p := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	p.index = absent
	return p
}
