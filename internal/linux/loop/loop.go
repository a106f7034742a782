// Package loop turns files into block devices. A device is attached with
// autoclear: when its last user (a mount, an open descriptor) goes, it is free
// again, whatever has become of the process that attached it.
package loop

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// attempts bounds the race for a free device with the host's other users.
const attempts = 64

// Device is an attached loop device, held open.
type Device struct {
	*os.File
	ID ID
}

// ID names one attachment of a device. The number alone does not, for it is given
// to the next as soon as it is free.
type ID struct {
	Number   int
	sequence string // of the kernel's disks; empty before Linux 5.15
}

// Path returns the device's path under /dev.
func (d *Device) Path() string { return path(d.ID.Number) }

func path(number int) string { return fmt.Sprintf("/dev/loop%d", number) }

func sequence(number int) string {
	text, err := os.ReadFile(fmt.Sprintf("/sys/block/loop%d/diskseq", number))
	if err != nil {
		return ""
	}
	return string(text)
}

// Available tells why loop devices cannot be used, or nil.
func Available() error {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open loop control: %w", err)
	}
	return control.Close()
}

// Attach makes a device of a file, which must be open for writing. The kernel
// makes new devices as they are needed. Closing the device leaves it attached as
// long as it is mounted.
func Attach(backing *os.File) (*Device, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open loop control: %w", err)
	}
	defer control.Close()
	for range attempts {
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("get a free loop device: %w", err)
		}
		d, err := configure(number, backing)
		if errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENXIO) {
			continue // another process was quicker, or removed it
		}
		return d, err
	}
	return nil, fmt.Errorf("no free loop device in %d attempts", attempts)
}

func configure(number int, backing *os.File) (*Device, error) {
	f, err := os.OpenFile(path(number), os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open loop device: %w", err)
	}
	config := unix.LoopConfig{
		Fd:   uint32(backing.Fd()),
		Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR},
	}
	if err := unix.IoctlLoopConfigure(int(f.Fd()), &config); err != nil {
		f.Close()
		return nil, fmt.Errorf("configure %s: %w", path(number), err)
	}
	return &Device{f, ID{number, sequence(number)}}, nil
}

// Attached returns the numbers of the devices whose backing file is, or was
// before it was removed, below a directory.
func Attached(directory string) ([]int, error) {
	files, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil || !strings.HasPrefix(string(text), strings.TrimSuffix(directory, "/")+"/") {
			continue // an error means that it was detached meanwhile
		}
		var number int
		if _, err := fmt.Sscanf(f, "/sys/block/loop%d/", &number); err != nil {
			return nil, fmt.Errorf("parse %q: %w", f, err)
		}
		numbers = append(numbers, number)
	}
	return numbers, nil
}

// InUse tells whether a device is still attached as it was.
func InUse(id ID) bool {
	_, err := os.Stat(fmt.Sprintf("/sys/block/loop%d/loop/backing_file", id.Number))
	return err == nil && sequence(id.Number) == id.sequence
}

// Detach frees a device, or marks it to be freed by its last user.
func Detach(number int) error {
	f, err := os.OpenFile(path(number), os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open loop device: %w", err)
	}
	defer f.Close()
	if err := unix.IoctlSetInt(int(f.Fd()), unix.LOOP_CLR_FD, 0); err != nil && !errors.Is(err, unix.ENXIO) {
		return fmt.Errorf("clear %s: %w", path(number), err)
	}
	return nil
}
