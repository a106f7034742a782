package queue

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"thaw/internal/catalog"
	"thaw/internal/lambda"
	"thaw/internal/store"
)

// Options configure Open. All are required but Policies and State.
type Options struct {
	Catalog *catalog.Catalog
	// Events is the store's queue of a name.
	Events func(name string) store.Queue
	Scope  lambda.Scope
	// Policies tells what is wrong with a policy document of a queue; nil takes all.
	Policies func(document string) error
	// State is a file in which a service that is closed leaves to the next one what it
	// knows of messages in flight; empty for none.
	State  string
	Logger *slog.Logger
}

// Service is all queues.
type Service struct {
	catalog  *catalog.Catalog
	events   func(name string) store.Queue
	scope    lambda.Scope
	policies func(document string) error
	logger   *slog.Logger
	boot     uint64
	state    string

	ctx    context.Context // ends with the service
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu    sync.Mutex
	boxes map[string]*box // by the queue's ID
	// restored are flights of an earlier service, of queues that have no box yet.
	restored map[string]map[string]flight
}

// box is what a process knows of one queue beside its record.
type box struct {
	events store.Queue
	sealer sealer
	ctx    context.Context // ends with the queue or the service
	cancel context.CancelFunc

	// gate is held for reading while messages are put in, and for writing while the
	// queue is deleted.
	gate sync.RWMutex

	mu      sync.Mutex
	flights map[string]flight // by the message's ID, from its first receipt on
	// oldest is a time before which no message was sent; swept is when it was looked
	// for messages that are too old.
	oldest, swept time.Time
}

// flight is what is known of a message that has been received.
type flight struct {
	first    time.Time // receipt
	received time.Time // last
	until    time.Time // when it waits again
	receives int
	// boot and token are of the last receipt. lease is the store's: the token, if this
	// service has given the receipt; 0 as long as the store takes the message for one
	// that waits.
	boot, token, lease uint64
}

// Open starts the service.
func Open(o Options) (*Service, error) {
	if o.Catalog == nil || o.Events == nil || o.Logger == nil {
		return nil, errors.New("open queues: Catalog, Events and Logger are required")
	}
	s := &Service{catalog: o.Catalog, events: o.Events, scope: o.Scope, policies: o.Policies, logger: o.Logger, state: o.State, boxes: map[string]*box{}}
	if s.policies == nil {
		s.policies = func(string) error { return nil }
	}
	var boot [8]byte
	rand.Read(boot[:])
	s.boot = binary.BigEndian.Uint64(boot[:])
	if err := s.takeOver(); err != nil {
		return nil, fmt.Errorf("open queues: %w", err)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.ended.Go(s.sweep)
	return s, nil
}

// Close ends whoever waits for messages. Messages stay.
func (s *Service) Close() error {
	s.cancel()
	s.ended.Wait()
	if err := s.handOver(); err != nil {
		return fmt.Errorf("close queues: %w", err)
	}
	return nil
}

// find returns a queue by its name or ARN.
func (s *Service) find(queue string) (*lambda.Queue, *box, error) {
	if name, ok := s.scope.QueueName(queue); ok {
		queue = name
	}
	r, ok := s.catalog.Queue(queue)
	if !ok {
		return nil, nil, errNoQueue()
	}
	return r.Queue, s.box(r.Queue), nil
}

func (s *Service) box(q *lambda.Queue) *box {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.boxes[q.ID]
	if b == nil {
		b = &box{events: s.events("sqs/" + q.ID), sealer: sealer{key: q.Key}, flights: map[string]flight{}}
		if flights := s.restored[q.ID]; flights != nil {
			b.flights = flights
			delete(s.restored, q.ID)
		}
		b.ctx, b.cancel = context.WithCancel(s.ctx)
		s.boxes[q.ID] = b
	}
	return b
}

// Has tells whether there is a queue of a name or an ARN.
func (s *Service) Has(queue string) bool {
	_, _, err := s.find(queue)
	return err == nil
}

// ARN is the ARN that a queue of this name has, or would have.
func (s *Service) ARN(name string) string { return s.scope.QueueARN(name) }

// Policy is a queue's own policy document; empty if it or the queue is not there.
func (s *Service) Policy(name string) string {
	r, ok := s.catalog.Queue(name)
	if !ok {
		return ""
	}
	return r.Queue.Policy
}

// Create makes a queue. One that is there already is as good, if each attribute that
// is named has the same value.
func (s *Service) Create(ctx context.Context, name string, attributes, tags map[string]string) error {
	if err := checkName(name); err != nil {
		return err
	}
	q := defaults()
	q.Name = name
	if err := s.apply(&q, attributes); err != nil {
		return err
	}
	if q.Tags = maps.Clone(tags); len(q.Tags) > maxTags {
		return errTooManyTags()
	}
	id, now := make([]byte, 16), time.Now().UTC().Truncate(time.Second)
	q.Key = make([]byte, 32)
	rand.Read(id)
	rand.Read(q.Key)
	q.ID, q.CreatedAt, q.LastModified = hex.EncodeToString(id), now, now
	for {
		if r, ok := s.catalog.Queue(name); ok {
			return s.same(r.Queue, &q, attributes)
		}
		if len(s.catalog.Queues()) >= maxQueues {
			return lambda.Errorf(codeOverLimit, "This server has as many queues as it can: %d.", maxQueues)
		}
		_, err := s.catalog.PutQueue(ctx, &q, 0)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		if err := ctx.Err(); err != nil { // what won shows in a moment
			return err
		}
	}
}

// same compares the attributes that were named.
func (s *Service) same(there, wanted *lambda.Queue, named map[string]string) error {
	has, wants := s.attributesOf(there, store.Count{}), s.attributesOf(wanted, store.Count{})
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if has[name] != wants[name] {
			return lambda.Errorf(codeQueueExists, "A queue already exists with the same name and a different value for attribute %s", name)
		}
	}
	return nil
}

