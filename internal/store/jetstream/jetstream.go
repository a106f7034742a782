// Package jetstream reads the stores of earlier releases, which kept records and
// events in a NATS server with JetStream inside the process. Why that has ended is in
// docs/decisions/008-one-journal-for-records-and-events.md.
package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"thaw/internal/store"
)

const (
	recordsBucket = "metadata"
	eventsStream  = "events"
	// startTimeout bounds how long Read waits for the server to recover its files.
	startTimeout = time.Minute
	// callTimeout bounds one call to the server.
	callTimeout = 30 * time.Second
)

// Contents are what a store has.
type Contents struct {
	Records []store.Entry
	Newest  store.Revision
	// Groups are the messages of the events' journal, the oldest first.
	Groups [][]byte
}

// Read starts a server over a store's directory, reads everything, and stops it. The
// caller has the directory locked.
func Read(ctx context.Context, dir string, to *slog.Logger) (c *Contents, err error) {
	s, err := server.NewServer(&server.Options{
		ServerName: "thaw", DontListen: true, JetStream: true, StoreDir: dir, SyncAlways: true,
		MaxPayload: 2 << 20, NoSigs: true, DisableJetStreamBanner: true,
	})
	if err != nil {
		return nil, err
	}
	s.SetLoggerV2(logger{to}, false, false, false)
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if !s.ReadyForConnections(startTimeout) {
		return nil, fmt.Errorf("server not ready within %v", startTimeout)
	}
	conn, err := nats.Connect("", nats.InProcessServer(s), nats.Name("thaw"))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(callTimeout))
	if err != nil {
		return nil, err
	}
	c = &Contents{}
	return c, errors.Join(c.readRecords(ctx, js), c.readGroups(ctx, js))
}

func (c *Contents) readRecords(ctx context.Context, js jetstream.JetStream) error {
	kv, err := js.KeyValue(ctx, recordsBucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read records: %w", err)
	}
	stream, err := js.Stream(ctx, "KV_"+recordsBucket)
	if err != nil {
		return fmt.Errorf("read records: %w", err)
	}
	c.Newest = store.Revision(stream.CachedInfo().State.LastSeq)
	watch, err := kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return fmt.Errorf("read records: %w", err)
	}
	for {
		select {
		case e := <-watch.Updates():
			if e == nil { // the mark for the end of the present state
				return watch.Stop()
			}
			c.Records = append(c.Records, store.Entry{Key: swap(e.Key()), Value: e.Value(), Revision: store.Revision(e.Revision())})
		case <-ctx.Done():
			return fmt.Errorf("read records: %w", ctx.Err())
		}
	}
}

func (c *Contents) readGroups(ctx context.Context, js jetstream.JetStream) error {
	stream, err := js.Stream(ctx, eventsStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	state := stream.CachedInfo().State
	for sequence := state.FirstSeq; state.Msgs > 0 && sequence <= state.LastSeq; sequence++ {
		m, err := stream.GetMsg(ctx, sequence)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read events: message %d: %w", sequence, err)
		}
		c.Groups = append(c.Groups, m.Data)
	}
	return nil
}

// swap turns the engine's form of a key into ours: '.' parted segments there.
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
