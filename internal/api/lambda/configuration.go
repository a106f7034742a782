package lambda

import (
	"fmt"
	"time"

	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/control"
	"thaw/internal/lambda"
)

// lastModified is how FunctionConfiguration writes a time.
const lastModified = "2006-01-02T15:04:05.000-0700"

// recorded are the members that are kept and shown but not applied yet. Members
// that promise safety, or name what cannot exist here, are refused instead: see
// checkPromises.
func recorded() []string {
	return []string{
		"DeadLetterConfig", "DurableConfig", "FileSystemConfigs", "ImageConfig", "KMSKeyArn", "SnapStart", "VpcConfig",
	}
}

func (h *Handler) createSettings(in *model.CreateFunctionRequest) control.Settings {
	s := control.Settings{
		Description: in.Description, Role: in.Role, Runtime: in.Runtime, Handler: in.Handler,
		MemoryMB: in.MemorySize, TimeoutSeconds: in.Timeout,
		Recorded: h.codec.MarshalMembers(model.ShapeCreateFunctionRequest, in, recorded()),
	}
	structured(&s, in.Environment, in.EphemeralStorage, in.LoggingConfig, in.TracingConfig, in.Layers)
	return s
}

func (h *Handler) updateSettings(in *model.UpdateFunctionConfigurationRequest) control.Settings {
	s := control.Settings{
		Description: in.Description, Role: in.Role, Runtime: in.Runtime, Handler: in.Handler,
		MemoryMB: in.MemorySize, TimeoutSeconds: in.Timeout,
		Recorded: h.codec.MarshalMembers(model.ShapeUpdateFunctionConfigurationRequest, in, recorded()),
	}
	structured(&s, in.Environment, in.EphemeralStorage, in.LoggingConfig, in.TracingConfig, in.Layers)
	return s
}

func structured(s *control.Settings, env *model.Environment, storage *model.EphemeralStorage,
	logging *model.LoggingConfig, tracing *model.TracingConfig, layers []string) {
	if env != nil {
		variables := env.Variables
		if variables == nil {
			variables = map[string]string{}
		}
		s.Environment = &variables
	}
	if storage != nil {
		s.EphemeralStorageMB = storage.Size
	}
	if logging != nil {
		s.Logging = &lambda.Logging{Format: text(logging.LogFormat), Group: text(logging.LogGroup),
			ApplicationLevel: text(logging.ApplicationLogLevel), SystemLevel: text(logging.SystemLogLevel)}
	}
	if tracing != nil {
		s.Tracing = tracing.Mode
	}
	if layers != nil {
		s.Layers = &layers
	}
}

// configuration shows a version. Which members appear follows recorded answers:
// most are there whenever they have a value.
func (h *Handler) configuration(view control.View) (*model.FunctionConfiguration, error) {
	v := view.Version
	memory, timeout, storage := v.Resources.MemoryMB, int(v.Resources.Timeout/time.Second), v.Resources.EphemeralStorageMB
	c := &model.FunctionConfiguration{
		FunctionName:     &view.Function.Name,
		FunctionArn:      &view.ARN,
		Version:          &v.Number,
		Description:      &v.Description,
		Role:             &v.Role,
		Runtime:          present(v.Runtime),
		Handler:          present(v.Handler),
		Architectures:    []string{v.Resources.Architecture},
		MemorySize:       &memory,
		Timeout:          &timeout,
		EphemeralStorage: &model.EphemeralStorage{Size: &storage},
		PackageType:      new("Zip"),
		CodeSha256:       &v.Code.SHA256,
		CodeSize:         &v.Code.Size,
		TracingConfig:    &model.TracingConfigResponse{Mode: &v.Tracing},
		LoggingConfig:    loggingConfig(v.Logging),
		SnapStart:        &model.SnapStartResponse{ApplyOn: new("None"), OptimizationStatus: new("Off")},
		RevisionId:       &v.RevisionID,
		LastModified:     new(v.LastModified.UTC().Format(lastModified)),
	}
	if v.Environment != nil {
		c.Environment = &model.EnvironmentResponse{Variables: v.Environment}
	}
	c.SigningProfileVersionArn, c.SigningJobArn = h.signedBy(v.Signed)
	for i := range v.Layers {
		layer := model.Layer{Arn: &v.Layers[i].ARN, CodeSize: &v.Layers[i].Code.Size}
		layer.SigningProfileVersionArn, layer.SigningJobArn = h.signedBy(v.Layers[i].Signed)
		c.Layers = append(c.Layers, layer)
	}
	if view.RuntimeVersionARN != "" {
		c.RuntimeVersionConfig = &model.RuntimeVersionConfig{RuntimeVersionArn: &view.RuntimeVersionARN}
	}
	showStatus(c, v.Status)
	if err := h.showRecorded(c, v.Recorded); err != nil {
		return nil, fmt.Errorf("show function %q: %w", view.Function.Name, err)
	}
	return c, nil
}

