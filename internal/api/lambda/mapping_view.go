package lambda

import (
	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/control"
	"thaw/internal/lambda"
)

// Words that the service was recorded to say of mappings.
const (
	// byUser and byUserOfStream tell why a mapping is in its state.
	byUser         = "USER_INITIATED"
	byUserOfStream = "User action"
	// nothingProcessed is the result before there is one.
	nothingProcessed = "No records processed"
)

func shown(view control.MappingView, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return mappingConfiguration(&view), nil
}

func mappingConfiguration(view *control.MappingView) *model.EventSourceMappingConfiguration {
	b, kind := &view.Batching, view.Source.Kind()
	out := &model.EventSourceMappingConfiguration{
		UUID:                           &view.UUID,
		EventSourceMappingArn:          &view.ARN,
		FunctionArn:                    &view.FunctionARN,
		State:                          &view.State,
		StateTransitionReason:          new(byUser),
		LastModified:                   &view.LastModified,
		BatchSize:                      b.Size,
		MaximumBatchingWindowInSeconds: b.WindowSeconds,
		ParallelizationFactor:          b.Parallelization,
		TumblingWindowInSeconds:        b.TumblingWindowSeconds,
		MaximumRecordAgeInSeconds:      b.MaximumAgeSeconds,
		MaximumRetryAttempts:           b.MaximumRetries,
		BisectBatchOnFunctionError:     b.Bisect,
		FunctionResponseTypes:          b.ResponseTypes,
		KMSKeyArn:                      present(view.KMSKeyARN),
	}
	if kind.IsStream() {
		out.StateTransitionReason = new(byUserOfStream)
	}
	if kind != lambda.SourceSQS {
		out.LastProcessingResult = new(nothingProcessed)
	}
	if kind.IsStream() || view.OnFailure != "" {
		out.DestinationConfig = &model.DestinationConfig{OnFailure: &model.OnFailure{Destination: present(view.OnFailure)}}
	}
	showOptions(out, view)
	showSource(out, &view.Source)
	return out
}

// showOptions shows what a mapping has only if it is set.
func showOptions(out *model.EventSourceMappingConfiguration, view *control.MappingView) {
	if len(view.Filters) > 0 {
		out.FilterCriteria = new(model.FilterCriteria)
		for _, pattern := range view.Filters {
			out.FilterCriteria.Filters = append(out.FilterCriteria.Filters, model.Filter{Pattern: &pattern})
		}
	}
	if view.MaximumConcurrency != nil {
		out.ScalingConfig = &model.ScalingConfig{MaximumConcurrency: view.MaximumConcurrency}
	}
	if p := view.Pollers; p != nil {
		out.ProvisionedPollerConfig = &model.ProvisionedPollerConfig{
			MinimumPollers: p.Minimum, MaximumPollers: p.Maximum, PollerGroupName: present(p.Group)}
	}
	if len(view.Metrics) > 0 {
		out.MetricsConfig = &model.EventSourceMappingMetricsConfig{Metrics: view.Metrics}
	}
	if view.LogLevel != "" {
		out.LoggingConfig = &model.EventSourceMappingLoggingConfig{SystemLogLevel: &view.LogLevel}
	}
}

func showSource(out *model.EventSourceMappingConfiguration, s *lambda.EventSource) {
	out.EventSourceArn = present(s.ARN)
	out.StartingPosition = present(s.Position)
	out.StartingPositionTimestamp = s.PositionAt
	out.Topics, out.Queues = s.Topics, s.Queues
	if len(s.Endpoints) > 0 {
		out.SelfManagedEventSource = &model.SelfManagedEventSource{Endpoints: map[string][]string{bootstrapServers: s.Endpoints}}
	}
	for _, a := range s.Access {
		out.SourceAccessConfigurations = append(out.SourceAccessConfigurations, model.SourceAccessConfiguration{Type: &a.Type, URI: &a.URI})
	}
	if d := s.DocumentDB; d != nil {
		out.DocumentDBEventSourceConfig = &model.DocumentDBEventSourceConfig{
			DatabaseName: &d.Database, CollectionName: present(d.Collection), FullDocument: present(d.FullDocument)}
	}
	switch k := s.Kafka; {
	case k == nil:
	case s.Kind() == lambda.SourceMSK:
		out.AmazonManagedKafkaEventSourceConfig = &model.AmazonManagedKafkaEventSourceConfig{
			ConsumerGroupId: &k.ConsumerGroupID, SchemaRegistryConfig: showRegistry(k.Registry)}
	default:
		out.SelfManagedKafkaEventSourceConfig = &model.SelfManagedKafkaEventSourceConfig{
			ConsumerGroupId: &k.ConsumerGroupID, ConsumptionMode: present(k.ConsumptionMode), SchemaRegistryConfig: showRegistry(k.Registry)}
	}
}

func showRegistry(r *lambda.SchemaRegistry) *model.KafkaSchemaRegistryConfig {
	if r == nil {
		return nil
	}
	out := &model.KafkaSchemaRegistryConfig{SchemaRegistryURI: present(r.URI), EventRecordFormat: present(r.RecordFormat)}
	for _, a := range r.Access {
		out.AccessConfigs = append(out.AccessConfigs, model.KafkaSchemaRegistryAccessConfig{Type: present(a.Type), URI: present(a.URI)})
	}
	for _, attribute := range r.Validate {
		out.SchemaValidationConfigs = append(out.SchemaValidationConfigs, model.KafkaSchemaValidationConfig{Attribute: present(attribute)})
	}
	return out
}
