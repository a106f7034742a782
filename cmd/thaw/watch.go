package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxWatched bounds the directories that are watched; the kernel keeps a watch
// for each, and a user may have 8192 at least.
const maxWatched = 4096

// watchMask is what the saving of a file looks like: an editor writes it in
// place, or writes another and renames that.
const watchMask = unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_CREATE | unix.IN_DELETE | unix.IN_ATTRIB | unix.IN_ONLYDIR

// watcher tells when the files of a directory change. What a deployment leaves
// out is not looked at.
type watcher struct {
	dir     string
	inotify *os.File
	// changes holds one signal: that something has changed since it was taken.
	changes chan struct{}
	done    chan struct{} // closed when the reader has ended
}

// openWatcher watches a directory and all below it.
func openWatcher(dir string) (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", dir, err)
	}
	w := &watcher{dir: dir, inotify: os.NewFile(uintptr(fd), "inotify"), changes: make(chan struct{}, 1), done: make(chan struct{})}
	if err := w.watchTree(dir); err != nil {
		w.inotify.Close()
		return nil, fmt.Errorf("watch %s: %w", dir, err)
	}
	go w.read()
	return w, nil
}

func (w *watcher) Close() error {
	err := w.inotify.Close()
	<-w.done
	return err
}

// watchTree adds the directories below dir; one that is watched already stays
// so. The kernel has no recursive watch.
func (w *watcher) watchTree(dir string) error {
	count := 0
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // gone since it was listed
		case err != nil:
			return err
		case !entry.IsDir():
			return nil
		case path != w.dir && leftOut(path):
			return fs.SkipDir
		}
		if count++; count > maxWatched {
			return fmt.Errorf("there are more than %d directories", maxWatched)
		}
		// SyscallConn keeps the descriptor open meanwhile.
		return w.control(func(fd int) error {
			if _, err := unix.InotifyAddWatch(fd, path, watchMask); err != nil && !errors.Is(err, unix.ENOENT) {
				return os.NewSyscallError("inotify_add_watch", err)
			}
			return nil
		})
	})
}

func (w *watcher) control(f func(fd int) error) error {
	conn, err := w.inotify.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := conn.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// read takes the kernel's events until the watcher is closed. Their number is
// bounded by the kernel; when it drops some, it says so, and that is a change too.
func (w *watcher) read() {
	defer close(w.done)
	buf := make([]byte, 64<<10)
	for {
		n, err := w.inotify.Read(buf)
		if err != nil {
			return
		}
		relevant, directories := parseInotify(buf[:n])
		if directories {
			_ = w.watchTree(w.dir) // a file in it that is missed now is found by the next save
		}
		if relevant {
			select {
			case w.changes <- struct{}{}:
			default:
			}
		}
	}
}

// parseInotify tells whether any of the events is of a file that is deployed,
// and whether directories have come. An event is the watch, the mask, a cookie
// and the length of the name, of 32 bits each, and the name with zeros behind it.
func parseInotify(events []byte) (relevant, directories bool) {
	for len(events) >= unix.SizeofInotifyEvent {
		mask := binary.NativeEndian.Uint32(events[4:])
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(events[12:]))
		if end > len(events) {
			break
		}
		name := strings.TrimRight(string(events[unix.SizeofInotifyEvent:end]), "\x00")
		events = events[end:]
		if mask&unix.IN_ISDIR != 0 && mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0 {
			directories = true
		}
		if mask&unix.IN_IGNORED == 0 && (name == "" || !leftOut(name) && !isScratch(name)) {
			relevant = true
		}
	}
	return relevant, directories
}

// isScratch tells the files that editors make beside the one being edited.
func isScratch(name string) bool {
	return strings.HasSuffix(name, ".swp") || strings.HasSuffix(name, ".swx") || strings.HasPrefix(name, ".#") || name == "4913"
}

const (
	// quiet is how long nothing must change until a save is taken to be over, and
	// longestSave when it is taken to be over in any case.
	quiet       = 10 * time.Millisecond
	longestSave = 500 * time.Millisecond
)

// awaitSave waits for a change, and then until no more come.
func awaitSave(ctx context.Context, changes <-chan struct{}) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-changes:
	}
	most := time.NewTimer(longestSave)
	defer most.Stop()
	for {
		pause := time.NewTimer(quiet)
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-changes:
			pause.Stop()
		case <-pause.C:
			return nil
		case <-most.C:
			pause.Stop()
			return nil
		}
	}
}
