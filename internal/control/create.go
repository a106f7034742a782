package control

import (
	"context"
	"errors"
	"time"

	"thaw/internal/catalog"
	"thaw/internal/lambda"
	"thaw/internal/store"
)

// What a version shows while it is not ready yet.
const (
	creatingReason = "The function is being created."
	creatingCode   = "Creating"
)

// CreateFunctionInput is a new function.
type CreateFunctionInput struct {
	// Name is the bare name, or a partial or whole ARN.
	Name string
	Settings
	Zip []byte
	// Object is where the zip is, if it is not given.
	Object       lambda.S3Object
	Architecture string // empty means x86_64
	PackageType  string // empty means Zip
	// Publish makes version 1 of it at once.
	Publish bool
	Tags    map[string]string
	// SigningConfig is the ARN of a code signing configuration, or empty.
	SigningConfig string
}

// CreateFunction records a new function, to be activated in the background.
func (c *Control) CreateFunction(ctx context.Context, in CreateFunctionInput) (_ View, err error) {
	ref, ok := lambda.ParseRef(in.Name)
	if !ok {
		return View{}, c.notFound(lambda.Ref{Name: in.Name})
	}
	if err := c.resolveLatest(ref); err != nil {
		return View{}, err
	}
	layers := c.attachment()
	defer func() { layers.release(err) }()
	f, err := c.newFunction(ctx, layers, ref.Name, in)
	if err != nil {
		return View{}, err
	}
	if _, exists := c.catalog.Function(ref.Name); exists {
		return View{}, alreadyExists(ref.Name)
	}
	if in.SigningConfig != "" {
		if f.Configs.Signing, err = c.signingID(in.SigningConfig); err != nil {
			return View{}, err
		}
	}
	copies := 1
	if in.Publish {
		copies = 2
	}
	kept, release, err := c.keep(ctx, ref.Name, source{in.Zip, in.Object}, copies, 0)
	if err != nil {
		return View{}, err
	}
	defer func() { release(err) }()
	f.Latest.Code, f.Latest.Signed = kept.code, kept.signed
	if err := checkUnzipped(&f.Latest); err != nil {
		return View{}, err
	}
	if err := c.checkSigned(f, append(layerSignatures(f.Latest.Layers), kept.signed)...); err != nil {
		return View{}, err
	}
	if in.Publish {
		publish(f, nil)
	}
	if err := c.checkStorage(kept.code.Size*int64(copies), 0); err != nil {
		return View{}, err
	}
	record, err := c.putNew(ctx, f)
	switch {
	case errors.Is(err, store.ErrConflict):
		return View{}, alreadyExists(ref.Name)
	case errors.Is(err, store.ErrTooLarge):
		return View{}, tooLarge(ref.Name)
	case err != nil:
		return View{}, err
	}
	c.activation.add(ref.Name)
	if in.Publish { // the ARN is unqualified all the same, as recorded
		return c.view(record.Function, record.Function.Version("1"), ""), nil
	}
	return c.view(record.Function, &record.Function.Latest, ""), nil
}

// putNew stores a new function, whose code signing configuration must still be
// there.
func (c *Control) putNew(ctx context.Context, f *lambda.Function) (catalog.Record, error) {
	if f.Configs.Signing != "" {
		c.signing.Lock()
		defer c.signing.Unlock()
		if _, err := c.signingID(c.scope.SigningConfigARN(f.Configs.Signing)); err != nil {
			return catalog.Record{}, err
		}
	}
	return c.catalog.PutFunction(ctx, f, 0)
}

func alreadyExists(name string) error {
	return lambda.Errorf(lambda.CodeResourceConflict, "Function already exist: %s", name)
}

// newFunction is the function that the input describes, without its code.
func (c *Control) newFunction(ctx context.Context, layers *attachment, name string, in CreateFunctionInput) (*lambda.Function, error) {
	if len(name) > lambda.MaxFunctionName {
		// The service itself says so, not its front end: hence not a ValidationException.
		return nil, &lambda.Error{
			Code:    lambda.CodeInvalidParameterValue,
			Message: faults{tooLong(name, "functionName", lambda.MaxFunctionName)}.message(),
		}
	}
	if in.PackageType != "" && in.PackageType != "Zip" {
		return nil, lambda.Errorf(lambda.CodeInvalidParameterValue, "PackageType %s is not supported by this server.", in.PackageType)
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	now := time.Now()
	f := &lambda.Function{
		Name:      name,
		CreatedAt: now,
		Tags:      in.Tags,
		Latest: lambda.Version{
			Number: lambda.Latest,
			Resources: lambda.Resources{
				Architecture:       in.Architecture,
				MemoryMB:           lambda.DefaultMemoryMB,
				Timeout:            lambda.DefaultTimeout,
				EphemeralStorageMB: lambda.DefaultEphemeralStorageMB,
			},
			Tracing:      "PassThrough",
			Status:       pending(),
			LastModified: now,
		},
	}
	if f.Latest.Resources.Architecture == "" {
		f.Latest.Resources.Architecture = "x86_64"
	}
	touch(&f.Latest)
	if err := in.Settings.apply(ctx, layers, name, &f.Latest); err != nil {
		return nil, err
	}
	return f, checkMandatory(&f.Latest)
}

// checkMandatory is for functions with a zip.
func checkMandatory(v *lambda.Version) error {
	if v.Runtime == "" || v.Handler == "" {
		return lambda.Errorf(lambda.CodeInvalidParameterValue,
			"Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	return nil
}

func pending() lambda.Status {
	return lambda.Status{State: lambda.StatePending, StateReason: creatingReason, StateReasonCode: creatingCode}
}
