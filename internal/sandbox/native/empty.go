package native

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// emptyDirectory removes what is in a mounted directory, however deep it is, with
// two descriptors: the directories in a directory are moved to the top before it
// is removed, so that there never is a third level. No process is left that could
// put links in the way, and none is followed. The file system's limit of inodes
// bounds the work.
func emptyDirectory(dir *os.File) error {
	top, err := openDirectory(int(dir.Fd()), ".")
	if err != nil {
		return fmt.Errorf("open top: %w", err)
	}
	defer top.Close()
	for moved := 0; ; {
		names, err := listAgain(top)
		if err != nil || len(names) == 0 {
			return err
		}
		for _, name := range names {
			if moved, err = removeEntry(top, name, moved); err != nil {
				return fmt.Errorf("remove %q: %w", name, err)
			}
		}
	}
}

func openDirectory(at int, name string) (*os.File, error) {
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// listAgain lists a directory from its beginning.
func listAgain(dir *os.File) ([]string, error) {
	if _, err := dir.Seek(0, 0); err != nil {
		return nil, err
	}
	return dir.Readdirnames(-1)
}

// removeEntry removes a file, or a directory whose own directories are moved up.
// It takes and returns how many names were tried for moving.
func removeEntry(top *os.File, name string, moved int) (int, error) {
	err := unlink(top, name)
	if !errors.Is(err, unix.ENOTEMPTY) {
		return moved, err
	}
	dir, err := openDirectory(int(top.Fd()), name)
	if err != nil {
		return moved, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return moved, err
	}
	for _, inner := range names {
		err := unlink(dir, inner)
		for errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
			moved++
			err = unix.Renameat2(int(dir.Fd()), inner, int(top.Fd()), strconv.Itoa(moved), unix.RENAME_NOREPLACE)
		}
		if err != nil {
			return moved, err
		}
	}
	return moved, unlink(top, name)
}

// unlink removes a file or an empty directory; another directory is ENOTEMPTY.
func unlink(dir *os.File, name string) error {
	err := unix.Unlinkat(int(dir.Fd()), name, 0)
	if errors.Is(err, unix.EISDIR) {
		err = unix.Unlinkat(int(dir.Fd()), name, unix.AT_REMOVEDIR)
	}
	return err
}
