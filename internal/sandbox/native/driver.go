// Package native is the sandbox driver that needs nothing but the kernel:
// namespaces, cgroups and seccomp of this host.
//
// Vocabulary. The spawner is a small child process of the daemon that forks the
// first process (PID 1) of each sandbox; both run the program thaw-init from a
// sealed memory file. A paused sandbox has everything but its owner: namespaces,
// root tree, cgroups, network, a hardened thread to launch from. A claim sets the
// limits, and the first Start passes the mounts and the program in one message. A
// scratch disk is the file system of one /tmp.
//
// Life cycle. New checks the host and prepares; the first Create or Recover clears
// what a dead server has left, and starts the spawner and the pool. When the
// daemon dies, the spawner kills every sandbox, and the kernel frees the rest:
// mounts live in the sandboxes' own namespaces, disks are unlinked files on loop
// devices that clear themselves. What can stay are empty cgroups.
//
// Concurrency: as package sandbox demands. A sandbox has one goroutine that reads
// what its PID 1 tells; the pool has one that builds; Close waits for all.
package native

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"thaw/internal/linux/cgroup"
	"thaw/internal/linux/pid1"
	"thaw/internal/linux/seccomp"
	"thaw/internal/sandbox"
)

// Defaults of the limits, and of the pool.
const (
	defaultMemoryBytes = 128 << 20
	defaultTmpBytes    = 512 << 20
	defaultOpenFiles   = 1024
	defaultProcesses   = 1024
	defaultPoolSize    = 4
)

// releaseTimeout bounds every wait for the kernel to end or free something.
const releaseTimeout = 10 * time.Second

// Options configures a Driver.
type Options struct {
	// StateDir is a directory of the driver's own. Two servers on one host need
	// two. It should not be on a tmpfs: /tmp of the sandboxes is kept in it.
	StateDir string
	// Init is the program thaw-init.
	Init   []byte
	Logger *slog.Logger
	// PoolSize is how many sandboxes wait paused: 0 means 4, less than 0 none.
	PoolSize int
	// Network connects sandboxes to others than the host; nil leaves each alone.
	Network *Network
	// Ahead are TCP addresses at which the owner of a sandbox is going to listen:
	// their sockets are opened while it waits.
	Ahead []string
}

// Driver makes sandboxes of processes.
type Driver struct {
	logger  *slog.Logger
	options Options
	gateway *gateway
	state   *state
	tree    *cgroup.Tree
	init    *os.File // sealed
	root    pid1.Root
	filter  []byte
	ids     *idRanges
	scratch *scratch
	pool    *pool
	sampler *sampler
	owned   owned

	begin     sync.Once
	beginErr  error
	leftovers sandbox.Leftovers

	mu      sync.Mutex
	spawner *spawner
	serial  int
	closed  bool
}

var _ sandbox.Driver = (*Driver)(nil)

// New checks that the host has what sandboxes need and prepares to make them. Its
// error says what to install or to enable.
func New(ctx context.Context, options Options) (_ *Driver, err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("sandboxes need root: namespaces of other users and cgroups cannot be made without")
	}
	layout, err := cgroup.Detect()
	if err != nil {
		return nil, fmt.Errorf("find cgroup controllers: %w", err)
	}
	st, err := openState(ctx, options.StateDir)
	if err != nil {
		return nil, err
	}
	d := &Driver{
		logger: options.Logger, options: options, state: st, tree: cgroup.NewTree(layout, treeName(st.dir)), sampler: newSampler(options.Logger),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.release())
		}
	}()
	if d.init, err = sealedProgram(options.Init); err != nil {
		return nil, err
	}
	if d.filter, err = seccomp.Program(); err != nil {
		return nil, err
	}
	if d.ids, err = openIDRanges(); err != nil {
		return nil, err
	}
	steps, err := rootSteps(os.DirFS("/"))
	if err != nil {
		return nil, err
	}
	d.root = pid1.Root{Mountpoint: st.path("stage"), Steps: steps}
	if d.scratch, err = openScratch(ctx, st.dir); err != nil {
		return nil, err
	}
	if d.gateway, err = openGateway(options.Network, st.dir, options.Logger); err != nil {
		return nil, err
	}
	d.owned.open(st.path("stage"), options.Logger)
	size := options.PoolSize
	if size == 0 {
		size = defaultPoolSize
	}
	d.pool = newPool(d, max(size, 0))
	return d, nil
}

