package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	apilambda "thaw/internal/api/lambda"
	"thaw/internal/async"
	"thaw/internal/catalog"
	"thaw/internal/code"
	"thaw/internal/control"
	"thaw/internal/environment"
	"thaw/internal/iam"
	"thaw/internal/invoke"
	"thaw/internal/lambda"
	"thaw/internal/pool"
	"thaw/internal/queue"
	"thaw/internal/runtimes"
	"thaw/internal/s3"
	"thaw/internal/sandbox"
	"thaw/internal/sandbox/native"
	"thaw/internal/sigv4"
	"thaw/internal/store"
	"thaw/internal/store/local"
	"thaw/internal/store/mirror"
	"thaw/internal/store/sealed"
	"thaw/internal/telemetry/exposition"
	"thaw/internal/telemetry/logstore"
	"thaw/internal/telemetry/metrics"
	"thaw/internal/telemetry/trace/otlp"
	"thaw/internal/telemetry/usage"
	"thaw/internal/vault"
)

// server is the parts of a running server, in the order in which they are
// opened. They are closed in the opposite order.
type server struct {
	config Config
	logger *slog.Logger

	vault    *vault.Vault
	keys     *iam.Keyring
	store    *local.Store
	mirror   *mirror.Mirror   // of store
	records  *sealed.Metadata // of store
	code     *packages
	catalog  *catalog.Catalog
	driver   *native.Driver
	runtimes *runtimes.Catalogue
	logs     *logstore.Store
	usage    *usage.Store
	metrics  *metrics.Store
	requests *exposition.Requests
	invoker  *invoke.Service
	events   *async.Engine
	queues   *queue.Service
	guests   *guests
	pools    *pool.Pools
	spans    *otlp.Exporter // nil: nobody wants them
	control  *control.Control
	s3       *s3.Client // nil: there is none
	http     *http.Server
	// exposition shows metrics to who may see them.
	exposition http.Handler
	// following ends when the server begins to end.
	following    context.Context
	endFollowing context.CancelFunc

	closers []func(context.Context) error
}

// serve runs a server until ctx ends, and then ends it in good order. If it is to
// go on as another program, it returns that one.
func serve(ctx context.Context, c Config, logger *slog.Logger) (next *successor, err error) {
	s := &server{config: c, logger: logger}
	s.following, s.endFollowing = context.WithCancel(context.WithoutCancel(ctx))
	defer s.endFollowing()
	defer func() {
		// Ends even if the stop itself was interrupted; each part has its own limit.
		err = s.finish(context.WithoutCancel(ctx), next, err)
	}()
	_, handed := inheritedSocket(os.Getenv, os.Getpid())
	listener, err := listen(c)
	if err != nil {
		return nil, err
	}
	defer func() { listener.Close() }()
	if c.Auth == authNone && !isLoopback(listener.Addr()) {
		return nil, fmt.Errorf("--auth none works on a loopback address only, and the socket is at %s", listener.Addr())
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	// From here on: SIGHUP ends a program that does not ask for it.
	replace := make(chan os.Signal, 1)
	signal.Notify(replace, syscall.SIGHUP)
	if !handed {
		// The port is free; whoever can connect takes a server for ready, so that one's
		// own socket is opened again when it is.
		listener.Close()
	}
	if err := s.open(ctx); err != nil {
		return nil, inUse(c.Data, err)
	}
	if !handed {
		if listener, err = listen(c); err != nil {
			return nil, err
		}
	}
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(listener) }()
	if err := s.announce(listener.Addr()); err != nil {
		return nil, errors.Join(err, s.http.Close())
	}
	defer func() {
		if next == nil || err != nil {
			os.Remove(filepath.Join(c.Data, serverFileName))
		}
	}()
	next, err = s.untilEnd(ctx, failed, replace, func() (*successor, error) { return newSuccessor(ctx, program, listener) })
	if err != nil {
		return nil, err
	}
	s.drain(ctx, next != nil)
	<-failed
	if ctx.Err() != nil {
		return nil, nil // told to end, perhaps on its way to the next program
	}
	return next, nil
}

// announce tells clients and the service manager that the server is there.
func (s *server) announce(address net.Addr) error {
	c := s.config
	file := serverFile{Address: address.String(), PID: os.Getpid(), Region: c.Scope.Region, Runtimes: c.Runtimes, KeyFile: c.KeyFile}
	if err := file.write(c.Data); err != nil {
		return fmt.Errorf("write %s: %w", serverFileName, err)
	}
	s.logger.Info("ready", "address", file.Address, "data", c.Data, "auth", c.Auth, "functions", len(s.catalog.List()))
	return notifyManager("READY=1")
}

// untilEnd waits until the server is told to end, or SIGHUP to go on as what is
// now in the place of its program. A program that does not run changes nothing.
func (s *server) untilEnd(ctx context.Context, failed <-chan error, replace <-chan os.Signal, find func() (*successor, error)) (*successor, error) {
	for {
		select {
		case err := <-failed:
			return nil, fmt.Errorf("serve: %w", err)
		case <-ctx.Done():
			return nil, nil
		case <-replace:
		}
		next, err := find()
		if err == nil {
			return next, nil
		}
		s.logger.Error("the server goes on as it is", "error", err)
	}
}

