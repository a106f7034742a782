package jetstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"thaw/internal/store/events"
)

// journalStream is where earlier releases kept the journal of events.
const journalStream = "events"

// takeOver moves the events of an earlier release's stream to the journal of files,
// and deletes the stream.
func takeOver(ctx context.Context, js jetstream.JetStream, to *events.Events) error {
	stream, err := js.Stream(ctx, journalStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the earlier journal: %w", err)
	}
	state := stream.CachedInfo().State
	err = to.TakeOver(func(yield func([]byte, error) bool) {
		for sequence := state.FirstSeq; state.Msgs > 0 && sequence <= state.LastSeq; sequence++ {
			m, err := stream.GetMsg(ctx, sequence)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				continue
			}
			var data []byte
			if err == nil {
				data = m.Data
			}
			if !yield(data, err) {
				return
			}
		}
	})
	if err != nil {
		return fmt.Errorf("take over the earlier journal: %w", err)
	}
	return js.DeleteStream(ctx, journalStream)
}
