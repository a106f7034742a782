package powercut

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Mount has a disk appear at an empty directory; it needs root and /dev/fuse. A disk
// that was cut has to be released before it is unmounted.
func (d *Disk) Mount(at string) (unmount func() error, err error) {
	forever := time.Hour
	server, err := fs.Mount(at, &node{disk: d, inode: d.root}, &fs.Options{
		MountOptions: fuse.MountOptions{
			DirectMountStrict: true,
			FsName:            "powercut",
			Name:              "powercut",
			MaxWrite:          1 << 20,
			DisableXAttrs:     true,
		},
		EntryTimeout:   &forever,
		AttrTimeout:    &forever,
		RootStableAttr: &fs.StableAttr{Ino: d.root.number},
	})
	if err != nil {
		return nil, fmt.Errorf("mount a disk: %w", err)
	}
	return func() error {
		err := syscall.Unmount(at, 0)
		for n := 0; errors.Is(err, syscall.EBUSY) && n < 100; n++ { // its last user may be dying
			time.Sleep(10 * time.Millisecond)
			err = syscall.Unmount(at, 0)
		}
		if err != nil {
			return fmt.Errorf("unmount a disk: %w", errors.Join(err, syscall.Unmount(at, syscall.MNT_DETACH)))
		}
		server.Wait()
		return nil
	}, nil
}

// node is an inode as the kernel sees it.
type node struct {
	fs.Inode
	disk  *Disk
	inode *inode
}

// handle is an open file.
type handle struct{ sync bool }

var (
	_ fs.NodeLookuper   = (*node)(nil)
	_ fs.NodeReaddirer  = (*node)(nil)
	_ fs.NodeGetattrer  = (*node)(nil)
	_ fs.NodeSetattrer  = (*node)(nil)
	_ fs.NodeCreater    = (*node)(nil)
	_ fs.NodeMkdirer    = (*node)(nil)
	_ fs.NodeUnlinker   = (*node)(nil)
	_ fs.NodeRmdirer    = (*node)(nil)
	_ fs.NodeRenamer    = (*node)(nil)
	_ fs.NodeLinker     = (*node)(nil)
	_ fs.NodeOpener     = (*node)(nil)
	_ fs.NodeReader     = (*node)(nil)
	_ fs.NodeWriter     = (*node)(nil)
	_ fs.NodeFsyncer    = (*node)(nil)
	_ fs.NodeAllocater  = (*node)(nil)
	_ fs.NodeStatfser   = (*node)(nil)
	_ fs.NodeOpendirer  = (*node)(nil)
	_ fs.NodeFlusher    = (*node)(nil)
	_ fs.NodeGetxattrer = (*node)(nil)
)

func (i *inode) attr(out *fuse.Attr) {
	out.Ino, out.Mode, out.Nlink = i.number, i.mode, uint32(max(i.links, 1))
	out.Size = uint64(len(i.now))
	out.Blocks = (out.Size + 511) / 512
	out.Blksize = pageSize
}

// child is the node of an inode, whose attributes it tells; the lock is held.
func (n *node) child(ctx context.Context, i *inode, out *fuse.EntryOut) *fs.Inode {
	i.attr(&out.Attr)
	return n.NewInode(ctx, &node{disk: n.disk, inode: i}, fs.StableAttr{Mode: i.mode & syscall.S_IFMT, Ino: i.number})
}

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.disk.enter(false); errno != 0 {
		return nil, errno
	}
	defer n.disk.mu.Unlock()
	i := n.inode.names[name]
	if i == nil {
		return nil, syscall.ENOENT
	}
	return n.child(ctx, i, out), 0
}

func (n *node) Opendir(context.Context) syscall.Errno { return 0 }

func (n *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	if errno := n.disk.enter(false); errno != 0 {
		return nil, errno
	}
	defer n.disk.mu.Unlock()
	var list []fuse.DirEntry
	for _, name := range slices.Sorted(maps.Keys(n.inode.names)) {
		i := n.inode.names[name]
		list = append(list, fuse.DirEntry{Name: name, Ino: i.number, Mode: i.mode})
	}
	return fs.NewListDirStream(list), 0
}

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	if errno := n.disk.enter(false); errno != 0 {
		return errno
	}
	defer n.disk.mu.Unlock()
	n.inode.attr(&out.Attr)
	return 0
}

func (n *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if errno := n.disk.enter(true); errno != 0 {
		return errno
	}
	defer n.disk.mu.Unlock()
	if mode, ok := in.GetMode(); ok {
		n.inode.mode = n.inode.mode&syscall.S_IFMT | mode&0o7777
	}
	if size, ok := in.GetSize(); ok {
		if errno := n.disk.truncate(n.inode, int64(size)); errno != 0 {
			return errno
		}
	}
	n.inode.attr(&out.Attr)
	return 0
}