// treeName is the name of the server's cgroups, the same in every life of a state
// directory.
func treeName(dir string) string {
	h := fnv.New64a()
	h.Write([]byte(dir))
	return fmt.Sprintf("thaw-%016x", h.Sum64())
}

// start clears what was left and starts the spawner and the pool, once.
func (d *Driver) start(ctx context.Context) error {
	d.begin.Do(func() {
		d.beginErr = func() error {
			var err error
			if d.leftovers, err = d.clear(ctx); err != nil {
				return fmt.Errorf("clear what was left: %w", err)
			}
			if err := d.tree.Make(); err != nil {
				return err
			}
			if d.options.Network != nil {
				if err := d.gateway.up(ctx); err != nil {
					return fmt.Errorf("%w: %w", ErrNetwork, err)
				}
			}
			if _, err := d.livingSpawner(); err != nil {
				return err
			}
			d.pool.start()
			return nil
		}()
	})
	return d.beginErr
}

// Recover destroys what an earlier process with this state directory has left.
func (d *Driver) Recover(ctx context.Context) (sandbox.Leftovers, error) {
	err := d.start(ctx)
	return d.leftovers, err
}

// Create claims a paused sandbox, or builds one if none is ready.
func (d *Driver) Create(ctx context.Context, spec sandbox.Spec) (sandbox.Sandbox, error) {
	if err := d.start(ctx); err != nil {
		return nil, fmt.Errorf("create sandbox: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("create sandbox: %w", err)
	}
	b := d.pool.take()
	if b == nil {
		var err error
		if b, err = d.build(); err != nil {
			return nil, fmt.Errorf("create sandbox: %w", err)
		}
	}
	if err := b.claim(ctx, spec); err != nil {
		return nil, fmt.Errorf("create sandbox: %w", errors.Join(err, b.Destroy(ctx)))
	}
	d.sampler.add(b)
	return b, nil
}

// Close destroys the paused sandboxes and ends the spawner. The sandboxes that
// were handed out must have been destroyed.
func (d *Driver) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	d.mu.Unlock()
	err := d.pool.close()
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	_, clearErr := d.tree.Clear(ctx)
	_, downErr := d.gateway.down(ctx)
	return errors.Join(err, clearErr, downErr, d.release())
}

// release frees what the Driver itself holds, as far as New came.
func (d *Driver) release() error {
	var errs []error
	d.sampler.close()
	d.owned.close()
	d.mu.Lock()
	s := d.spawner
	d.spawner = nil
	d.mu.Unlock()
	if s != nil {
		errs = append(errs, s.close())
	}
	if d.scratch != nil {
		errs = append(errs, d.scratch.close())
	}
	if d.gateway != nil {
		d.gateway.close()
	}
	if d.ids != nil {
		errs = append(errs, d.ids.close())
	}
	if d.init != nil {
		errs = append(errs, d.init.Close())
	}
	return errors.Join(append(errs, d.state.close())...)
}

// livingSpawner returns the spawner, a new one if it has died.
func (d *Driver) livingSpawner() (*spawner, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errors.New("driver is closed")
	}
	if d.spawner != nil && d.spawner.alive() {
		return d.spawner, nil
	}
	if d.spawner != nil {
		d.logger.Error("spawner died, starting another", slog.Int("pid", d.spawner.pid()))
		if err := d.spawner.close(); err != nil {
			d.logger.Debug("close dead spawner", slog.Any("error", err))
		}
		d.spawner = nil
	}
	kill, err := d.tree.KillSwitch()
	if err != nil {
		return nil, fmt.Errorf("open kill switch: %w", err)
	}
	defer kill.Close()
	s, err := startSpawner(d.init, kill, d.state.lock, d.root)
	if err != nil {
		return nil, fmt.Errorf("start spawner: %w", err)
	}
	d.spawner = s
	return s, nil
}

func (d *Driver) nextSerial() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.serial++
	return d.serial
}

// state is the driver's directory, locked.
type state struct {
	dir  string
	lock *os.File
}

// lockTimeout is how long New waits for an earlier server's spawner to end.
const lockTimeout = 10 * time.Second

func openState(ctx context.Context, dir string) (*state, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	for _, d := range []string{dir, filepath.Join(dir, "stage")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("state directory: %w", err)
		}
	}
	lock, err := lockFile(ctx, filepath.Join(dir, "lock"), lockTimeout)
	if err != nil {
		return nil, fmt.Errorf("lock state directory: %w", err)
	}
	return &state{dir, lock}, nil
}

func (s *state) path(name string) string { return filepath.Join(s.dir, name) }
func (s *state) close() error            { return s.lock.Close() }
