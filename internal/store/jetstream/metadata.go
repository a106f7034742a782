package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"thaw/internal/store"
)

const (
	bucket = "metadata"
	// markerTTL is how long a deletion stays visible to watchers that are behind,
	// before its last trace goes.
	markerTTL = time.Hour
)

// errClosed is what a store answers after Close.
var errClosed = errors.New("store is closed")

// metadata keeps each record as the last message of one subject. A revision is
// the message's sequence in the stream.
//
// A deletion is a marker message, so a key that "does not exist" may have one
// as its last message: writing anew expects the marker's sequence.
type metadata struct {
	kv     jetstream.KeyValue
	stream jetstream.Stream // below kv
	ctx    context.Context  // ends with the store
	cancel context.CancelFunc
	relays sync.WaitGroup
}

func openMetadata(ctx context.Context, js jetstream.JetStream) (*metadata, error) {
	// The bucket as it is kept would be the same bucket made anew, but asking is
	// a tenth of the time of making.
	kv, err := js.KeyValue(ctx, bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket:         bucket,
			Description:    "records, by key",
			MaxValueSize:   maxPayload,
			History:        1,
			Storage:        jetstream.FileStorage,
			LimitMarkerTTL: markerTTL,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("open metadata: %w", err)
	}
	stream, err := js.Stream(ctx, "KV_"+bucket)
	if err != nil {
		return nil, fmt.Errorf("open metadata: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &metadata{kv: kv, stream: stream, ctx: ctx, cancel: cancel}, nil
}

func (m *metadata) close() {
	m.cancel()
	m.relays.Wait()
}

// swap turns a key into the engine's form and back. The engine parts segments
// by '.', which is what watching a prefix needs, and allows '/' within them.
func swap(key string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '/':
			return '.'
		case '.':
			return '/'
		}
		return r
	}, key)
}

func (m *metadata) Get(ctx context.Context, key string) (store.Entry, error) {
	if err := store.CheckKey(key); err != nil {
		return store.Entry{}, err
	}
	ctx, cancel := limited(ctx)
	defer cancel()
	e, err := m.kv.Get(ctx, swap(key))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Entry{}, fmt.Errorf("get %q: %w", key, err)
	}
	return store.Entry{Key: key, Value: e.Value(), Revision: store.Revision(e.Revision())}, nil
}

func (m *metadata) Newest(ctx context.Context) (store.Revision, error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	info, err := m.stream.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("newest revision: %w", err)
	}
	return store.Revision(info.State.LastSeq), nil
}

func (m *metadata) Put(ctx context.Context, key string, value []byte, expect store.Revision) (store.Revision, error) {
	if err := errors.Join(store.CheckKey(key), store.CheckValue(value)); err != nil {
		return 0, err
	}
	ctx, cancel := limited(ctx)
	defer cancel()
	var revision uint64
	var err error
	if expect == 0 {
		revision, err = m.kv.Create(ctx, swap(key), value)
	} else {
		revision, err = m.kv.Update(ctx, swap(key), value, uint64(expect))
	}
	if err != nil {
		return 0, fmt.Errorf("put %q: %w", key, conflict(err))
	}
	return store.Revision(revision), nil
}

func (m *metadata) Delete(ctx context.Context, key string, expect store.Revision) error {
	if err := store.CheckKey(key); err != nil {
		return err
	}
	if expect == 0 { // to the engine that would mean "whatever it is"
		return fmt.Errorf("delete %q: %w", key, store.ErrConflict)
	}
	ctx, cancel := limited(ctx)
	defer cancel()
	err := m.kv.Purge(ctx, swap(key), jetstream.LastRevision(uint64(expect)), jetstream.PurgeTTL(markerTTL))
	if err != nil {
		return fmt.Errorf("delete %q: %w", key, conflict(err))
	}
	return nil
}

// conflict turns the engine's word for a lost race into the port's.
func conflict(err error) error {
	if errors.Is(err, jetstream.ErrKeyExists) || errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return store.ErrConflict
	}
	return err
}

func (m *metadata) Watch(ctx context.Context, prefix string) (<-chan store.Change, error) {
	if err := store.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	if m.ctx.Err() != nil {
		return nil, errClosed
	}
	watcher, err := m.kv.Watch(context.Background(), filter(prefix))
	if err != nil {
		return nil, fmt.Errorf("watch %q: %w", prefix, err)
	}
	out := make(chan store.Change)
	m.relays.Go(func() {
		defer close(out)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(m.ctx, cancel)()
		relay(ctx, watcher, prefix, out)
	})
	return out, nil
}

// filter is the narrowest subject that holds every key with the prefix: the
// engine matches whole segments only.
func filter(prefix string) string {
	whole := prefix[:strings.LastIndexByte(prefix, '/')+1]
	return swap(whole) + ">"
}

// relay passes changes on until ctx ends, then stops the watcher and drains it,
// for the engine's goroutine may be in the middle of handing one over.
func relay(ctx context.Context, watcher jetstream.KeyWatcher, prefix string, out chan<- store.Change) {
	defer func() {
		// The only error is that the connection is closed, and the watch with it.
		_ = watcher.Stop()
		for range watcher.Updates() {
		}
	}()
	synced := false
	for {
		var c store.Change
		select {
		case e, ok := <-watcher.Updates():
			if !ok {
				return
			}
			if c, ok = change(e, prefix, synced); !ok {
				continue
			}
		case <-ctx.Done():
			return
		}
		synced = synced || c.Synced
		select {
		case out <- c:
		case <-ctx.Done():
			return
		}
	}
}

// change translates one step; ok is false for what the reader is not to see:
// other keys of the same segment, and deletions before the initial state.
func change(e jetstream.KeyValueEntry, prefix string, synced bool) (c store.Change, ok bool) {
	if e == nil { // the engine's mark for the end of the initial state
		return store.Change{Synced: true}, !synced
	}
	c.Key = swap(e.Key())
	c.Value = e.Value()
	c.Revision = store.Revision(e.Revision())
	if e.Operation() != jetstream.KeyValuePut {
		c.Deleted, c.Value = true, nil
	}
	return c, strings.HasPrefix(c.Key, prefix) && (synced || !c.Deleted)
}

// limited bounds a call whose caller set no deadline.
func limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, callTimeout)
}