// drain lets running requests finish. Requests that come on new connections wait
// for the next server, if there is to be one.
func (s *server) drain(ctx context.Context, goesOn bool) {
	s.logger.Info("stopping", "grace", s.config.StopGrace, "goes_on", goesOn)
	if !goesOn {
		if err := notifyManager("STOPPING=1"); err != nil {
			s.logger.Warn("the service manager does not listen", "error", err)
		}
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.StopGrace)
	defer cancel()
	var events sync.WaitGroup
	events.Go(func() { s.drainEvents(grace) })
	if err := s.http.Shutdown(grace); err != nil {
		s.logger.Warn("requests were cut off", "error", err)
		s.http.Close()
	}
	events.Wait()
}

// onClose remembers how to end a part that was opened.
func (s *server) onClose(f func(context.Context) error) { s.closers = append(s.closers, f) }

func (s *server) close(ctx context.Context) error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i](ctx))
	}
	return errors.Join(errs...)
}

// ignoringContext is the close of a part that needs no context.
func ignoringContext(f func() error) func(context.Context) error {
	return func(context.Context) error { return f() }
}

func (s *server) open(ctx context.Context) error {
	if err := os.MkdirAll(s.config.Data, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	for _, step := range []func(context.Context) error{
		s.openState, s.openQueues, s.openUsage, s.openMetrics, s.openLogs, s.openSandboxes, s.openGuests, s.openSpans, s.openEventsEnd, s.openPools, s.openGauges, s.openEvents, s.openAPI, s.openScrapes,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// openState opens what is kept: keys, records, packages.
func (s *server) openState(ctx context.Context) error {
	if err := s.openKeys(ctx); err != nil {
		return err
	}
	var err error
	s.store, err = local.Open(ctx, local.Options{Dir: filepath.Join(s.config.Data, "store"), Logger: s.logger})
	if err != nil {
		return err
	}
	s.onClose(ignoringContext(s.store.Close))
	if err := s.openRecords(ctx); err != nil {
		return err
	}
	if s.catalog, err = catalog.Open(ctx, s.records, catalog.Options{Logger: s.logger}); err != nil {
		return err
	}
	s.onClose(ignoringContext(s.catalog.Close))
	opened, err := code.Open(code.Options{Dir: filepath.Join(s.config.Data, "code"), Blobs: s.store.Blobs(), Logger: s.logger})
	if err != nil {
		return err
	}
	s.code = &packages{Packages: opened}
	return s.code.Sweep(ctx, s.catalog.CodeInUse())
}

// openKeys opens the master key and the access keys, and follows the latter.
func (s *server) openKeys(ctx context.Context) (err error) {
	if s.vault, err = openVault(s.config.Data, s.config.KeyFile); err != nil {
		return err
	}
	if s.keys, err = iam.Open(s.config.Data, s.vault); err != nil {
		return err
	}
	following, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var followed sync.WaitGroup
	followed.Go(func() { s.keys.Follow(following, s.logger) })
	s.onClose(func(context.Context) error {
		cancel()
		followed.Wait()
		return nil
	})
	return nil
}

// openRecords refuses a store that is behind what was seen of it, and puts the
// encryption in front of it: in this order, and before the copy sees a record
// that is not sealed yet.
func (s *server) openRecords(ctx context.Context) (err error) {
	seal := func(ctx context.Context, records []store.Entry) (err error) {
		s.records, err = sealed.Open(ctx, sealed.Options{Metadata: s.store.Metadata(), Records: records, Vault: s.vault, Logger: s.logger})
		return err
	}
	s.mirror, err = mirror.Open(ctx, mirror.Options{
		Path: filepath.Join(s.config.Data, mirror.FileName), Metadata: s.store.Metadata(),
		Accept: s.config.AcceptOlderStore, Before: seal, Engine: s.store, Logger: s.logger,
	})
	if errors.Is(err, mirror.ErrBehind) {
		return fmt.Errorf("%w: were files of %s lost or set back? Put them back, or go on with what is there by --accept-older-store, once",
			err, s.config.Data)
	}
	if err != nil {
		return err
	}
	s.onClose(ignoringContext(s.mirror.Close))
	return nil
}

// openSandboxes opens the driver of sandboxes and the catalogue of runtimes.
func (s *server) openSandboxes(ctx context.Context) error {
	if err := s.openDriver(ctx); err != nil {
		return err
	}
	var err error
	s.runtimes, err = runtimes.Open(runtimes.Options{Dir: s.config.Runtimes, Scope: s.config.Scope, Logger: s.logger})
	return err
}

// trySandbox makes one sandbox and ends it, so that a machine which cannot make
// any is known at the start and not at the first invocation.
func (s *server) trySandbox(ctx context.Context) error {
	box, err := s.driver.Create(ctx, sandbox.Spec{ID: "trial"})
	if err == nil {
		err = box.Destroy(ctx)
	}
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("no sandbox can be made here; a chroot, or a container that may not make namespaces, is such a place: %w", err)
	case err != nil:
		return fmt.Errorf("no sandbox can be made here, \"thaw doctor\" may tell why: %w", err)
	}
	return nil
}

func (s *server) openPools(ctx context.Context) error {
	keep, err := s.config.Keeping.options(s.config.Admitting.options(pool.Options{
		New:             s.newEnvironment,
		AccountLimit:    s.config.AccountConcurrency,
		MaxEnvironments: s.config.MaxEnvironments,
		Logger:          s.logger,
	}))
	if err != nil {
		return err
	}
	s.pools = pool.New(keep)
	s.onClose(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, s.config.StopGrace)
		defer cancel()
		return s.pools.Close(ctx)
	})
	cancel := s.catalog.Subscribe(func(r catalog.Record, deleted bool) {
		if deleted {
			s.pools.Changed(r.Function.Name, nil)
			return
		}
		s.pools.Changed(r.Function.Name, r.Function)
	})
	s.onClose(func(context.Context) error { cancel(); return nil })
	s.claim()
	objects, err := s.objects(ctx)
	if err != nil {
		return err
	}
	s.control, err = control.Open(ctx, control.Options{
		Catalog: s.catalog, Code: s.code, Objects: objects, Scope: s.config.Scope,
		Quotas:            control.Quotas{Concurrency: s.config.AccountConcurrency, CodeStorage: int64(s.config.Sourcing.StorageMiB) << 20},
		RuntimeVersionARN: s.runtimes.VersionARN, Provisioned: s.provisioned, Meter: s.metrics, Settle: s.config.Settle, Logger: s.logger,
	})
	if err != nil {
		return err
	}
	s.onClose(ignoringContext(s.control.Close))
	return nil
}

