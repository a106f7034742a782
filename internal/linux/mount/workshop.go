package mount

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrClosed is returned by a Workshop that was closed.
var ErrClosed = errors.New("workshop is closed")

// Workshop makes mounts that have to stand somewhere while they are made. It is a
// thread with a mount namespace of its own, in which nobody else sees them, and
// which is gone with this process.
type Workshop struct {
	jobs  chan job
	stop  chan struct{}
	ended chan struct{}
}

type job struct {
	layers []*os.File
	answer chan<- result
}

type result struct {
	mount *os.File
	err   error
}

// OpenWorkshop starts the thread. dir is any directory that nothing is mounted
// below; it is left as it is.
func OpenWorkshop(dir string) (*Workshop, error) {
	w := &Workshop{jobs: make(chan job), stop: make(chan struct{}), ended: make(chan struct{})}
	ready := make(chan error)
	go w.run(dir, ready)
	if err := <-ready; err != nil {
		<-w.ended
		return nil, fmt.Errorf("open workshop: %w", err)
	}
	return w, nil
}

// Close ends the thread. It is called once.
func (w *Workshop) Close() {
	close(w.stop)
	<-w.ended
}

// Owned is Overlay with the files of the host's root shown as those of the root
// of a user namespace. Nothing of the host's paths can be read from it.
//
// Each directory is a mount that is idmapped to the namespace, and the overlay
// lies over them: so it refuses writes even if its read-only flag is cleared, as
// the root of that namespace could do, and a plain idmapped mount would not. The
// kernel takes such layers since 5.19; where it or the file system cannot map,
// the error matches unix.EINVAL or unix.EPERM.
func (w *Workshop) Owned(users *os.File, sources ...string) (*os.File, error) {
	var layers []*os.File
	defer func() {
		for _, l := range layers {
			l.Close()
		}
	}()
	for _, source := range sources {
		l, err := mapped(users, source)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	answer := make(chan result, 1)
	select {
	case w.jobs <- job{layers, answer}:
		r := <-answer
		return r.mount, r.err
	case <-w.ended:
		return nil, ErrClosed
	}
}

// mapped is a detached mount of a directory, idmapped to a user namespace.
func mapped(users *os.File, source string) (*os.File, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open_tree %q: %w", source, err)
	}
	attr := unix.MountAttr{Attr_set: readOnlyAttributes | unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(users.Fd())}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("map ids of %q: %w", source, err)
	}
	return os.NewFile(uintptr(fd), source), nil
}

// run is the thread. It stays locked, so that it ends with the goroutine, and the
// mount namespace with it. It is not the main thread: that one does not end, and
// what /proc/self tells of mounts is what it sees.
func (w *Workshop) run(dir string, ready chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		other := make(chan struct{})
		go func() {
			runtime.LockOSThread() // which cannot be the main one: that is taken
			close(other)
			w.serve(dir, ready)
		}()
		<-other
		runtime.UnlockOSThread()
		return
	}
	w.serve(dir, ready)
}

func (w *Workshop) serve(dir string, ready chan<- error) {
	defer close(w.ended)
	empty, err := enterWorkshop(dir)
	ready <- err
	if err != nil {
		return
	}
	defer empty.Close()
	for {
		select {
		case j := <-w.jobs:
			m, places, err := stack(j.layers, empty)
			j.answer <- result{m, err}
			// Behind the caller's back: the kernel takes its time for a removal.
			for _, p := range places {
				p.detach()
			}
		case <-w.stop:
			return
		}
	}
}

// enterWorkshop gives the calling thread a mount namespace with nothing in it but
// an empty directory, places to be made, and /proc, for its descriptors: a copy of
// the host's mounts would keep each of them busy.
func enterWorkshop(dir string) (empty *os.File, err error) {
	// Linux lets a thread leave the others' mount namespace only with their root and
	// working directory.
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return nil, fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, fmt.Errorf("part from the host's mounts: %w", err)
	}
	if err := unix.Mount("thaw", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "size=64k,mode=700"); err != nil {
		return nil, fmt.Errorf("mount %q: %w", dir, err)
	}
	if err := errors.Join(unix.Chdir(dir), unix.Mkdir("empty", 0o755), unix.Mkdir("proc", 0o700)); err != nil {
		return nil, fmt.Errorf("furnish %q: %w", dir, err)
	}
	if err := unix.Mount("/proc", "proc", "", unix.MS_BIND, ""); err != nil {
		return nil, fmt.Errorf("bind /proc: %w", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return nil, fmt.Errorf("pivot_root: %w", err)
	}
	if err := errors.Join(unix.Unmount(".", unix.MNT_DETACH), unix.Chdir("/")); err != nil {
		return nil, fmt.Errorf("leave the host's root: %w", err)
	}
	return openPath("/empty")
}

// stack lays an overlay over layers. Kernels before 6.15 take only such that are
// attached to the caller's namespace; the places are to be detached afterwards.
func stack(layers []*os.File, empty *os.File) (_ *os.File, places []attached, _ error) {
	var lower []string
	for i, l := range layers {
		place, err := attach(l, "/"+strconv.Itoa(i))
		if err != nil {
			return nil, places, err
		}
		places = append(places, place)
		lower = append(lower, descriptorPath(place.root))
	}
	// A single layer is too few for the kernel.
	lower = append(lower, descriptorPath(empty))
	m, err := filesystem("overlay", readOnlyAttributes, []Option{{"lowerdir", strings.Join(lower, ":")}})
	return m, places, err
}

type attached struct {
	place string
	root  *os.File
}

func attach(m *os.File, place string) (attached, error) {
	if err := os.Mkdir(place, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return attached{}, err
	}
	if err := unix.MoveMount(int(m.Fd()), "", unix.AT_FDCWD, place, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return attached{}, fmt.Errorf("attach %q: %w", m.Name(), err)
	}
	root, err := openPath(place)
	if err != nil {
		return attached{}, errors.Join(err, unix.Unmount(place, unix.MNT_DETACH))
	}
	return attached{place, root}, nil
}

func (a attached) detach() {
	a.root.Close()
	// Should it fail, the next mount covers this one, until the thread ends.
	_ = unix.Unmount(a.place, unix.MNT_DETACH)
}
