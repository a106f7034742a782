package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/store"
)

// MappingRecord is one event source mapping as it is stored. Neither it nor what
// it points to may be changed.
type MappingRecord struct {
	Mapping  *lambda.Mapping
	Revision store.Revision
}

func (r MappingRecord) name() string             { return r.Mapping.UUID }
func (r MappingRecord) revision() store.Revision { return r.Revision }

func readMapping(_ string, value []byte, revision store.Revision) (MappingRecord, error) {
	m, err := decodeMapping(value)
	return MappingRecord{Mapping: m, Revision: revision}, err
}

// Mapping returns the newest known record of an event source mapping.
func (c *Catalog) Mapping(uuid string) (MappingRecord, bool) { return c.mappings.get(uuid) }

// Mappings returns all records sorted by UUID. The slice is shared: it is not to
// be changed.
func (c *Catalog) Mappings() []MappingRecord { return c.mappings.list() }

// PutMapping stores a mapping if its revision is still expect, 0 for a new one;
// otherwise store.ErrConflict. The returned record is what Mapping shows from now
// on; m stays the caller's.
func (c *Catalog) PutMapping(ctx context.Context, m *lambda.Mapping, expect store.Revision) (MappingRecord, error) {
	value, err := encodeMapping(m)
	if err != nil {
		return MappingRecord{}, fmt.Errorf("put event source mapping %q: %w", m.UUID, err)
	}
	r, err := c.mappings.put(ctx, c.metadata, m.UUID, value, expect)
	if err != nil {
		return MappingRecord{}, fmt.Errorf("put event source mapping %q: %w", m.UUID, err)
	}
	return r, nil
}

// DeleteMapping removes a mapping if its revision is still expect.
func (c *Catalog) DeleteMapping(ctx context.Context, uuid string, expect store.Revision) error {
	if err := c.metadata.Delete(ctx, mappingPrefix+uuid, expect); err != nil {
		return fmt.Errorf("delete event source mapping %q: %w", uuid, err)
	}
	c.mappings.forget(uuid, expect)
	return nil
}

// SubscribeMappings is Subscribe for event source mappings.
func (c *Catalog) SubscribeMappings(notify func(r MappingRecord, deleted bool)) (cancel func()) {
	return c.mappings.subscribe(notify)
}

type mappingFormat struct {
	UUID               string            `json:"uuid"`
	Function           string            `json:"function"`
	Qualifier          string            `json:"qualifier,omitempty"`
	Source             sourceFormat      `json:"source"`
	Batching           batchingFormat    `json:"batching"`
	Filters            []string          `json:"filters,omitempty"`
	OnFailure          string            `json:"onFailure,omitempty"`
	MaximumConcurrency *int              `json:"maximumConcurrency,omitempty"`
	Pollers            *pollersFormat    `json:"pollers,omitempty"`
	KMSKeyARN          string            `json:"kmsKeyArn,omitempty"`
	Metrics            []string          `json:"metrics,omitempty"`
	LogLevel           string            `json:"logLevel,omitempty"`
	Tags               map[string]string `json:"tags,omitempty"`
	Enabled            bool              `json:"enabled"`
	State              string            `json:"state"`
	LastModified       time.Time         `json:"modified"`
}

type batchingFormat struct {
	Size                  *int     `json:"size,omitempty"`
	WindowSeconds         *int     `json:"windowSeconds,omitempty"`
	Parallelization       *int     `json:"parallelization,omitempty"`
	TumblingWindowSeconds *int     `json:"tumblingWindowSeconds,omitempty"`
	MaximumAgeSeconds     *int     `json:"maximumAgeSeconds,omitempty"`
	MaximumRetries        *int     `json:"maximumRetries,omitempty"`
	Bisect                *bool    `json:"bisect,omitempty"`
	ResponseTypes         []string `json:"responseTypes,omitzero"` // none and empty differ
}

type sourceFormat struct {
	ARN        string            `json:"arn,omitempty"`
	Endpoints  []string          `json:"endpoints,omitempty"`
	Topics     []string          `json:"topics,omitempty"`
	Queues     []string          `json:"queues,omitempty"`
	Position   string            `json:"position,omitempty"`
	PositionAt *time.Time        `json:"positionAt,omitempty"`
	Access     []accessFormat    `json:"access,omitempty"`
	Kafka      *kafkaFormat      `json:"kafka,omitempty"`
	DocumentDB *documentDBFormat `json:"documentDB,omitempty"`
}

type accessFormat struct {
	Type string `json:"type"`
	URI  string `json:"uri"`
}

