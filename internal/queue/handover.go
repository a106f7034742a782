package queue

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"time"
)

// handover is what a service that ends in good order leaves to the next one: what is
// known of messages in flight. Without it, as after a crash, all of them wait.
type handover struct {
	Version int                       `json:"version"`
	Queues  map[string][]handedFlight `json:"queues"` // by the queue's ID
}

const handoverVersion = 1

// handedFlight is a flight, with times in milliseconds.
type handedFlight struct {
	ID       string `json:"id"`
	First    int64  `json:"first"`
	Received int64  `json:"received"`
	Until    int64  `json:"until"`
	Receives int    `json:"receives"`
	Boot     uint64 `json:"boot"`
	Token    uint64 `json:"token"`
}

// takeOver reads what an earlier service has left, once: what comes of this one is
// not known to the file.
func (s *Service) takeOver() error {
	s.restored = map[string]map[string]flight{}
	if s.state == "" {
		return nil
	}
	text, err := os.ReadFile(s.state)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.Remove(s.state); err != nil {
		return err
	}
	var h handover
	if err := json.Unmarshal(text, &h); err != nil || h.Version != handoverVersion {
		s.logger.Warn("what is known of messages in flight cannot be read; they wait again", slog.String("file", s.state), slog.Int("version", h.Version), slog.Any("error", err))
		return nil
	}
	for id, list := range h.Queues {
		flights := make(map[string]flight, len(list))
		for _, f := range list {
			flights[f.ID] = flight{
				first: time.UnixMilli(f.First), received: time.UnixMilli(f.Received), until: time.UnixMilli(f.Until),
				receives: f.Receives, boot: f.Boot, token: f.Token,
			}
		}
		s.restored[id] = flights
	}
	return nil
}

// handOver writes what is known of messages in flight. It is not synced: without it
// messages are received again, which they may be anyhow.
func (s *Service) handOver() error {
	if s.state == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h := handover{Version: handoverVersion, Queues: map[string][]handedFlight{}}
	add := func(queue string, flights map[string]flight) {
		for id, f := range flights {
			h.Queues[queue] = append(h.Queues[queue], handedFlight{
				ID: id, First: f.first.UnixMilli(), Received: f.received.UnixMilli(), Until: f.until.UnixMilli(),
				Receives: f.receives, Boot: f.boot, Token: f.token,
			})
		}
	}
	for id, b := range s.boxes {
		b.mu.Lock()
		add(id, b.flights)
		b.mu.Unlock()
	}
	for id, flights := range s.restored { // of queues that nobody has used since
		add(id, flights)
	}
	if len(h.Queues) == 0 {
		return nil
	}
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.state+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(s.state+".new", s.state)
}
