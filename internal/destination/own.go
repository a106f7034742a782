package destination

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"regexp"

	"thaw/internal/async"
	"thaw/internal/lambda"
)

func (s *Sender) sendToOwnQueue(ctx context.Context, t target, d async.Delivery) error {
	if err := checkSize(d, maxQueueMessage); err != nil {
		return err
	}
	return s.options.Queues.Send(ctx, Message{Queue: t.arn, Body: string(d.Body), Attributes: d.Attributes, Trace: d.Trace, Role: d.Role,
		Once: string(d.Kind) + " " + d.ID, At: d.At})
}

// invoke gives a record to a function of this server as an event.
func (s *Sender) invoke(ctx context.Context, t target, d async.Delivery) error {
	ref, ok := lambda.ParseRef(t.arn)
	if !ok {
		return undeliverable("the ARN names no function")
	}
	if !s.local(t) || s.options.Functions == nil {
		return undeliverable("a function of another account or region is not on this server")
	}
	if err := fits(len(d.Body), maxEvent); err != nil {
		return err
	}
	return s.options.Functions.Enqueue(ctx, Event{ID: uuidOf("event of " + d.ID), Function: ref, Payload: d.Body, Trace: d.Trace})
}

func (s *Sender) putObject(ctx context.Context, t target, d async.Delivery) error {
	switch {
	case d.Kind != async.OnFailure:
		return undeliverable("a bucket takes records of failures only")
	case s.options.Objects == nil:
		return undeliverable("no bucket is known to this server: start it with --s3-endpoint URL")
	}
	return s.options.Objects.Put(ctx, t.resource, objectKey(d), "application/json", d.Body)
}

// objectKey is where a record of a failure is put, in the service's own form. It is
// the same at every try, so that a second one replaces the first.
func objectKey(d async.Delivery) string {
	at := d.At.UTC()
	return "aws/lambda/async/" + d.Function.Name + at.Format("/2006/01/02/2006-01-02T15.04.05-") + uuidOf(d.ID)
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// uuidOf is an ID as a UUID: itself, or one that is made of it (RFC 9562, version 8).
func uuidOf(id string) string {
	if uuidForm.MatchString(id) {
		return id
	}
	b := sha256.Sum256([]byte(id))
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