type kafkaFormat struct {
	ConsumerGroupID string          `json:"consumerGroup,omitempty"`
	ConsumptionMode string          `json:"consumptionMode,omitempty"`
	Registry        *registryFormat `json:"schemaRegistry,omitempty"`
}

type registryFormat struct {
	URI          string         `json:"uri,omitempty"`
	RecordFormat string         `json:"recordFormat,omitempty"`
	Access       []accessFormat `json:"access,omitempty"`
	Validate     []string       `json:"validate,omitempty"`
}

type documentDBFormat struct {
	Database     string `json:"database"`
	Collection   string `json:"collection,omitempty"`
	FullDocument string `json:"fullDocument,omitempty"`
}

type pollersFormat struct {
	Minimum *int   `json:"minimum,omitempty"`
	Maximum *int   `json:"maximum,omitempty"`
	Group   string `json:"group,omitempty"`
}

func encodeMapping(m *lambda.Mapping) ([]byte, error) {
	return wrap(envelope{Mapping: &mappingFormat{
		UUID:               m.UUID,
		Function:           m.Function,
		Qualifier:          m.Qualifier,
		Source:             formatSource(&m.Source),
		Batching:           batchingFormat(m.Batching),
		Filters:            m.Filters,
		OnFailure:          m.OnFailure,
		MaximumConcurrency: m.MaximumConcurrency,
		Pollers:            (*pollersFormat)(m.Pollers),
		KMSKeyARN:          m.KMSKeyARN,
		Metrics:            m.Metrics,
		LogLevel:           m.LogLevel,
		Tags:               m.Tags,
		Enabled:            m.Enabled,
		State:              m.State,
		LastModified:       m.LastModified.UTC(),
	}})
}

func decodeMapping(value []byte) (*lambda.Mapping, error) {
	e, err := unwrap(value)
	if err != nil {
		return nil, err
	}
	f := e.Mapping
	if f == nil {
		return nil, errors.New("no event source mapping in the record")
	}
	return &lambda.Mapping{
		UUID:               f.UUID,
		Function:           f.Function,
		Qualifier:          f.Qualifier,
		Source:             f.Source.source(),
		Batching:           lambda.Batching(f.Batching),
		Filters:            f.Filters,
		OnFailure:          f.OnFailure,
		MaximumConcurrency: f.MaximumConcurrency,
		Pollers:            (*lambda.Pollers)(f.Pollers),
		KMSKeyARN:          f.KMSKeyARN,
		Metrics:            f.Metrics,
		LogLevel:           f.LogLevel,
		Tags:               f.Tags,
		Enabled:            f.Enabled,
		State:              f.State,
		LastModified:       f.LastModified,
	}, nil
}

func formatSource(s *lambda.EventSource) sourceFormat {
	f := sourceFormat{ARN: s.ARN, Endpoints: s.Endpoints, Topics: s.Topics, Queues: s.Queues, Position: s.Position,
		Access: formatAccess(s.Access), DocumentDB: (*documentDBFormat)(s.DocumentDB)}
	if s.PositionAt != nil {
		f.PositionAt = new(s.PositionAt.UTC())
	}
	if k := s.Kafka; k != nil {
		f.Kafka = &kafkaFormat{ConsumerGroupID: k.ConsumerGroupID, ConsumptionMode: k.ConsumptionMode}
		if r := k.Registry; r != nil {
			f.Kafka.Registry = &registryFormat{URI: r.URI, RecordFormat: r.RecordFormat, Access: formatAccess(r.Access), Validate: r.Validate}
		}
	}
	return f
}

func (f *sourceFormat) source() lambda.EventSource {
	s := lambda.EventSource{ARN: f.ARN, Endpoints: f.Endpoints, Topics: f.Topics, Queues: f.Queues, Position: f.Position,
		PositionAt: f.PositionAt, Access: accessOf(f.Access), DocumentDB: (*lambda.DocumentDBConfig)(f.DocumentDB)}
	if k := f.Kafka; k != nil {
		s.Kafka = &lambda.KafkaConfig{ConsumerGroupID: k.ConsumerGroupID, ConsumptionMode: k.ConsumptionMode}
		if r := k.Registry; r != nil {
			s.Kafka.Registry = &lambda.SchemaRegistry{URI: r.URI, RecordFormat: r.RecordFormat, Access: accessOf(r.Access), Validate: r.Validate}
		}
	}
	return s
}

func formatAccess(list []lambda.SourceAccess) []accessFormat {
	return mapped(list, func(a lambda.SourceAccess) accessFormat { return accessFormat(a) })
}

func accessOf(list []accessFormat) []lambda.SourceAccess {
	return mapped(list, func(a accessFormat) lambda.SourceAccess { return lambda.SourceAccess(a) })
}