func loggingConfig(l lambda.Logging) *model.LoggingConfig {
	return &model.LoggingConfig{LogFormat: &l.Format, LogGroup: &l.Group,
		ApplicationLogLevel: present(l.ApplicationLevel), SystemLogLevel: present(l.SystemLevel)}
}

func showStatus(c *model.FunctionConfiguration, s lambda.Status) {
	c.State, c.StateReason, c.StateReasonCode = present(s.State), present(s.StateReason), present(s.StateReasonCode)
	c.LastUpdateStatus, c.LastUpdateStatusReason = present(s.Update), present(s.UpdateReason)
	c.LastUpdateStatusReasonCode = present(s.UpdateReasonCode)
}

// listed takes away what lists do not show, as recorded.
func listed(c *model.FunctionConfiguration) *model.FunctionConfiguration {
	showStatus(c, lambda.Status{})
	c.RuntimeVersionConfig = nil
	return c
}

// showRecorded shows the members that were kept. Some have another shape in
// answers, with members that the service adds.
func (h *Handler) showRecorded(c *model.FunctionConfiguration, kept map[string][]byte) error {
	read := func(member string, shape awsapi.ShapeID, into any) error {
		raw := kept[member]
		if len(raw) == 0 {
			return nil
		}
		if err := h.codec.Unmarshal(shape, raw, into); err != nil {
			return fmt.Errorf("member %s: %w", member, err)
		}
		return nil
	}
	var vpc model.VpcConfigResponse
	var image model.ImageConfig
	var dead model.DeadLetterConfig
	var durable model.DurableConfig
	var key string
	for _, m := range []struct {
		name  string
		shape awsapi.ShapeID
		into  any
	}{
		{"VpcConfig", model.ShapeVpcConfigResponse, &vpc},
		{"ImageConfig", model.ShapeImageConfig, &image},
		{"DeadLetterConfig", model.ShapeDeadLetterConfig, &dead},
		{"DurableConfig", model.ShapeDurableConfig, &durable},
		{"KMSKeyArn", model.ShapeKMSKeyArn, &key},
		{"SnapStart", model.ShapeSnapStartResponse, c.SnapStart},
		{"FileSystemConfigs", model.ShapeFileSystemConfigList, &c.FileSystemConfigs},
	} {
		if err := read(m.name, m.shape, m.into); err != nil {
			return err
		}
	}
	if kept["VpcConfig"] != nil {
		c.VpcConfig = completeVPC(&vpc)
	}
	if image.Command != nil || image.EntryPoint != nil || image.WorkingDirectory != nil {
		c.ImageConfigResponse = &model.ImageConfigResponse{ImageConfig: &image}
	}
	if text(dead.TargetArn) != "" {
		c.DeadLetterConfig = &dead
	}
	c.KMSKeyArn = present(key)
	if kept["DurableConfig"] != nil {
		c.DurableConfig = &durable
	}
	return nil
}

// completeVPC adds what the service always shows. There is no VPC to name.
func completeVPC(vpc *model.VpcConfigResponse) *model.VpcConfigResponse {
	if vpc.SubnetIds == nil {
		vpc.SubnetIds = []string{}
	}
	if vpc.SecurityGroupIds == nil {
		vpc.SecurityGroupIds = []string{}
	}
	if vpc.Ipv6AllowedForDualStack == nil {
		vpc.Ipv6AllowedForDualStack = new(false)
	}
	vpc.VpcId = new("")
	return vpc
}

// present is nil for the empty string.
func present(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
