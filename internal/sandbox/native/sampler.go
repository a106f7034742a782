package native

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"
)

// sampleInterval is how often the memory of sandboxes that are not frozen is
// looked at. A file in /tmp that exists for less than this may be taken for
// memory, and memory that is used for less, beside files, be missed.
const sampleInterval = 50 * time.Millisecond

// sampler keeps the memory meters of the sandboxes that were handed out up to
// date. While all of them are frozen it sleeps.
type sampler struct {
	logger *slog.Logger
	thawed chan struct{} // tells of a sandbox that runs; holds one
	cancel context.CancelFunc
	worker sync.WaitGroup

	mu    sync.Mutex
	boxes map[*box]struct{}
}

func newSampler(logger *slog.Logger) *sampler {
	ctx, cancel := context.WithCancel(context.Background())
	s := &sampler{logger: logger, thawed: make(chan struct{}, 1), cancel: cancel, boxes: map[*box]struct{}{}}
	s.worker.Go(func() { s.run(ctx) })
	return s
}

func (s *sampler) close() {
	s.cancel()
	s.worker.Wait()
}

func (s *sampler) add(b *box) {
	s.mu.Lock()
	s.boxes[b] = struct{}{}
	s.mu.Unlock()
	s.wake()
}

func (s *sampler) remove(b *box) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.boxes, b)
}

// wake tells that a sandbox was thawed.
func (s *sampler) wake() {
	select {
	case s.thawed <- struct{}{}:
	default:
	}
}

func (s *sampler) run(ctx context.Context) {
	tick := time.NewTicker(sampleInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		running := s.running()
		if len(running) == 0 {
			tick.Stop()
			select {
			case <-ctx.Done():
				return
			case <-s.thawed:
			}
			tick.Reset(sampleInterval)
			continue
		}
		for _, b := range running {
			// One that is just being destroyed has no meters any more.
			if err := b.group.SampleMemory(); err != nil && !errors.Is(err, fs.ErrNotExist) {
				s.logger.Debug("sample memory", slog.Any("error", err))
			}
		}
	}
}

// running lists the sandboxes that are not frozen.
func (s *sampler) running() []*box {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*box
	for b := range s.boxes {
		if !b.still() {
			list = append(list, b)
		}
	}
	return list
}