// newEnvironment makes an environment for a version: its code unpacked, its
// runtime found.
func (s *server) newEnvironment(ctx context.Context, function string, v *lambda.Version, initType string) (pool.Environment, error) {
	rt, err := s.runtimes.Resolve(v.Runtime)
	if missing := new(runtimes.NotInstalledError); errors.As(err, &missing) {
		return nil, lambda.Errorf(lambda.CodeInvalidRuntime, "%s", missing.Error())
	} else if err != nil {
		return nil, err
	}
	held, err := s.acquire(ctx, v)
	if err != nil {
		return nil, err
	}
	opts := environment.Options{
		Function: function, Version: v, Scope: s.config.Scope, Runtime: rt, CodeRoot: held.root, Layers: held.layers, InitType: initType,
		Driver: s.driver, Inside: s.guests, Logs: s.logs, OldLogStyle: s.config.Logging.OldStyle, Account: s.usage.Counter(function), Logger: s.logger,
	}
	traced := s.traced(&opts)
	return traced(&codeHolder{Environment: environment.New(opts), release: held.release}), nil
}

// codeHolder is an environment that keeps its code from being collected until
// nothing mounts it any more.
type codeHolder struct {
	*environment.Environment
	once    sync.Once
	release func()
}

// Shutdown may be called again while it is at work: the first call releases.
func (h *codeHolder) Shutdown(ctx context.Context) error {
	first := false
	h.once.Do(func() { first = true })
	err := h.Environment.Shutdown(ctx)
	if first {
		h.release()
	}
	return err
}

const (
	headerTimeout = 10 * time.Second
	// readTimeout bounds the arrival of a whole request: 70 MB at 2 Mbit/s.
	readTimeout = 5 * time.Minute
	idleTimeout = 2 * time.Minute
	maxHeader   = 64 << 10
)

func (s *server) openAPI(context.Context) error {
	var keys sigv4.Keys // none: everybody is let in
	if s.config.Auth == authSigV4 {
		keys = s.guests.access
	}
	api := apilambda.New(apilambda.Options{
		Control:  s.control,
		Invoke:   s.invoker,
		Events:   s.events,
		Packages: s.code,
		Keys:     keys,
		Access:   s.guests.access,
		Roles:    s.guests.directory,
		Scope:    s.config.Scope,
		Logger:   s.logger,
	})
	services := s.withMetrics(s.withQueues(s.withIdentity(s.withLogs(api, keys), api, keys), api, keys), api, keys)
	s.guests.serve(services)
	backups := api.Verified(s.serveBackup())
	used := api.Verified(s.serveUsage())
	signers := api.Verified(s.serveSigners())
	waiting := api.Verified(s.serveAsync())
	scrapes := s.serveMetrics(api)
	s.http = &http.Server{
		Handler: s.requests.Measured(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == backupPath:
				backups.ServeHTTP(w, r)
			case r.URL.Path == usagePath:
				used.ServeHTTP(w, r)
			case r.URL.Path == asyncPath:
				waiting.ServeHTTP(w, r)
			case r.URL.Path == signersPath:
				signers.ServeHTTP(w, r)
			case r.URL.Path == metricsPath:
				scrapes.ServeHTTP(w, r)
			default:
				services.ServeHTTP(w, r)
			}
		})),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
	s.http.RegisterOnShutdown(s.endFollowing)
	return nil
}

// memoryBytes is the machine's memory.
func memoryBytes() uint64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	return info.Totalram * uint64(info.Unit)
}
