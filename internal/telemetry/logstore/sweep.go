package logstore

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"
)

const (
	sweepEvery = time.Hour
	// sweepPause is between two sweeps that are asked for.
	sweepPause = time.Second
	// maxEarly is how far in the future an event's time may be, as the service
	// says: a segment whose file was written last that long before the end of the
	// retention has nothing that is to be kept.
	maxEarly = 2 * time.Hour
	// sweepSlack is the part of TotalBytes, one in so many, that a sweep frees
	// beyond the bound, so that the next one is not due at once.
	sweepSlack = 20
)

func (s *Store) askSweep() {
	select {
	case s.sweeping <- struct{}{}:
	default:
	}
}

// sweepNowAndThen keeps the promises about retention and disk.
func (s *Store) sweepNowAndThen() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
		case <-s.sweeping:
		}
		s.sweep()
		select {
		case <-s.stop:
			return
		case <-time.After(sweepPause):
		}
	}
}

// stored is one segment's file, as the sweep sees it.
type stored struct {
	group *group
	base  uint64
	size  int64
	wrote time.Time
}

// sweep looks at the files of all groups, loaded or not.
func (s *Store) sweep() {
	s.mu.Lock()
	groups := make([]*group, 0, len(s.groups))
	for _, g := range s.groups {
		groups = append(groups, g)
	}
	s.mu.Unlock()
	var all []stored
	for _, g := range groups {
		select {
		case <-s.stop:
			return
		default:
		}
		files := g.measure()
		if expired := s.expired(g); !expired.IsZero() {
			files = s.dropBefore(g, files, func(f stored) bool { return f.wrote.Before(expired) })
		}
		all = append(all, files...)
	}
	if s.total.Load() > s.opts.TotalBytes {
		s.shrink(all)
	}
}

// expired is the time before which what was written last is past a group's
// retention; zero if there is none.
func (s *Store) expired(g *group) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.state.Retention == 0 {
		return time.Time{}
	}
	return s.now().AddDate(0, 0, -g.state.Retention).Add(-maxEarly)
}

// measure lists a group's segments by number and corrects its size.
func (g *group) measure() []stored {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone {
		return nil
	}
	entries, err := os.ReadDir(g.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		g.store.log.Error("the log of a function cannot be listed", "directory", g.dir, "error", err)
	}
	var files []stored
	var total int64
	for _, entry := range entries {
		base, ok := segmentBase(entry.Name())
		if !ok {
			continue
		}
		if info, err := entry.Info(); err == nil {
			files = append(files, stored{g, base, info.Size(), info.ModTime()})
			total += info.Size()
		}
	}
	g.setBytes(total)
	return files
}

// dropBefore drops a group's oldest segments as far as doomed says, and returns
// those that are left.
func (s *Store) dropBefore(g *group, files []stored, doomed func(stored) bool) []stored {
	n := 0
	for n < len(files) && doomed(files[n]) {
		n++
	}
	if n == 0 {
		return files
	}
	last := files[n-1].base
	err := s.using(g.name(), func(now *group) error {
		if now != g {
			return nil // deleted, and made anew
		}
		return g.dropUpTo(last)
	})
	if err != nil && !errors.Is(err, ErrNoGroup) {
		s.log.Error("old events of a log cannot be dropped", "group", g.name(), "error", err)
		return files
	}
	return files[n:]
}

// dropUpTo drops all segments up to the one of that number. The active one is
// sealed first, and followed by an empty one, which keeps the count of events.
func (g *group) dropUpTo(last uint64) error {
	if n := len(g.segments); n > 0 && g.active().Base <= last && g.active().Count > 0 {
		if err := g.rotate(g.store.now().UnixMilli()); err != nil {
			g.unload()
			return err
		}
	}
	g.drop(func(s *segment) bool { return s.Base <= last })
	return nil
}

// shrink drops the segments that were written longest ago, whosever they are,
// until all fit.
func (s *Store) shrink(all []stored) {
	slices.SortStableFunc(all, func(a, b stored) int { return a.wrote.Compare(b.wrote) })
	goal := s.opts.TotalBytes - s.opts.TotalBytes/sweepSlack
	excess := s.total.Load() - goal
	last := map[*group]uint64{} // drop up to this number
	freed := int64(0)
	for _, f := range all {
		if freed >= excess {
			break
		}
		freed += f.size
		last[f.group] = max(last[f.group], f.base)
	}
	s.log.Info("the log is larger than it may be; its oldest events are dropped", "bytes", s.total.Load(), "most", s.opts.TotalBytes)
	for g, base := range last {
		files := []stored{{group: g, base: base}}
		s.dropBefore(g, files, func(stored) bool { return true })
	}
}
