package control

import (
	"slices"
	"strings"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/source/filter"
)

const (
	// maxFilters bounds the filters of an event source mapping, from the service's
	// quotas.
	maxFilters = 5
	// unwindowedBatch is how large a batch of a queue may be without a window, and
	// of a FIFO queue at all.
	unwindowedBatch = 10
	// minRecordAge is the shortest age that records may be bounded to, in seconds.
	minRecordAge = 60
)

const atTimestamp = "AT_TIMESTAMP"

// checkNewSource tells whether a mapping may be made of a source with such
// settings.
func checkNewSource(in *CreateMappingInput) error {
	source, kind := &in.Source, in.Source.Kind()
	if in.Destination != nil && in.Destination.OnSuccess != nil {
		return unsupported("DestinationConfig")
	}
	switch {
	case kind == lambda.SourceSelfManagedKafka && source.ARN != "":
		return invalid("An event source mapping has either an event source ARN or a self-managed event source.")
	case kind == lambda.SourceSelfManagedKafka && len(in.Access) == 0:
		return required("sourceAccessConfigurations")
	case kind == "":
		return invalid("Unrecognized event source.")
	}
	if err := in.checkSupported(source); err != nil {
		return err
	}
	if err := in.checkRequired(kind); err != nil {
		return err
	}
	return checkPosition(source, kind)
}

// checkRequired looks for what some kinds of sources cannot be reached without.
func (in *CreateMappingInput) checkRequired(kind lambda.SourceKind) error {
	switch {
	case kind.IsKafka() && len(in.Source.Topics) == 0:
		return required("topics")
	case kind == lambda.SourceMQ && len(in.Source.Queues) == 0:
		return required("queues")
	case kind == lambda.SourceDocumentDB && (in.DocumentDB == nil || in.DocumentDB.Database == ""):
		return required("documentDBEventSourceConfig")
	case (kind == lambda.SourceMQ || kind == lambda.SourceDocumentDB) && len(in.Access) == 0:
		return required("sourceAccessConfigurations")
	default:
		return nil
	}
}

func checkPosition(s *lambda.EventSource, kind lambda.SourceKind) error {
	switch {
	case s.Position == "" && (kind.IsStream() || kind == lambda.SourceDocumentDB):
		return invalid("1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.")
	case s.Position == atTimestamp && kind == lambda.SourceDynamoDB:
		return invalid("Unsupported starting position for arn type: %s", s.ARN)
	case s.Position == atTimestamp && s.PositionAt == nil:
		return invalid("Need to specify a timestamp")
	case s.PositionAt != nil && s.PositionAt.After(time.Now()):
		return invalid("StartingPositionTimestamp cannot be in the future.")
	default:
		return nil
	}
}

// checkSupported refuses what a kind of source does not have.
func (s *MappingSettings) checkSupported(source *lambda.EventSource) error {
	if d := s.Destination; d != nil {
		if d.OnSuccess != nil || d.OnFailure != nil && *d.OnFailure != "" && !supports(source.Kind(), "destinationConfig") {
			return unsupported("DestinationConfig")
		}
	}
	for _, parameter := range s.given(source) {
		if !supports(source.Kind(), parameter) {
			return unsupported("'" + parameter + "'")
		}
	}
	return nil
}

// given lists the parameters that are set of those that not every kind has.
func (s *MappingSettings) given(source *lambda.EventSource) (names []string) {
	for _, p := range []struct {
		name string
		is   bool
	}{
		{"scalingConfig", s.Scaling != nil && s.Scaling.MaximumConcurrency != nil},
		{"parallelizationFactor", s.Batching.Parallelization != nil},
		{"startingPosition", source.Position != ""},
		{"startingPositionTimestamp", source.PositionAt != nil},
		{"maximumRecordAgeInSeconds", s.Batching.MaximumAgeSeconds != nil},
		{"bisectBatchOnFunctionError", s.Batching.Bisect != nil},
		{"maximumRetryAttempts", s.Batching.MaximumRetries != nil},
		{"tumblingWindowInSeconds", s.Batching.TumblingWindowSeconds != nil},
		{"topics", len(source.Topics) > 0},
		{"queues", len(source.Queues) > 0},
		{"sourceAccessConfigurations", len(s.Access) > 0},
		{"functionResponseTypes", len(s.Batching.ResponseTypes) > 0},
		{"amazonManagedKafkaEventSourceConfig", s.Managed != nil},
		{"selfManagedKafkaEventSourceConfig", s.SelfManaged != nil},
		{"documentDBEventSourceConfig", s.DocumentDB != nil},
		{"provisionedPollerConfig", s.Pollers != nil && *s.Pollers != (lambda.Pollers{})},
	} {
		if p.is {
			names = append(names, p.name)
		}
	}
	return names
}

