package backlog

import (
	"time"

	"thaw/internal/store"
)

// Hold keeps the items of a partition from being handed out until a time; one that
// has come lets them go.
func (b *Backlog) Hold(name string, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until.After(b.now()) {
		b.holds[name] = until
		if b.nextHold.IsZero() || until.Before(b.nextHold) {
			b.nextHold = until
		}
		return
	}
	if _, held := b.holds[name]; held {
		b.release(name)
		b.wake()
	}
}

// release ends a hold; the caller holds mu, as it does for all that follow.
func (b *Backlog) release(name string) {
	delete(b.holds, name)
	if p := b.partitions[name]; p != nil {
		b.settle(p)
	}
}

// releaseDue ends the holds whose time has come.
func (b *Backlog) releaseDue(now time.Time) {
	if b.nextHold.IsZero() || b.nextHold.After(now) {
		return
	}
	b.nextHold = time.Time{}
	for name, until := range b.holds {
		switch {
		case !until.After(now):
			b.release(name)
		case b.nextHold.IsZero() || until.Before(b.nextHold):
			b.nextHold = until
		}
	}
}

// isHeld tells whether a partition's turn does not come now.
func (b *Backlog) isHeld(p *partition) bool {
	_, held := b.holds[p.name]
	return held
}

// Partitions is Count for each partition that has items.
func (b *Backlog) Partitions() map[string]store.Count {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(b.now())
	counts := make(map[string]store.Count, len(b.partitions))
	for name, p := range b.partitions {
		c := store.Count{Waiting: len(p.ready), Leased: p.leased}
		c.Delayed = len(p.later) - p.leased
		if c != (store.Count{}) {
			counts[name] = c
		}
	}
	return counts
}
