package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/store"
)

// QueueRecord is one message queue as it is stored. Neither it nor what it points
// to may be changed.
type QueueRecord struct {
	Queue    *lambda.Queue
	Revision store.Revision
}

func (r QueueRecord) name() string             { return r.Queue.Name }
func (r QueueRecord) revision() store.Revision { return r.Revision }

func readQueue(_ string, value []byte, revision store.Revision) (QueueRecord, error) {
	q, err := decodeQueue(value)
	return QueueRecord{Queue: q, Revision: revision}, err
}

// Queue returns the newest known record of a queue.
func (c *Catalog) Queue(name string) (QueueRecord, bool) { return c.queues.get(name) }

// Queues returns all records sorted by name. The slice is shared: it is not to be
// changed.
func (c *Catalog) Queues() []QueueRecord { return c.queues.list() }

// PutQueue stores a queue if its revision is still expect, 0 for a new one;
// otherwise store.ErrConflict. q stays the caller's.
func (c *Catalog) PutQueue(ctx context.Context, q *lambda.Queue, expect store.Revision) (QueueRecord, error) {
	value, err := encodeQueue(q)
	if err != nil {
		return QueueRecord{}, fmt.Errorf("put queue %q: %w", q.Name, err)
	}
	r, err := c.queues.put(ctx, c.metadata, q.Name, value, expect)
	if err != nil {
		return QueueRecord{}, fmt.Errorf("put queue %q: %w", q.Name, err)
	}
	return r, nil
}

// DeleteQueue removes a queue's record if its revision is still expect.
func (c *Catalog) DeleteQueue(ctx context.Context, name string, expect store.Revision) error {
	if err := c.metadata.Delete(ctx, queuePrefix+name, expect); err != nil {
		return fmt.Errorf("delete queue %q: %w", name, err)
	}
	c.queues.forget(name, expect)
	return nil
}

type queueFormat struct {
	Name               string            `json:"name"`
	ID                 string            `json:"id"`
	Key                []byte            `json:"key"` // base64
	DelaySeconds       int               `json:"delaySeconds,omitempty"`
	VisibilitySeconds  int               `json:"visibilitySeconds"`
	RetentionSeconds   int               `json:"retentionSeconds"`
	WaitSeconds        int               `json:"waitSeconds,omitempty"`
	MaximumMessageSize int               `json:"maximumMessageSize"`
	DeadLetter         *deadLetterFormat `json:"deadLetter,omitempty"`
	DeadLetterFrom     string            `json:"deadLetterFrom,omitempty"`
	Policy             string            `json:"policy,omitempty"`
	Encrypted          bool              `json:"encrypted,omitempty"`
	Tags               map[string]string `json:"tags,omitempty"`
	CreatedAt          time.Time         `json:"createdAt"`
	LastModified       time.Time         `json:"modified"`
}

type deadLetterFormat struct {
	Target      string `json:"target"`
	MaxReceives int    `json:"maxReceives"`
}

func encodeQueue(q *lambda.Queue) ([]byte, error) {
	return wrap(envelope{Queue: &queueFormat{
		Name:               q.Name,
		ID:                 q.ID,
		Key:                q.Key,
		DelaySeconds:       seconds(q.Delay),
		VisibilitySeconds:  seconds(q.Visibility),
		RetentionSeconds:   seconds(q.Retention),
		WaitSeconds:        seconds(q.Wait),
		MaximumMessageSize: q.MaximumMessageSize,
		DeadLetter:         (*deadLetterFormat)(q.DeadLetter),
		DeadLetterFrom:     q.DeadLetterFrom,
		Policy:             q.Policy,
		Encrypted:          q.Encrypted,
		Tags:               q.Tags,
		CreatedAt:          q.CreatedAt.UTC(),
		LastModified:       q.LastModified.UTC(),
	}})
}

func seconds(d time.Duration) int { return int(d / time.Second) }

func decodeQueue(value []byte) (*lambda.Queue, error) {
	e, err := unwrap(value)
	if err != nil {
		return nil, err
	}
	f := e.Queue
	if f == nil {
		return nil, errors.New("no queue in the record")
	}
	return &lambda.Queue{
		Name:               f.Name,
		ID:                 f.ID,
		Key:                f.Key,
		Delay:              time.Duration(f.DelaySeconds) * time.Second,
		Visibility:         time.Duration(f.VisibilitySeconds) * time.Second,
		Retention:          time.Duration(f.RetentionSeconds) * time.Second,
		Wait:               time.Duration(f.WaitSeconds) * time.Second,
		MaximumMessageSize: f.MaximumMessageSize,
		DeadLetter:         (*lambda.DeadLetter)(f.DeadLetter),
		DeadLetterFrom:     f.DeadLetterFrom,
		Policy:             f.Policy,
		Encrypted:          f.Encrypted,
		Tags:               f.Tags,
		CreatedAt:          f.CreatedAt,
		LastModified:       f.LastModified,
	}, nil
}
