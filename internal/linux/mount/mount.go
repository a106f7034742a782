// Package mount makes detached mounts: mounts that stand in no directory yet,
// held by a descriptor, to be passed to a process of another mount namespace
// which moves them into its tree. A detached mount that nobody moved is gone when
// its descriptor is closed, so nothing can be left behind.
//
// Everything made here is nosuid and nodev; Bind and Overlay are read-only too.
// The functions keep no state.
package mount

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	attributes         = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	readOnlyAttributes = attributes | unix.MOUNT_ATTR_RDONLY
)

// Bind returns a read-only view of a directory. Mounts below it are not part of
// it: only what the caller has named is seen.
//
// It is never idmapped: the read-only flag of an idmapped mount can be cleared by
// the root of the namespace it is mapped to, and the host's files then written.
func Bind(source string) (*os.File, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open_tree %q: %w", source, err)
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: readOnlyAttributes}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("mount_setattr %q: %w", source, err)
	}
	return os.NewFile(uintptr(fd), source), nil
}

// Overlay returns a read-only merge of directories, the first winning. One
// directory is a Bind, for the kernel wants two lower layers.
func Overlay(sources ...string) (*os.File, error) {
	if len(sources) == 1 {
		return Bind(sources[0])
	}
	var lower []string
	for _, s := range sources {
		root, err := openPath(s)
		if err != nil {
			return nil, err
		}
		defer root.Close()
		lower = append(lower, descriptorPath(root))
	}
	return filesystem("overlay", readOnlyAttributes, []Option{{"lowerdir", strings.Join(lower, ":")}})
}

func openPath(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// descriptorPath names a directory by its descriptor: this is what whoever looks
// at the mount's options sees, instead of a path of the host.
func descriptorPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// Option is a mount option; an empty value is a flag.
type Option struct{ Name, Value string }

// Filesystem returns a new writable file system of a type, say "tmpfs".
func Filesystem(kind string, options ...Option) (*os.File, error) {
	return filesystem(kind, attributes, options)
}

func filesystem(kind string, attributes int, options []Option) (*os.File, error) {
	fs, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("fsopen %s: %w", kind, err)
	}
	defer unix.Close(fs)
	for _, o := range options {
		if o.Value == "" {
			err = unix.FsconfigSetFlag(fs, o.Name)
		} else {
			err = unix.FsconfigSetString(fs, o.Name, o.Value)
		}
		if err != nil {
			return nil, fmt.Errorf("option %s=%s of %s: %w", o.Name, o.Value, kind, err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, fmt.Errorf("create %s: %w", kind, err)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attributes)
	if err != nil {
		return nil, fmt.Errorf("fsmount %s: %w", kind, err)
	}
	return os.NewFile(uintptr(fd), kind), nil
}
