package metrics

import (
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"

	"thaw/internal/telemetry"
)

// leafKey is a series by what measures say of it.
type leafKey struct {
	metric             telemetry.Metric
	function           string
	qualifier, version string
}

// slot is the summary of one minute that is not over, or was late.
type slot struct {
	minute int64 // since 1970
	Summary
}

// leaf sums up one series.
type leaf struct {
	series Series
	timed  bool // milliseconds: totals have buckets

	mu    sync.Mutex
	slots []slot // by arrival of the first value: one, for most of the time
	gone  bool   // it is not found any more: look again
	total Total
}

// TotalBounds are the upper bounds of the buckets of a Total, in milliseconds.
var TotalBounds = [...]float64{1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 900_000}

// Total is what has been measured of a series since the server began, or since it was
// forgotten because nothing was measured for a day.
type Total struct {
	Series  Series
	Count   uint64
	Sum     float64
	Last    float64                  // of a gauge
	Buckets [len(TotalBounds)]uint64 // of milliseconds: values up to each bound, and above the one before
	minute  int64                    // of the last value
}

// add counts a value; it is false for a leaf that is gone.
func (l *leaf) add(minute int64, v float64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return false
	}
	l.slot(minute).Add(v)
	t := &l.total
	t.Count++
	t.Sum += v
	t.Last = v
	t.minute = max(t.minute, minute)
	if l.timed {
		for i, bound := range TotalBounds {
			if v <= bound {
				t.Buckets[i]++
				break
			}
		}
	}
	return true
}

// maxSlots bounds the minutes that a leaf has at one time: values may be fifteen
// minutes late, and are measured with the times of a wall clock. What is beyond
// counts in the last one.
const maxSlots = 32

func (l *leaf) slot(minute int64) *slot {
	for i := len(l.slots) - 1; i >= 0; i-- {
		if l.slots[i].minute == minute {
			return &l.slots[i]
		}
	}
	if len(l.slots) < maxSlots {
		l.slots = append(l.slots, slot{minute: minute})
	}
	return &l.slots[len(l.slots)-1]
}

// take hands out the minutes before one, and those that are too far ahead to be
// true; all tells that every minute is wanted.
func (l *leaf) take(before int64, all bool) []slot {
	l.mu.Lock()
	defer l.mu.Unlock()
	var taken, kept []slot
	for _, s := range l.slots {
		if all || s.minute < before || s.minute > before+1 {
			taken = append(taken, s)
			continue
		}
		kept = append(kept, s)
	}
	l.slots = kept
	return taken
}

// shards is how many parts the leaves are in: measures of different functions
// rarely meet in one.
const shards = 64

type shard struct {
	mu     sync.RWMutex
	leaves map[leafKey]*leaf
	_      [64]byte // no two on one line of a cache
}

// leaves are all series that something was measured of lately.
type leaves struct {
	seed   maphash.Seed
	max    int64
	count  atomic.Int64
	shards [shards]shard
}

func newLeaves(most int) *leaves {
	l := &leaves{seed: maphash.MakeSeed(), max: int64(most)}
	for i := range l.shards {
		l.shards[i].leaves = map[leafKey]*leaf{}
	}
	return l
}

func (ls *leaves) shard(function string) *shard {
	return &ls.shards[maphash.String(ls.seed, function)%shards]
}

// measure counts a value in its leaf.
func (ls *leaves) measure(m *telemetry.Measure) {
	if math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
		return
	}
	k := leafKey{m.Metric, m.Function, m.Qualifier, ""}
	if isAlias(m.Qualifier) {
		k.version = m.ExecutedVersion
	}
	minute := m.At.Unix() / 60
	for {
		sh := ls.shard(k.function)
		sh.mu.RLock()
		l := sh.leaves[k]
		sh.mu.RUnlock()
		if l == nil {
			l = ls.plant(sh, k, m)
		}
		if l.add(minute, m.Value) {
			return
		}
	}
}

// plant makes a leaf. When there are too many, those to come are not told apart: they
// count in the sums over all functions only.
func (ls *leaves) plant(sh *shard, k leafKey, m *telemetry.Measure) *leaf {
	series := seriesOf(m)
	if ls.count.Load() >= ls.max && k.function != "" {
		k, series = leafKey{metric: m.Metric}, Series{Metric: m.Metric}
		sh = ls.shard("")
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if l := sh.leaves[k]; l != nil {
		return l
	}
	l := &leaf{series: series, timed: Unit(m.Metric) == UnitMilliseconds}
	l.total.Series = series
	sh.leaves[k] = l
	ls.count.Add(1)
	return l
}

// each calls f for the leaves of a function; for those of all if it is empty.
func (ls *leaves) each(function string, f func(*leaf)) {
	for i := range ls.shards {
		sh := &ls.shards[i]
		if function != "" && sh != ls.shard(function) {
			continue
		}
		sh.mu.RLock()
		for _, l := range sh.leaves {
			if function == "" || l.series.Function == function {
				f(l)
			}
		}
		sh.mu.RUnlock()
	}
}

// forgetAfter is how long a series is remembered that nothing is measured of;
// crowdedAfter, when there are many.
const (
	forgetAfter  = 24 * 60 // minutes
	crowdedAfter = 60
)

// prune drops leaves that nothing was measured of for long.
func (ls *leaves) prune(now int64) {
	limit := now - forgetAfter
	if ls.count.Load() > ls.max*3/4 {
		limit = now - crowdedAfter
	}
	for i := range ls.shards {
		sh := &ls.shards[i]
		sh.mu.Lock()
		for k, l := range sh.leaves {
			l.mu.Lock()
			if len(l.slots) == 0 && l.total.minute < limit {
				l.gone = true
				delete(sh.leaves, k)
				ls.count.Add(-1)
			}
			l.mu.Unlock()
		}
		sh.mu.Unlock()
	}
}
