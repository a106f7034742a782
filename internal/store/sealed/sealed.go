// Package sealed puts encryption in front of a store engine's records: values
// are sealed with the vault's current master key on their way in and unsealed on
// their way out. Keys and revisions stay in the clear, events and blobs are not
// its matter.
//
// A record's seal is bound to its key, so that a record cannot be passed off as
// another one. An older value of the same record can: who is able to write the
// engine's files can set them back.
//
// Open also seals what it finds in the clear, or sealed with an older master
// key. A Metadata takes no lock and may be used from any goroutine; each watch
// has one goroutine, which ends with the engine's own channel.
package sealed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"

	"thaw/internal/store"
	"thaw/internal/vault"
)

// MaxValue bounds a record before it is sealed, in bytes.
const MaxValue = store.MaxValue - vault.Overhead

// Options configures Open.
type Options struct {
	Metadata store.Metadata // of an engine
	// Records is what the engine holds, for a caller who has just read it all; if
	// there are none, Open reads it.
	Records []store.Entry
	Vault   *vault.Vault
	Logger  *slog.Logger
}

// Metadata is a store.Metadata over another one.
type Metadata struct {
	inner  store.Metadata
	vault  *vault.Vault
	logger *slog.Logger
}

var _ store.Metadata = (*Metadata)(nil)

// Open unseals every record once, so that a wrong key file is told now and not
// in the middle of the work, and writes anew those that are not sealed with the
// current key.
func Open(ctx context.Context, o Options) (*Metadata, error) {
	if o.Metadata == nil || o.Vault == nil || o.Logger == nil {
		return nil, errors.New("open sealed records: Metadata, Vault and Logger are required")
	}
	m := &Metadata{inner: o.Metadata, vault: o.Vault, logger: o.Logger}
	stale, err := m.check(ctx, o.Records)
	if err != nil {
		return nil, fmt.Errorf("open sealed records: %w", err)
	}
	for _, e := range stale {
		// Lost races are no matter: whoever won has sealed.
		if _, err := m.Put(ctx, e.Key, e.Value, e.Revision); err != nil && !errors.Is(err, store.ErrConflict) {
			return nil, fmt.Errorf("seal records anew: %w", err)
		}
	}
	if len(stale) > 0 {
		o.Logger.Info("sealed records anew", slog.Int("records", len(stale)), slog.String("key_id", o.Vault.KeyID()))
	}
	return m, nil
}

// ahead is how many changes are unsealed before the watcher takes them: while he works
// on one, others are.
const ahead = 32

// maxCheckers bounds how many records are unsealed at a time when a store is opened.
const maxCheckers = 8

// check returns the records to be sealed anew, unsealed.
func (m *Metadata) check(ctx context.Context, entries []store.Entry) (stale []store.Entry, err error) {
	if len(entries) == 0 {
		if entries, err = m.read(ctx); err != nil {
			return nil, err
		}
	}
	workers := min(runtime.GOMAXPROCS(0), maxCheckers)
	var checked sync.WaitGroup
	found, errs := make([][]store.Entry, workers), make([]error, workers)
	for w := range workers {
		checked.Go(func() {
			for i := w; i < len(entries) && errs[w] == nil; i += workers {
				var e store.Entry
				if e, errs[w] = m.unseal(entries[i]); errs[w] == nil && !m.vault.IsCurrent(entries[i].Value) {
					found[w] = append(found[w], e)
				}
			}
		})
	}
	checked.Wait()
	for w := range workers {
		if errs[w] != nil {
			return nil, errs[w]
		}
	}
	return slices.Concat(found...), nil
}

// read is everything that the engine holds.
func (m *Metadata) read(ctx context.Context) (entries []store.Entry, err error) {
	ctx, cancel := context.WithCancel(ctx)
	changes, err := m.inner.Watch(ctx, "")
	if err != nil {
		cancel()
		return nil, err
	}
	defer func() {
		cancel()
		for range changes {
		}
	}()
	for change := range changes {
		if change.Synced {
			return entries, nil
		}
		entries = append(entries, change.Entry)
	}
	return nil, errors.Join(errors.New("the watch ended before all records were read"), ctx.Err())
}

func place(key string) string { return "record " + key }

// unseal lets plain values pass: they are of a time before sealing.
func (m *Metadata) unseal(e store.Entry) (store.Entry, error) {
	if !vault.IsSealed(e.Value) {
		return e, nil
	}
	plain, err := m.vault.Unseal(place(e.Key), e.Value)
	if err != nil {
		return store.Entry{}, fmt.Errorf("record %q: %w", e.Key, err)
	}
	e.Value = plain
	return e, nil
}

// Get returns the newest entry, unsealed.
func (m *Metadata) Get(ctx context.Context, key string) (store.Entry, error) {
	e, err := m.inner.Get(ctx, key)
	if err != nil {
		return store.Entry{}, err
	}
	return m.unseal(e)
}

// Put seals and writes. A value may have MaxValue bytes.
func (m *Metadata) Put(ctx context.Context, key string, value []byte, expect store.Revision) (store.Revision, error) {
	return m.inner.Put(ctx, key, m.vault.Seal(place(key), value), expect)
}

// Delete removes the key if its revision is still expect.
func (m *Metadata) Delete(ctx context.Context, key string, expect store.Revision) error {
	return m.inner.Delete(ctx, key, expect)
}

// Newest is the engine's.
func (m *Metadata) Newest(ctx context.Context) (store.Revision, error) { return m.inner.Newest(ctx) }

// Watch unseals what the engine's watch delivers. A record that does not unseal
// before the end of the initial state ends the watch; a later one is left out:
// it was not written by a server of this data directory.
func (m *Metadata) Watch(ctx context.Context, prefix string) (<-chan store.Change, error) {
	ctx, cancel := context.WithCancel(ctx)
	changes, err := m.inner.Watch(ctx, prefix)
	if err != nil {
		cancel()
		return nil, err
	}
	out := make(chan store.Change, ahead)
	go func() {
		defer close(out)
		defer func() {
			cancel()
			for range changes {
			}
		}()
		m.relay(ctx, changes, out)
	}()
	return out, nil
}

func (m *Metadata) relay(ctx context.Context, changes <-chan store.Change, out chan<- store.Change) {
	synced := false
	for change := range changes {
		synced = synced || change.Synced
		e, err := m.unseal(change.Entry)
		if err != nil {
			m.logger.Error("record not readable", slog.String("key", change.Key), slog.Any("error", err))
			if !synced {
				return
			}
			continue
		}
		change.Entry = e
		select {
		case out <- change:
		case <-ctx.Done():
			return
		}
	}
}
