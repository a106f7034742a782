package lambda

import (
	"context"

	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/control"
	"thaw/internal/lambda"
)

// Mappings shows and changes event source mappings. Package control implements it.
type Mappings interface {
	CreateMapping(ctx context.Context, in control.CreateMappingInput) (control.MappingView, error)
	GetMapping(ctx context.Context, uuid string) (control.MappingView, error)
	UpdateMapping(ctx context.Context, uuid string, ref *lambda.Ref, s control.MappingSettings) (control.MappingView, error)
	DeleteMapping(ctx context.Context, uuid string) (control.MappingView, error)
	ListMappings(ctx context.Context, in control.ListMappingsInput) (views []control.MappingView, next string, err error)
}

// bootstrapServers is the one kind of endpoints that there is.
const bootstrapServers = "KAFKA_BOOTSTRAP_SERVERS"

func (h *Handler) mappingOperations() map[string]operation {
	return map[string]operation{
		model.OpCreateEventSourceMapping: h.createMapping,
		model.OpGetEventSourceMapping:    h.getMapping,
		model.OpUpdateEventSourceMapping: h.updateMapping,
		model.OpDeleteEventSourceMapping: h.deleteMapping,
		model.OpListEventSourceMappings:  h.listMappings,
	}
}

func (h *Handler) createMapping(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.CreateEventSourceMappingRequest)
	ref, err := h.ref(c.op, *in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	source := lambda.EventSource{
		ARN: text(in.EventSourceArn), Topics: in.Topics, Queues: in.Queues,
		Position: text(in.StartingPosition), PositionAt: in.StartingPositionTimestamp,
	}
	if in.SelfManagedEventSource != nil {
		source.Endpoints = in.SelfManagedEventSource.Endpoints[bootstrapServers]
	}
	// What may be set later has the same members in both requests.
	settings := mappingSettings(&model.UpdateEventSourceMappingRequest{
		Enabled: in.Enabled, BatchSize: in.BatchSize, FilterCriteria: in.FilterCriteria, KMSKeyArn: in.KMSKeyArn,
		MetricsConfig: in.MetricsConfig, LoggingConfig: in.LoggingConfig, ScalingConfig: in.ScalingConfig,
		MaximumBatchingWindowInSeconds: in.MaximumBatchingWindowInSeconds, ParallelizationFactor: in.ParallelizationFactor,
		DestinationConfig: in.DestinationConfig, MaximumRecordAgeInSeconds: in.MaximumRecordAgeInSeconds,
		BisectBatchOnFunctionError: in.BisectBatchOnFunctionError, MaximumRetryAttempts: in.MaximumRetryAttempts,
		TumblingWindowInSeconds: in.TumblingWindowInSeconds, SourceAccessConfigurations: in.SourceAccessConfigurations,
		FunctionResponseTypes:               in.FunctionResponseTypes,
		AmazonManagedKafkaEventSourceConfig: in.AmazonManagedKafkaEventSourceConfig,
		SelfManagedKafkaEventSourceConfig:   in.SelfManagedKafkaEventSourceConfig,
		DocumentDBEventSourceConfig:         in.DocumentDBEventSourceConfig,
		ProvisionedPollerConfig:             in.ProvisionedPollerConfig,
	})
	return shown(h.control.CreateMapping(ctx, control.CreateMappingInput{
		Function: ref, Source: source, Tags: in.Tags, MappingSettings: settings}))
}

func (h *Handler) getMapping(ctx context.Context, c *call) (any, error) {
	return shown(h.control.GetMapping(ctx, *c.input.(*model.GetEventSourceMappingRequest).UUID))
}

func (h *Handler) updateMapping(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.UpdateEventSourceMappingRequest)
	var target *lambda.Ref
	if in.FunctionName != nil {
		ref, err := h.ref(c.op, *in.FunctionName, "")
		if err != nil {
			return nil, err
		}
		target = &ref
	}
	return shown(h.control.UpdateMapping(ctx, *in.UUID, target, mappingSettings(in)))
}

func (h *Handler) deleteMapping(ctx context.Context, c *call) (any, error) {
	return shown(h.control.DeleteMapping(ctx, *c.input.(*model.DeleteEventSourceMappingRequest).UUID))
}