// supports is the service's table of sources and their parameters.
func supports(kind lambda.SourceKind, parameter string) bool {
	queue, stream, kafka := kind == lambda.SourceSQS, kind.IsStream(), kind.IsKafka()
	switch parameter {
	case "parallelizationFactor", "tumblingWindowInSeconds":
		return stream
	case "maximumRetryAttempts", "maximumRecordAgeInSeconds", "bisectBatchOnFunctionError":
		return stream || kafka
	case "functionResponseTypes":
		return queue || stream || kafka
	case "destinationConfig", "startingPosition", "startingPositionTimestamp":
		return stream || kafka || kind == lambda.SourceDocumentDB
	case "scalingConfig":
		return queue
	case "provisionedPollerConfig":
		return queue || kafka
	case "topics":
		return kafka
	case "queues":
		return kind == lambda.SourceMQ
	case "sourceAccessConfigurations":
		return kafka || kind == lambda.SourceMQ || kind == lambda.SourceDocumentDB
	case "amazonManagedKafkaEventSourceConfig":
		return kind == lambda.SourceMSK
	case "selfManagedKafkaEventSourceConfig":
		return kind == lambda.SourceSelfManagedKafka
	default: // documentDBEventSourceConfig
		return kind == lambda.SourceDocumentDB
	}
}

// checkFixed refuses to change what a mapping is made with: from another consumer
// group a topic would be read anew.
func (s *MappingSettings) checkFixed(source *lambda.EventSource) error {
	for _, k := range []*lambda.KafkaConfig{s.Managed, s.SelfManaged} {
		if k != nil && k.ConsumerGroupID != "" && source.Kafka != nil && k.ConsumerGroupID != source.Kafka.ConsumerGroupID {
			return invalid("The ConsumerGroupId of an event source mapping cannot be changed.")
		}
	}
	return nil
}

// checkMapping holds a mapping, as it would be, against the rules.
func checkMapping(m *lambda.Mapping) error {
	for _, check := range []func(*lambda.Mapping) error{checkBatch, checkPollers, checkFilters, checkOnFailure} {
		if err := check(m); err != nil {
			return err
		}
	}
	if slices.Contains(m.Metrics, "KafkaMetrics") && !m.Source.Kind().IsKafka() {
		return unsupported("'metricsConfig'")
	}
	return nil
}

func checkBatch(m *lambda.Mapping) error {
	b := &m.Batching
	window := b.WindowSeconds != nil && *b.WindowSeconds > 0
	switch {
	case m.Source.FIFO() && window: // the text is from reports of users
		return invalid("Batching window is not supported for FIFO queues")
	case m.Source.FIFO() && *b.Size > unwindowedBatch:
		return invalid("Batch size must be less than or equal to %d for FIFO queues", unwindowedBatch)
	case m.Source.Kind() == lambda.SourceSQS && *b.Size > unwindowedBatch && !window:
		return invalid("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than %d", unwindowedBatch)
	case b.MaximumAgeSeconds != nil && *b.MaximumAgeSeconds >= 0 && *b.MaximumAgeSeconds < minRecordAge: // likewise
		return invalid("MaximumRecordAgeInSeconds must be either -1 (forever) or between 60 and 604800 (inclusive)")
	default:
		return nil
	}
}

func checkPollers(m *lambda.Mapping) error {
	p := m.Pollers
	switch {
	case p == nil:
		return nil
	case p.Minimum != nil && p.Maximum != nil && *p.Minimum > *p.Maximum:
		return invalid("MinimumPollers must be less than or equal to MaximumPollers.")
	case m.MaximumConcurrency != nil:
		return invalid("MaximumConcurrency and ProvisionedPollerConfig cannot be set at the same time.")
	default:
		return nil
	}
}

func checkFilters(m *lambda.Mapping) error {
	if len(m.Filters) > maxFilters {
		return invalid("An event source mapping can have at most %d filters.", maxFilters)
	}
	for _, pattern := range m.Filters {
		if filter.Check(pattern) != nil {
			return invalid("Invalid filter pattern definition.")
		}
	}
	return nil
}

// checkOnFailure refuses destinations of a kind that gets no invocation records.
func checkOnFailure(m *lambda.Mapping) error {
	if m.OnFailure == "" || strings.HasPrefix(m.OnFailure, "kafka://") && m.Source.Kind().IsKafka() {
		return nil
	}
	parts := strings.SplitN(m.OnFailure, ":", 6)
	if len(parts) == 6 && parts[5] != "" && slices.Contains([]string{"sqs", "sns", "s3"}, parts[2]) {
		return nil
	}
	return invalid("The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure(destination=%s)) is invalid.", m.OnFailure)
}

func invalid(format string, args ...any) error {
	return lambda.Errorf(lambda.CodeInvalidParameterValue, format, args...)
}

func unsupported(parameter string) error {
	return invalid("Unsupported %s parameter for given event source mapping type.", parameter)
}

func required(parameter string) error {
	return invalid("Required '%s' parameter is missing.", parameter)
}
