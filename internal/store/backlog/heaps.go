package backlog

import "container/heap"

// entry is an item and where it stands.
type entry struct {
	Item
	token     uint64 // of the latest hand-out; 0 if there was none
	partition *partition
	index     int // in partition.entries
}

// place is where a partition is kept.
type place int

const (
	nowhere place = iota
	waits
	inLine
)

// partition holds the entries of one key, the earliest due first.
type partition struct {
	name    string
	entries entryHeap
	place   place
	index   int // in Backlog.waiting
}

func (p *partition) head() *entry { return p.entries[0] }

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
	h[i].index, h[j].index = i, j
}

// Push is for container/heap.
func (h *entryHeap) Push(x any) {
	e := x.(*entry)
	e.index = len(*h)
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

type partitionHeap []*partition

var _ heap.Interface = (*partitionHeap)(nil)

func (h partitionHeap) Len() int { return len(h) }

func (h partitionHeap) Less(i, j int) bool { return h[i].head().Due.Before(h[j].head().Due) }

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
	return p
}