func (h *Handler) listMappings(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.ListEventSourceMappingsRequest)
	page := control.ListMappingsInput{Marker: text(in.Marker), SourceARN: text(in.EventSourceArn)}
	if in.MaxItems != nil {
		page.Max = *in.MaxItems
	}
	if in.FunctionName != nil {
		ref, err := h.ref(c.op, *in.FunctionName, "")
		if err != nil {
			return nil, err
		}
		page.Function = &ref
	}
	views, next, err := h.control.ListMappings(ctx, page)
	if err != nil {
		return nil, err
	}
	out := &model.ListEventSourceMappingsResponse{
		EventSourceMappings: make([]model.EventSourceMappingConfiguration, 0, len(views)), NextMarker: present(next)}
	for i := range views {
		out.EventSourceMappings = append(out.EventSourceMappings, *mappingConfiguration(&views[i]))
	}
	return out, nil
}

func mappingSettings(in *model.UpdateEventSourceMappingRequest) control.MappingSettings {
	s := control.MappingSettings{
		Enabled: in.Enabled,
		Batching: lambda.Batching{
			Size: in.BatchSize, WindowSeconds: in.MaximumBatchingWindowInSeconds, Parallelization: in.ParallelizationFactor,
			TumblingWindowSeconds: in.TumblingWindowInSeconds, MaximumAgeSeconds: in.MaximumRecordAgeInSeconds,
			MaximumRetries: in.MaximumRetryAttempts, Bisect: in.BisectBatchOnFunctionError, ResponseTypes: in.FunctionResponseTypes,
		},
		KMSKeyARN: in.KMSKeyArn,
		Scaling:   (*control.Scaling)(in.ScalingConfig),
		Access:    sourceAccess(in.SourceAccessConfigurations),
	}
	if in.FilterCriteria != nil {
		patterns := []string{}
		for _, f := range in.FilterCriteria.Filters {
			patterns = append(patterns, text(f.Pattern))
		}
		s.Filters = &patterns
	}
	if d := in.DestinationConfig; d != nil {
		s.Destination = new(control.Destination)
		if d.OnSuccess != nil {
			s.Destination.OnSuccess = new(text(d.OnSuccess.Destination))
		}
		if d.OnFailure != nil {
			s.Destination.OnFailure = d.OnFailure.Destination
		}
	}
	if in.MetricsConfig != nil {
		s.Metrics = &in.MetricsConfig.Metrics
	}
	if in.LoggingConfig != nil {
		s.LogLevel = new(text(in.LoggingConfig.SystemLogLevel))
	}
	if p := in.ProvisionedPollerConfig; p != nil {
		s.Pollers = &lambda.Pollers{Minimum: p.MinimumPollers, Maximum: p.MaximumPollers, Group: text(p.PollerGroupName)}
	}
	kindSettings(&s, in)
	return s
}

// kindSettings are those of one kind of source each.
func kindSettings(s *control.MappingSettings, in *model.UpdateEventSourceMappingRequest) {
	if k := in.AmazonManagedKafkaEventSourceConfig; k != nil {
		s.Managed = &lambda.KafkaConfig{ConsumerGroupID: text(k.ConsumerGroupId), Registry: schemaRegistry(k.SchemaRegistryConfig)}
	}
	if k := in.SelfManagedKafkaEventSourceConfig; k != nil {
		s.SelfManaged = &lambda.KafkaConfig{ConsumerGroupID: text(k.ConsumerGroupId), ConsumptionMode: text(k.ConsumptionMode),
			Registry: schemaRegistry(k.SchemaRegistryConfig)}
	}
	if d := in.DocumentDBEventSourceConfig; d != nil {
		s.DocumentDB = &lambda.DocumentDBConfig{Database: text(d.DatabaseName), Collection: text(d.CollectionName), FullDocument: text(d.FullDocument)}
	}
}

func sourceAccess(list []model.SourceAccessConfiguration) []lambda.SourceAccess {
	if list == nil {
		return nil
	}
	out := make([]lambda.SourceAccess, 0, len(list))
	for _, a := range list {
		out = append(out, lambda.SourceAccess{Type: text(a.Type), URI: text(a.URI)})
	}
	return out
}

func schemaRegistry(c *model.KafkaSchemaRegistryConfig) *lambda.SchemaRegistry {
	if c == nil {
		return nil
	}
	r := &lambda.SchemaRegistry{URI: text(c.SchemaRegistryURI), RecordFormat: text(c.EventRecordFormat)}
	for _, a := range c.AccessConfigs {
		r.Access = append(r.Access, lambda.SourceAccess{Type: text(a.Type), URI: text(a.URI)})
	}
	for _, v := range c.SchemaValidationConfigs {
		r.Validate = append(r.Validate, text(v.Attribute))
	}
	return r
}
