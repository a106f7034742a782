// Package jetstream is the durable store engine: for records a NATS server with
// JetStream inside the process, reached over an in-process connection and
// listening nowhere, and beside it a journal of events and blobs as files.
//
//	DIR/jetstream   the server's own: one stream for records
//	DIR/events      see package events
//	DIR/blobs       see package blobs
//
// Life cycle: Open starts the server, waits until it is ready and the stream is
// there, and reads the journal. Close ends watches and leases, stops the server and
// waits until its goroutines have gone.
//
// What was acknowledged survives kill -9 and loss of power: the disk is synced
// before each answer.
//
// One process owns the directory. All methods may be called at the same time.
package jetstream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"thaw/internal/store"
	"thaw/internal/store/blobs"
	"thaw/internal/store/events"
)

const (
	// maxPayload bounds one message, in bytes. The server's default of 1 MiB is
	// less than an event of 1 MiB in its envelope.
	maxPayload = 2 << 20
	// startTimeout bounds how long Open waits for the server to recover its files.
	startTimeout = time.Minute
	// callTimeout bounds one call to the server for callers without a deadline.
	callTimeout = 30 * time.Second
)

// Options configures Open.
type Options struct {
	// Dir is the state directory; it is made if it is missing.
	Dir string
	// Logger gets the engine's messages: debug, and warnings for its errors.
	Logger *slog.Logger
}

// Store is a store.Store over one directory.
type Store struct {
	lock     *os.File
	server   *server.Server
	conn     *nats.Conn
	metadata *metadata
	events   *events.Events
	blobs    *blobs.Directory
}

var _ store.Store = (*Store)(nil)

// Open starts the engine and returns when it is ready. A directory that another
// process has open is an error.
func Open(ctx context.Context, o Options) (_ *Store, err error) {
	if o.Dir == "" || o.Logger == nil {
		return nil, errors.New("open store: Dir and Logger are required")
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open store %q: %w", o.Dir, err), s.Close())
		}
	}()
	if s.lock, err = lockDirectory(o.Dir); err != nil {
		return nil, err
	}
	if s.blobs, err = blobs.Open(filepath.Join(o.Dir, "blobs")); err != nil {
		return nil, err
	}
	if err := s.start(o); err != nil {
		return nil, err
	}
	js, err := jetstream.New(s.conn, jetstream.WithDefaultTimeout(callTimeout))
	if err != nil {
		return nil, err
	}
	if s.metadata, err = openMetadata(ctx, js); err != nil {
		return nil, err
	}
	if s.events, err = events.Open(events.Options{Dir: o.Dir, Logger: o.Logger}); err != nil {
		return nil, err
	}
	if err := takeOver(ctx, js, s.events); err != nil {
		return nil, err
	}
	return s, nil
}

// start runs the server and connects to it.
func (s *Store) start(o Options) (err error) {
	s.server, err = server.NewServer(&server.Options{
		ServerName:             "thaw",
		DontListen:             true,
		JetStream:              true,
		StoreDir:               o.Dir,
		SyncAlways:             true,
		MaxPayload:             maxPayload,
		NoSigs:                 true,
		DisableJetStreamBanner: true,
	})
	if err != nil {
		return err
	}
	s.server.SetLoggerV2(logger{o.Logger}, false, false, false)
	s.server.Start()
	if !s.server.ReadyForConnections(startTimeout) {
		return fmt.Errorf("server not ready within %v", startTimeout)
	}
	s.conn, err = nats.Connect("",
		nats.InProcessServer(s.server),
		nats.Name("thaw"),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(10*time.Millisecond),
	)
	return err
}

// Metadata returns the records.
func (s *Store) Metadata() store.Metadata { return s.metadata }

// Queue returns the queue of a name.
func (s *Store) Queue(name string) store.Queue { return s.events.Queue(name) }

// Blobs returns the blobs.
func (s *Store) Blobs() store.Blobs { return s.blobs }

// Close stops everything; what was acknowledged is on the disk already. It is
// safe on a store that was opened in part.
func (s *Store) Close() error {
	var err error
	if s.events != nil {
		err = s.events.Close()
	}
	if s.metadata != nil {
		s.metadata.close()
	}
	if s.conn != nil {
		s.conn.Close()
	}
	if s.server != nil {
		s.server.Shutdown()
		s.server.WaitForShutdown()
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// lockDirectory keeps a second process out: two servers over one set of files
// would destroy it. The lock ends with the process, however it dies.
func lockDirectory(dir string) (*os.File, error) { return lockFile(dir, os.O_CREATE) }

func lockFile(dir string, flag int) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|flag, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("in use by another process: %w", err), f.Close())
	}
	return f, nil
}

// Lock keeps every process from opening a directory until it is released, which
// may be because there is nothing in it to be opened. The error is EWOULDBLOCK
// while one has it open.
func Lock(dir string) (release func() error, err error) {
	f, err := lockFile(dir, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, fmt.Errorf("lock store %q: %w", dir, err)
	}
	return f.Close, nil
}
