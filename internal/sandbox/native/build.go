package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"thaw/internal/linux/mount"
	"thaw/internal/linux/pid1"
)

// prepareTimeout bounds how long a new PID 1 may take to be ready; the usual is
// 2 ms.
const prepareTimeout = 30 * time.Second

// shmOptions are of /dev/shm, which counts against the memory limit.
var shmOptions = []mount.Option{{Name: "size", Value: "64m"}, {Name: "nr_inodes", Value: "16k"}, {Name: "mode", Value: "1777"}}

// build makes a paused sandbox. Its steps are undone by Destroy, as far as they
// came.
func (d *Driver) build() (*box, error) {
	b := newBox(d)
	if err := b.build(); err != nil {
		return nil, errors.Join(fmt.Errorf("build sandbox: %w", err), b.Destroy(context.Background()))
	}
	return b, nil
}

func (b *box) build() error {
	d := b.driver
	var err error
	if b.firstID, err = d.ids.take(); err != nil {
		return err
	}
	if b.group, err = d.tree.Group("s" + strconv.Itoa(d.nextSerial())); err != nil {
		return err
	}
	pid, err := b.spawn()
	if err != nil {
		return err
	}
	if b.users, err = os.Open("/proc/" + strconv.Itoa(pid) + "/ns/user"); err != nil {
		return err
	}
	if err := b.channel.send(pid1.Prepare{Hostname: hostname, Filter: d.filter, UID: userID, GID: groupID}); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	if err := b.group.Adopt(pid); err != nil {
		return err
	}
	if b.shm, err = mount.Filesystem("tmpfs", shmOptions...); err != nil {
		return err
	}
	if err := b.awaitReady(); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	if err := b.connect(); err != nil {
		return err
	}
	b.reading.Add(1)
	go b.read()
	return nil
}

func (b *box) spawn() (int, error) {
	group, err := b.group.Open()
	if err != nil {
		return 0, fmt.Errorf("open cgroup: %w", err)
	}
	defer group.Close()
	near, far, err := newChannel()
	if err != nil {
		return 0, err
	}
	defer far.Close()
	b.channel = near
	s, err := b.driver.livingSpawner()
	if err != nil {
		return 0, err
	}
	pid, err := s.spawn(b.firstID, far, group)
	if !errors.Is(err, errSpawnerGone) {
		return pid, err
	}
	if s, err = b.driver.livingSpawner(); err != nil {
		return 0, err
	}
	return s.spawn(b.firstID, far, group)
}

// awaitReady receives the answer to Prepare, with the network namespace.
func (b *box) awaitReady() error {
	if err := b.channel.conn.SetReadDeadline(time.Now().Add(prepareTimeout)); err != nil {
		return err
	}
	m, files, err := b.channel.receive(make([]byte, receiveBytes))
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	switch m := m.(type) {
	case pid1.Failed:
		return remoteError(m)
	case pid1.Kind:
		if m == pid1.KindReady && len(files) == 1 {
			b.network = files[0]
			return b.channel.conn.SetReadDeadline(time.Time{})
		}
	}
	for _, f := range files {
		f.Close()
	}
	return pid1.ErrMalformed
}

// read takes in what PID 1 tells, until it dies.
func (b *box) read() {
	defer b.reading.Done()
	buffer := make([]byte, receiveBytes)
	for {
		m, _, err := b.channel.receive(buffer)
		if err != nil {
			b.ended()
			return
		}
		switch m := m.(type) {
		case pid1.Exited:
			b.exited(m)
		default:
			b.answered(m)
		}
	}
}
