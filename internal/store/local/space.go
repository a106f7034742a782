package local

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	spareFile = "spare.new"
	// spareInterval is how long to wait before room for a spare segment is asked for
	// again.
	spareInterval = time.Second
)

// makeRoom has the active segment take a group of n bytes.
func (j *journal) makeRoom(n int64) error {
	if j.active != nil {
		if s := j.segments[len(j.segments)-1]; s.size+n <= segmentSize {
			return nil
		}
	}
	if j.spare == nil {
		if err := j.prepare(); err != nil {
			return err
		}
	}
	if err := j.beginSegment(); err != nil {
		return err
	}
	j.prepareAgain()
	return nil
}

// prepare makes the spare segment: a file that has its room on the disk already,
// where the file system can do that.
func (j *journal) prepare() error {
	j.tried = time.Now()
	f, err := os.OpenFile(filepath.Join(j.dir, spareFile), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("prepare a segment: %w", err)
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, segmentSize)
	if err != nil && !errors.Is(err, syscall.EOPNOTSUPP) {
		return errors.Join(fmt.Errorf("prepare a segment: %w", err), f.Close(), remove(f.Name()))
	}
	j.spare = f
	return nil
}

// prepareAgain makes a spare segment if there is none, and tells once if there is
// no room for it.
func (j *journal) prepareAgain() {
	if j.spare != nil || time.Since(j.tried) < spareInterval && j.full {
		return
	}
	err := j.prepare()
	switch {
	case err != nil && !j.full:
		j.logger.Error("no room for more events: new ones are refused until there is", slog.Any("error", err))
	case err == nil && j.full:
		j.logger.Info("room for events again")
	}
	j.full = err != nil
}

// beginSegment makes the spare segment the active one. Its name is on the disk
// before its first group is.
func (j *journal) beginSegment() error {
	if err := j.endSegment(); err != nil {
		return err
	}
	first := j.mark.last + 1
	f := j.spare
	path := segmentPath(j.dir, first)
	_, err := f.WriteAt(encodeSegmentHeader(first, j.mark.salt), 0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		err = syncDirectory(j.dir)
	}
	if err != nil {
		j.spare = nil
		return errors.Join(fmt.Errorf("begin segment %d: %w", first, err), f.Close(), remove(filepath.Join(j.dir, spareFile)))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := len(j.segments); n > 0 && j.segments[n-1].first == first {
		j.segments = j.segments[:n-1] // no group of it was ever acknowledged
	}
	j.active, j.spare = f, nil
	j.segments = append(j.segments, &segment{path: path, first: first, size: segmentHeader})
	return nil
}

// endSegment closes the active segment, and gives back what it has not used.
func (j *journal) endSegment() error {
	if j.active == nil {
		return nil
	}
	f := j.active
	j.active = nil
	return errors.Join(f.Truncate(j.segments[len(j.segments)-1].size), f.Close())
}