func errTooManyTags() error {
	return invalidValue("A queue can have %d tags.", maxTags)
}

// Names lists the names of the queues that begin with prefix and come after another,
// sorted.
func (s *Service) Names(prefix, after string) []string {
	var names []string
	for _, r := range s.catalog.Queues() {
		if strings.HasPrefix(r.Queue.Name, prefix) && (after == "" || r.Queue.Name > after) {
			names = append(names, r.Queue.Name)
		}
	}
	return names
}

// Sources lists the names of the queues whose dead-letter queue this is.
func (s *Service) Sources(name, after string) ([]string, error) {
	if _, _, err := s.find(name); err != nil {
		return nil, err
	}
	names := []string{}
	for _, r := range s.catalog.Queues() {
		if d := r.Queue.DeadLetter; d != nil && d.Target == s.scope.QueueARN(name) && (after == "" || r.Queue.Name > after) {
			names = append(names, r.Queue.Name)
		}
	}
	return names, nil
}

// Attributes shows those attributes of a queue that are named, or all.
func (s *Service) Attributes(ctx context.Context, name string, names []string) (map[string]string, error) {
	for _, n := range names {
		if !known(n) {
			return nil, unknownAttribute(n)
		}
	}
	q, b, err := s.find(name)
	if err != nil {
		return nil, err
	}
	count, err := b.events.Count(ctx)
	if err != nil {
		return nil, err
	}
	shown := s.attributesOf(q, count)
	if !slices.Contains(names, attrAll) {
		maps.DeleteFunc(shown, func(n, _ string) bool { return !slices.Contains(names, n) })
	}
	return shown, nil
}

// SetAttributes changes the attributes that are named.
func (s *Service) SetAttributes(ctx context.Context, name string, attributes map[string]string) error {
	return s.update(ctx, name, func(q *lambda.Queue) error {
		q.LastModified = time.Now().UTC().Truncate(time.Second)
		return s.apply(q, attributes)
	})
}

// Tags shows the tags of a queue.
func (s *Service) Tags(name string) (map[string]string, error) {
	q, _, err := s.find(name)
	if err != nil {
		return nil, err
	}
	return maps.Clone(q.Tags), nil
}

// Tag adds tags to a queue.
func (s *Service) Tag(ctx context.Context, name string, tags map[string]string) error {
	return s.update(ctx, name, func(q *lambda.Queue) error {
		all := maps.Clone(q.Tags)
		if all == nil {
			all = map[string]string{}
		}
		maps.Copy(all, tags)
		if q.Tags = all; len(all) > maxTags {
			return errTooManyTags()
		}
		return nil
	})
}

// Untag takes tags away.
func (s *Service) Untag(ctx context.Context, name string, keys []string) error {
	return s.update(ctx, name, func(q *lambda.Queue) error {
		q.Tags = maps.Clone(q.Tags)
		for _, key := range keys {
			delete(q.Tags, key)
		}
		return nil
	})
}

// update changes a copy of a queue's record, and again if another was quicker.
func (s *Service) update(ctx context.Context, name string, change func(q *lambda.Queue) error) error {
	for {
		r, ok := s.catalog.Queue(name)
		if !ok {
			return errNoQueue()
		}
		q := *r.Queue
		if err := change(&q); err != nil {
			return err
		}
		_, err := s.catalog.PutQueue(ctx, &q, r.Revision)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// Purge ends all messages of a queue, those in flight included.
func (s *Service) Purge(ctx context.Context, name string) error {
	_, b, err := s.find(name)
	if err != nil {
		return err
	}
	b.mu.Lock()
	ended := slices.Collect(maps.Keys(b.flights))
	b.mu.Unlock()
	if err := b.events.Purge(ctx); err != nil {
		return fmt.Errorf("purge queue %q: %w", name, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range ended {
		delete(b.flights, id)
	}
	return nil
}

// Delete ends a queue and its messages: these first, so that none is left without
// its queue.
func (s *Service) Delete(ctx context.Context, name string) error {
	r, ok := s.catalog.Queue(name)
	if !ok {
		return errNoQueue()
	}
	id, b := r.Queue.ID, s.box(r.Queue)
	b.gate.Lock()
	defer b.gate.Unlock()
	if !s.lives(r.Queue) {
		return errNoQueue()
	}
	if err := b.events.Purge(ctx); err != nil {
		return fmt.Errorf("delete queue %q: %w", name, err)
	}
	for s.lives(r.Queue) {
		r, _ := s.catalog.Queue(name) // its attributes may have been changed
		err := s.catalog.DeleteQueue(ctx, name, r.Revision)
		if err != nil && (!errors.Is(err, store.ErrConflict) || ctx.Err() != nil) {
			return err
		}
	}
	b.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.boxes, id)
	return nil
}

// lives tells whether a queue is still there, and not another of its name. Under the
// gate of the queue's box it stays so.
func (s *Service) lives(q *lambda.Queue) bool {
	r, ok := s.catalog.Queue(q.Name)
	return ok && r.Queue.ID == q.ID
}
