package lambda

import (
	"strings"
	"time"
)

// Mapping is an event source mapping: from where a function gets records, and
// how. It is a record of its own, which outlives its function.
type Mapping struct {
	UUID string
	// Function and Qualifier are what is invoked. The qualifier is empty if the
	// caller named none.
	Function  string
	Qualifier string
	Source    EventSource
	Batching  Batching
	// Filters are patterns of which a record must match one; none lets all pass.
	Filters []string
	// OnFailure is the destination of what could not be processed, or empty.
	OnFailure string
	// MaximumConcurrency bounds the invocations at a time; nil is no bound.
	MaximumConcurrency *int
	Pollers            *Pollers // nil if they are not provisioned
	KMSKeyARN          string
	Metrics            []string
	LogLevel           string
	Tags               map[string]string
	// Enabled is what is wanted; State is how far that has come.
	Enabled      bool
	State        string
	LastModified time.Time
}

// States of a mapping.
const (
	MappingCreating  = "Creating"
	MappingEnabling  = "Enabling"
	MappingEnabled   = "Enabled"
	MappingDisabling = "Disabling"
	MappingDisabled  = "Disabled"
	MappingUpdating  = "Updating"
	MappingDeleting  = "Deleting"
)

// Settled tells whether nothing is about to happen to a mapping.
func (m *Mapping) Settled() bool { return m.State == MappingEnabled || m.State == MappingDisabled }

// Batching is how records become batches, and what becomes of those that fail.
// Nil members are not set, or are nothing that the kind of source has.
type Batching struct {
	Size                  *int
	WindowSeconds         *int
	Parallelization       *int
	TumblingWindowSeconds *int
	MaximumAgeSeconds     *int // -1 is no limit
	MaximumRetries        *int // -1 is no limit
	Bisect                *bool
	// ResponseTypes is nil or empty, which differ in answers, or has
	// "ReportBatchItemFailures".
	ResponseTypes []string
}

// EventSource is where records come from: an ARN, or the endpoints of a Kafka
// cluster that has none.
type EventSource struct {
	ARN       string
	Endpoints []string
	Topics    []string // of Kafka, one
	Queues    []string // of a broker, one
	// Position is "TRIM_HORIZON", "LATEST" or "AT_TIMESTAMP", with PositionAt; it
	// is empty for what has no positions.
	Position   string
	PositionAt *time.Time
	Access     []SourceAccess
	Kafka      *KafkaConfig
	DocumentDB *DocumentDBConfig
}

// SourceAccess is one secret, network or name that it takes to reach a source.
type SourceAccess struct{ Type, URI string }

// KafkaConfig is what only Kafka has.
type KafkaConfig struct {
	ConsumerGroupID string
	ConsumptionMode string
	Registry        *SchemaRegistry
}

// SchemaRegistry is where a topic's schemas are kept.
type SchemaRegistry struct {
	URI          string
	RecordFormat string
	Access       []SourceAccess
	Validate     []string // "KEY", "VALUE"
}

// DocumentDBConfig names a change stream. An empty collection is all of them.
type DocumentDBConfig struct{ Database, Collection, FullDocument string }

// Pollers bounds how many pollers stand ready. Nil members are not set.
type Pollers struct {
	Minimum, Maximum *int
	Group            string
}

// SourceKind is a kind of event source, by the service's word in its ARN.
type SourceKind string

// Kinds of sources. The zero value is of none.
const (
	SourceSQS              SourceKind = "sqs"
	SourceKinesis          SourceKind = "kinesis"
	SourceDynamoDB         SourceKind = "dynamodb"
	SourceMSK              SourceKind = "kafka"
	SourceSelfManagedKafka SourceKind = "self-managed kafka"
	SourceMQ               SourceKind = "mq"
	SourceDocumentDB       SourceKind = "rds" // whose ARNs it has
)

// Kind is the kind of a source.
func (s *EventSource) Kind() SourceKind {
	if len(s.Endpoints) > 0 {
		return SourceSelfManagedKafka
	}
	parts := strings.SplitN(s.ARN, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		return ""
	}
	resource := parts[5]
	switch kind := SourceKind(parts[2]); {
	case kind == SourceSQS && resource != "" && !strings.ContainsAny(resource, ":/"),
		kind == SourceKinesis && strings.HasPrefix(resource, "stream/"),
		kind == SourceDynamoDB && strings.HasPrefix(resource, "table/") && strings.Contains(resource, "/stream/"),
		kind == SourceMSK && strings.HasPrefix(resource, "cluster/"),
		kind == SourceMQ && strings.HasPrefix(resource, "broker:"),
		kind == SourceDocumentDB && strings.HasPrefix(resource, "cluster:"):
		return kind
	default:
		return ""
	}
}

// IsStream tells whether records come from shards, in order.
func (k SourceKind) IsStream() bool { return k == SourceKinesis || k == SourceDynamoDB }

// IsKafka tells whether records come from a topic of Kafka.
func (k SourceKind) IsKafka() bool { return k == SourceMSK || k == SourceSelfManagedKafka }

// FIFO tells whether the source is a queue that keeps an order.
func (s *EventSource) FIFO() bool { return s.Kind() == SourceSQS && strings.HasSuffix(s.ARN, ".fifo") }

// MappingARN is the ARN of an event source mapping.
func (s Scope) MappingARN(uuid string) string {
	return "arn:" + s.Partition + ":lambda:" + s.Region + ":" + s.Account + ":event-source-mapping:" + uuid
}
