package mirror

import (
	"log/slog"
	"os"

	"thaw/internal/store"
)

// ReadFile reads what a mirror's file has, for the tests.
func ReadFile(path string) (newest uint64, revisions map[string]uint64, err error) {
	m, err := openFile(path)
	if err != nil {
		return 0, nil, err
	}
	revisions = make(map[string]uint64)
	for key, mark := range m.state.marks {
		revisions[key] = uint64(mark.revision)
	}
	return uint64(m.state.newest), revisions, m.close()
}

// Slack is how much may be dead before the file is compacted.
const Slack = slack

// MaxLate is how many changes may wait to be written.
const MaxLate = maxLate

// Follower is a mirror without its goroutine, whose disk can be broken.
type Follower struct {
	m    Mirror
	good *os.File
}

// NewFollower opens a mirror's file.
func NewFollower(path string, logger *slog.Logger) (*Follower, error) {
	file, err := openFile(path)
	if err != nil {
		return nil, err
	}
	return &Follower{m: Mirror{logger: logger, file: file}, good: file.f}, nil
}

// Take is what the goroutine does with a change.
func (f *Follower) Take(c store.Change) { f.m.take(c) }

// Break makes every write fail until Mend.
func (f *Follower) Break() error {
	readOnly, err := os.Open(f.good.Name())
	f.m.file.f = readOnly
	return err
}

// Mend ends what Break has begun.
func (f *Follower) Mend() error {
	err := f.m.file.f.Close()
	f.m.file.f = f.good
	return err
}

// Close closes the file.
func (f *Follower) Close() error { return f.m.file.close() }
