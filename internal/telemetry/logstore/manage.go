package logstore

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// Group is what is known of a group.
type Group struct {
	Name      string
	Created   time.Time
	Retention int // days; 0 is for ever
	Class     string
	Protected bool
	Tags      map[string]string
	Bytes     int64 // on disk
}

// Stream is what is known of a stream. The times of one without events are zero.
type Stream struct {
	Name                         string
	Created                      time.Time
	FirstEvent, LastEvent, Input time.Time
}

// ensure makes the groups that there are not.
func (s *Store) ensure(names []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var states []groupState
	for _, name := range names {
		if s.groups[name] == nil {
			states = append(states, groupState{ID: s.nextID + uint64(len(states)), Name: name, Created: s.now().UnixMilli()})
		}
	}
	return s.add(states)
}

// add saves new groups; the caller holds s.mu.
func (s *Store) add(states []groupState) error {
	if len(states) == 0 {
		return nil
	}
	if s.closed {
		return errClosed
	}
	if err := s.catalogue.put(states...); err != nil {
		return err
	}
	for _, state := range states {
		s.groups[state.Name] = s.newGroup(state)
		s.nextID = state.ID + 1
	}
	return nil
}

// CreateGroup makes an empty group of the name, class, protection, tags and
// retention given.
func (s *Store) CreateGroup(g Group) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups[g.Name] != nil {
		return ErrGroupExists
	}
	return s.add([]groupState{{
		ID: s.nextID, Name: g.Name, Created: s.now().UnixMilli(), Class: g.Class,
		Protected: g.Protected, Tags: g.Tags, Retention: g.Retention,
	}})
}

// UpdateGroup changes retention, protection and tags of a group; change gets a
// copy.
func (s *Store) UpdateGroup(name string, change func(*Group)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[name]
	if g == nil {
		return ErrNoGroup
	}
	view := g.view()
	change(&view)
	state := g.state
	state.Retention, state.Protected, state.Tags = view.Retention, view.Protected, view.Tags
	if err := s.catalogue.put(state); err != nil {
		return err
	}
	if state.Retention != g.state.Retention {
		s.askSweep()
	}
	g.state = state
	return nil
}

// view is the group as callers see it; the caller holds s.mu.
func (g *group) view() Group {
	return Group{
		Name: g.state.Name, Created: time.UnixMilli(g.state.Created), Retention: g.state.Retention, Class: g.state.Class,
		Protected: g.state.Protected, Tags: maps.Clone(g.state.Tags), Bytes: g.bytes.Load(),
	}
}

// Group finds a group.
func (s *Store) Group(name string) (Group, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[name]
	if g == nil {
		return Group{}, ErrNoGroup
	}
	return g.view(), nil
}

// Groups lists the groups that choose wants, or all, by name.
func (s *Store) Groups(choose func(name string) bool) []Group {
	s.mu.Lock()
	var found []Group
	for name, g := range s.groups {
		if choose == nil || choose(name) {
			found = append(found, g.view())
		}
	}
	s.mu.Unlock()
	slices.SortFunc(found, func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// DeleteGroup deletes a group with all its events.
func (s *Store) DeleteGroup(name string) error {
	s.mu.Lock()
	g := s.groups[name]
	err := ErrNoGroup
	switch {
	case g == nil:
	case g.state.Protected:
		err = ErrProtected
	default:
		state := g.state
		state.Deleted = true
		err = s.catalogue.put(state)
	}
	if err != nil {
		s.mu.Unlock()
		return err
	}
	delete(s.groups, name)
	if g.element != nil {
		s.recent.Remove(g.element)
		g.element = nil
	}
	s.mu.Unlock()

	g.mu.Lock()
	defer g.mu.Unlock()
	g.gone = true
	g.unload()
	g.setBytes(0)
	// What fails here is done when the store is next opened.
	if err := os.RemoveAll(g.dir); err != nil {
		return fmt.Errorf("remove the log group %q: %w", name, err)
	}
	return nil
}

// using calls do with a group's files loaded and locked.
func (s *Store) using(name string, do func(*group) error) error {
	g, err := s.acquire(name)
	if err != nil {
		return err
	}
	defer s.release(g)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.load(); err != nil {
		return err
	}
	return do(g)
}

// CreateStream makes an empty stream.
func (s *Store) CreateStream(in, name string) error {
	return s.using(in, func(g *group) error {
		switch {
		case g.streams[name] != nil:
			return ErrStreamExists
		case g.crowded():
			return ErrTooManyStreams
		}
		return g.note(s.now().UnixMilli(), func(buf []byte) ([]byte, error) {
			buf, _, err := g.encodeStream(buf, name, s.now().UnixMilli())
			return buf, err
		})
	})
}

// DeleteStream deletes a stream: its events are no longer found. Their space is
// free when the segments they are in are dropped.
func (s *Store) DeleteStream(in, name string) error {
	return s.using(in, func(g *group) error {
		if g.streams[name] == nil {
			return ErrNoStream
		}
		err := g.note(s.now().UnixMilli(), func(buf []byte) ([]byte, error) {
			return g.encodeRecord(buf, record{kind: kindDeletion, text: []byte(name)})
		})
		if err == nil {
			delete(g.streams, name)
			delete(g.ids, name)
			g.hidden[name] = g.next
		}
		return err
	})
}

// crowded tells whether no empty stream is made any more: there are too many, or a
// segment is full of what is no event. The next one is named by its first event, so
// that it cannot be begun without one.
func (g *group) crowded() bool {
	if len(g.streams) >= maxStreams {
		return true
	}
	return g.file != nil && g.active().Count == 0 && g.active().Size >= g.store.opts.SegmentBytes
}

// note writes what is no event.
func (g *group) note(now int64, encode func([]byte) ([]byte, error)) (err error) {
	defer func() {
		if err != nil {
			g.unload()
		}
	}()
	if g.file == nil || g.full(now) {
		if err := g.rotate(now); err != nil {
			return err
		}
	}
	buf, err := encode(nil)
	if err != nil {
		return err
	}
	return g.write(buf)
}

// Streams lists the streams of a group, by name.
func (s *Store) Streams(in string) ([]Stream, error) {
	var found []Stream
	err := s.using(in, func(g *group) error {
		for _, stat := range g.streams {
			found = append(found, stat.view())
		}
		return nil
	})
	slices.SortFunc(found, func(a, b Stream) int { return strings.Compare(a.Name, b.Name) })
	return found, err
}

// HasStreams returns an error unless a group has all of these streams, what is
// queued included.
func (s *Store) HasStreams(ctx context.Context, in string, names []string) error {
	if err := s.Settle(ctx); err != nil {
		return err
	}
	return s.using(in, func(g *group) error {
		for _, name := range names {
			if g.streams[name] == nil {
				return ErrNoStream
			}
		}
		return nil
	})
}

func (s *streamStat) view() Stream {
	v := Stream{Name: s.Name, Created: time.UnixMilli(s.Created)}
	if s.First <= s.Last {
		v.FirstEvent, v.LastEvent, v.Input = time.UnixMilli(s.First), time.UnixMilli(s.Last), time.UnixMilli(s.Ingested)
	}
	return v
}
