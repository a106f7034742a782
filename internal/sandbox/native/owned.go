package native

import (
	"errors"
	"log/slog"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"thaw/internal/linux/mount"
	"thaw/internal/sandbox"
)

// owned makes the mounts whose files a sandbox's root is to own.
type owned struct {
	workshop *mount.Workshop // nil: the host cannot
	logger   *slog.Logger
	told     sync.Once
}

// open starts the workshop. A host on which it cannot work is no error: files then
// belong to nobody.
func (o *owned) open(dir string, logger *slog.Logger) {
	o.logger = logger
	var err error
	if o.workshop, err = mount.OpenWorkshop(dir); err != nil {
		o.tell(err)
	}
}

func (o *owned) close() {
	if o.workshop != nil {
		o.workshop.Close()
		o.workshop = nil
	}
}

func (o *owned) tell(err error) {
	o.told.Do(func() {
		o.logger.Info("functions see their code as nobody's: this kernel or file system cannot map owners", slog.Any("error", err))
	})
}

// detached makes a mount, as yet in no place.
func (b *box) detached(m sandbox.Mount) (*os.File, error) {
	o := &b.driver.owned
	if m.Own && o.workshop != nil {
		f, err := o.workshop.Owned(b.users, m.Sources...)
		if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EPERM) {
			return f, err
		}
		o.tell(err)
	}
	return mount.Overlay(m.Sources...)
}
