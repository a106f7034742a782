package control

import (
	"cmp"

	"thaw/internal/lambda"
)

// MappingSettings are what a caller wants of an event source mapping. Nil members
// leave what is.
type MappingSettings struct {
	Enabled  *bool
	Batching lambda.Batching
	// Filters, if not nil, replace those that are.
	Filters     *[]string
	Destination *Destination
	// Scaling has no bound in it if that is to be taken away, and Pollers no
	// member.
	Scaling   *Scaling
	Pollers   *lambda.Pollers
	KMSKeyARN *string
	Metrics   *[]string
	LogLevel  *string
	Access    []lambda.SourceAccess
	// Managed and SelfManaged are of the two kinds of Kafka.
	Managed, SelfManaged *lambda.KafkaConfig
	DocumentDB           *lambda.DocumentDBConfig
}

// Destination is where invocation records go; nil or empty is nowhere.
type Destination struct{ OnSuccess, OnFailure *string }

// Scaling bounds the concurrency of a mapping.
type Scaling struct{ MaximumConcurrency *int }

// setDefaults sets what a mapping has that nothing is said of, as recorded for
// each kind of source.
func setDefaults(m *lambda.Mapping) {
	b := &m.Batching
	b.Size = new(100)
	switch kind := m.Source.Kind(); {
	case kind == lambda.SourceSQS:
		b.Size, b.WindowSeconds, b.ResponseTypes = new(10), new(0), []string{}
	case kind.IsStream():
		*b = lambda.Batching{
			Size: new(100), WindowSeconds: new(0), Parallelization: new(1), TumblingWindowSeconds: new(0),
			MaximumAgeSeconds: new(-1), MaximumRetries: new(-1), Bisect: new(false), ResponseTypes: []string{},
		}
	case kind.IsKafka():
		m.Source.Kafka = &lambda.KafkaConfig{ConsumerGroupID: m.UUID}
		m.Source.Position = cmp.Or(m.Source.Position, "TRIM_HORIZON")
	}
}

// apply sets the settings. What they point to is the mapping's from then on.
func (s *MappingSettings) apply(m *lambda.Mapping) {
	set(&m.Enabled, s.Enabled)
	s.applyBatching(&m.Batching)
	set(&m.Filters, s.Filters)
	if s.Destination != nil {
		m.OnFailure = ""
		set(&m.OnFailure, s.Destination.OnFailure)
	}
	if s.Scaling != nil {
		m.MaximumConcurrency = s.Scaling.MaximumConcurrency
	}
	if s.Pollers != nil {
		m.Pollers = s.Pollers
		if *s.Pollers == (lambda.Pollers{}) {
			m.Pollers = nil
		}
	}
	set(&m.KMSKeyARN, s.KMSKeyARN)
	set(&m.Metrics, s.Metrics)
	set(&m.LogLevel, s.LogLevel)
	if s.Access != nil {
		m.Source.Access = s.Access
	}
	if s.DocumentDB != nil {
		m.Source.DocumentDB = s.DocumentDB
	}
	if k := cmp.Or(s.Managed, s.SelfManaged); k != nil {
		m.Source.Kafka = overKafka(*k, m.Source.Kafka)
	}
}

// overKafka is what is set, and what was where nothing is.
func overKafka(k lambda.KafkaConfig, was *lambda.KafkaConfig) *lambda.KafkaConfig {
	if was != nil {
		k.ConsumerGroupID = cmp.Or(k.ConsumerGroupID, was.ConsumerGroupID)
		k.ConsumptionMode = cmp.Or(k.ConsumptionMode, was.ConsumptionMode)
		k.Registry = cmp.Or(k.Registry, was.Registry)
	}
	return &k
}

func (s *MappingSettings) applyBatching(b *lambda.Batching) {
	b.Size = cmp.Or(s.Batching.Size, b.Size)
	b.WindowSeconds = cmp.Or(s.Batching.WindowSeconds, b.WindowSeconds)
	b.Parallelization = cmp.Or(s.Batching.Parallelization, b.Parallelization)
	b.TumblingWindowSeconds = cmp.Or(s.Batching.TumblingWindowSeconds, b.TumblingWindowSeconds)
	b.MaximumAgeSeconds = cmp.Or(s.Batching.MaximumAgeSeconds, b.MaximumAgeSeconds)
	b.MaximumRetries = cmp.Or(s.Batching.MaximumRetries, b.MaximumRetries)
	b.Bisect = cmp.Or(s.Batching.Bisect, b.Bisect)
	if s.Batching.ResponseTypes != nil {
		b.ResponseTypes = s.Batching.ResponseTypes
	}
}
