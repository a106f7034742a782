package awsapi

import (
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream/eventstreamapi"
)

// EventStreamType is the content type of an answer that is a stream of events.
const EventStreamType = "application/vnd.amazon.eventstream"

// initialResponse is the event that carries the members of the answer itself, in
// services of awsJson; clients wait for it.
const initialResponse = "initial-response"

// EventStream writes the events of an answer. It is for one goroutine.
type EventStream struct {
	codec   *Codec
	w       io.Writer
	encoder *eventstream.Encoder
}

// EventStream begins an answer of events on w, which is to be flushed after each.
func (c *Codec) EventStream(w io.Writer) (*EventStream, error) {
	s := &EventStream{codec: c, w: w, encoder: eventstream.NewEncoder()}
	if c.service.Target == "" {
		return s, nil
	}
	return s, s.send(initialResponse, targetType, []byte("{}"))
}

// Send writes one event: its name in the model, and its structure.
func (s *EventStream) Send(name string, id ShapeID, ptr any) error {
	return s.send(name, restType, s.codec.Marshal(id, ptr))
}

func (s *EventStream) send(name, contentType string, payload []byte) error {
	m := eventstream.Message{Payload: payload}
	m.Headers.Set(eventstreamapi.MessageTypeHeader, eventstream.StringValue(eventstreamapi.EventMessageType))
	m.Headers.Set(eventstreamapi.EventTypeHeader, eventstream.StringValue(name))
	m.Headers.Set(eventstreamapi.ContentTypeHeader, eventstream.StringValue(contentType))
	if err := s.encoder.Encode(s.w, m); err != nil {
		return fmt.Errorf("send event %s: %w", name, err)
	}
	return nil
}

// Fail writes an exception of the stream: its name in the model, and a text.
func (s *EventStream) Fail(name, message string) error {
	m := eventstream.Message{Payload: append(appendString([]byte(`{"message":`), message), '}')}
	m.Headers.Set(eventstreamapi.MessageTypeHeader, eventstream.StringValue(eventstreamapi.ExceptionMessageType))
	m.Headers.Set(eventstreamapi.ExceptionTypeHeader, eventstream.StringValue(name))
	m.Headers.Set(eventstreamapi.ContentTypeHeader, eventstream.StringValue(restType))
	if err := s.encoder.Encode(s.w, m); err != nil {
		return fmt.Errorf("send exception %s: %w", name, err)
	}
	return nil
}