func (n *node) add(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) *fs.Inode {
	i := n.disk.newInode(mode)
	n.disk.rename(namePart{n.inode, name, i})
	return n.child(ctx, i, out)
}

func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	if errno := n.disk.enter(true); errno != 0 {
		return nil, nil, 0, errno
	}
	defer n.disk.mu.Unlock()
	return n.add(ctx, name, syscall.S_IFREG|mode&0o7777, out), newHandle(flags), 0, 0
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.disk.enter(true); errno != 0 {
		return nil, errno
	}
	defer n.disk.mu.Unlock()
	return n.add(ctx, name, syscall.S_IFDIR|mode&0o7777, out), 0
}

func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	if errno := n.disk.enter(true); errno != 0 {
		return errno
	}
	defer n.disk.mu.Unlock()
	n.disk.rename(namePart{n.inode, name, nil})
	return 0
}

func (n *node) Rmdir(_ context.Context, name string) syscall.Errno {
	if errno := n.disk.enter(true); errno != 0 {
		return errno
	}
	defer n.disk.mu.Unlock()
	if i := n.inode.names[name]; i != nil && len(i.names) > 0 {
		return syscall.ENOTEMPTY
	}
	n.disk.rename(namePart{n.inode, name, nil})
	return 0
}

func (n *node) Rename(_ context.Context, name string, parent fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if flags != 0 {
		return syscall.EINVAL
	}
	if errno := n.disk.enter(true); errno != 0 {
		return errno
	}
	defer n.disk.mu.Unlock()
	to := parent.EmbeddedInode().Operations().(*node).inode
	if old := to.names[newName]; old != nil && len(old.names) > 0 {
		return syscall.ENOTEMPTY
	}
	i := n.inode.names[name]
	n.disk.rename(namePart{to, newName, i}, namePart{n.inode, name, nil})
	return 0
}

func (n *node) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.disk.enter(true); errno != 0 {
		return nil, errno
	}
	defer n.disk.mu.Unlock()
	i := target.EmbeddedInode().Operations().(*node).inode
	n.disk.rename(namePart{n.inode, name, i})
	return n.child(ctx, i, out), 0
}

func newHandle(flags uint32) *handle {
	return &handle{sync: flags&(syscall.O_SYNC|syscall.O_DSYNC) != 0}
}

func (n *node) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return newHandle(flags), 0, 0
}

func (n *node) Read(_ context.Context, _ fs.FileHandle, b []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	if errno := n.disk.enter(false); errno != 0 {
		return nil, errno
	}
	defer n.disk.mu.Unlock()
	if offset >= int64(len(n.inode.now)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(b[:copy(b, n.inode.now[offset:])]), 0
}

func (n *node) Write(_ context.Context, f fs.FileHandle, b []byte, offset int64) (uint32, syscall.Errno) {
	if errno := n.disk.enter(true); errno != 0 {
		return 0, errno
	}
	defer n.disk.mu.Unlock()
	if errno := n.disk.writeAt(n.inode, b, offset); errno != 0 {
		return 0, errno
	}
	if h, ok := f.(*handle); ok && h.sync {
		if errno := n.disk.sync(n.inode); errno != 0 {
			return 0, errno
		}
	}
	return uint32(len(b)), 0
}

func (n *node) Flush(context.Context, fs.FileHandle) syscall.Errno { return 0 }

// Fsync is of files and of directories, and fdatasync is the same: it keeps what is
// needed to read the bytes back.
func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	if errno := n.disk.enter(true); errno != 0 {
		return errno
	}
	defer n.disk.mu.Unlock()
	return n.disk.sync(n.inode)
}

// Allocate makes the file longer, as plain fallocate does.
func (n *node) Allocate(_ context.Context, _ fs.FileHandle, offset, size uint64, mode uint32) syscall.Errno {
	if mode != 0 {
		return syscall.EOPNOTSUPP
	}
	if errno := n.disk.enter(true); errno != 0 {
		return errno
	}
	defer n.disk.mu.Unlock()
	if end := int64(offset + size); end > int64(len(n.inode.now)) {
		return n.disk.truncate(n.inode, end)
	}
	return 0
}

func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	out.Bsize, out.Frsize, out.NameLen = pageSize, pageSize, 255
	out.Blocks = 1 << 28
	out.Bfree, out.Bavail = out.Blocks, out.Blocks
	return 0
}

func (n *node) Getxattr(context.Context, string, []byte) (uint32, syscall.Errno) {
	return 0, syscall.ENODATA
}
