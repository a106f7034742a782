package control

import (
	"context"

	"thaw/internal/lambda"
)

// PutRecursion sets what becomes of a function that calls itself in a loop:
// "Allow" or "Terminate".
func (c *Control) PutRecursion(ctx context.Context, ref lambda.Ref, loop string) error {
	_, err := c.changeConfigs(ctx, ref, c.notFound(ref), func(f *lambda.Function) error {
		f.Configs.RecursiveLoop = loop
		return nil
	})
	return err
}

// GetRecursion is what becomes of a function that calls itself in a loop.
func (c *Control) GetRecursion(_ context.Context, ref lambda.Ref) (string, error) {
	f, err := c.function(ref, c.notFound(ref))
	switch {
	case err != nil:
		return "", err
	case f.Configs.RecursiveLoop == "":
		return lambda.RecursiveLoopTerminate, nil
	default:
		return f.Configs.RecursiveLoop, nil
	}
}

// RuntimeManagementView is a runtime management configuration as an operation
// shows it.
type RuntimeManagementView struct {
	lambda.RuntimeManagement
	ARN string
}

// PutRuntimeManagement sets when a version gets another version of its runtime.
func (c *Control) PutRuntimeManagement(ctx context.Context, ref lambda.Ref, updateOn, versionARN string) (RuntimeManagementView, error) {
	m := lambda.RuntimeManagement{Qualifier: latestUnless(ref.Qualifier), UpdateOn: updateOn, VersionARN: versionARN}
	_, err := c.changeConfigs(ctx, ref, c.notFound(ref), func(f *lambda.Function) error {
		v := f.Version(ref.Qualifier)
		if v == nil {
			return c.notFound(ref)
		}
		if err := c.checkRuntimeVersion(v.Runtime, m); err != nil {
			return err
		}
		f.Configs.Runtimes = lambda.With(f.Configs.Runtimes, m)
		return nil
	})
	if err != nil {
		return RuntimeManagementView{}, err
	}
	return RuntimeManagementView{RuntimeManagement: m, ARN: c.scope.FunctionARN(ref.Name, ref.Qualifier)}, nil
}

// checkRuntimeVersion tells whether a version of a runtime can be kept: there is
// one of each. The texts are this server's.
func (c *Control) checkRuntimeVersion(runtime string, m lambda.RuntimeManagement) error {
	switch manual := m.UpdateOn == lambda.UpdateRuntimeManual; {
	case manual && m.VersionARN == "":
		return lambda.Errorf(lambda.CodeInvalidParameterValue, "RuntimeVersionArn is required when UpdateRuntimeOn is Manual.")
	case !manual && m.VersionARN != "":
		return lambda.Errorf(lambda.CodeInvalidParameterValue, "RuntimeVersionArn is for UpdateRuntimeOn Manual only.")
	case manual && m.VersionARN != c.versionARN(runtime):
		return lambda.Errorf(lambda.CodeInvalidParameterValue,
			"Runtime version %s is not available on this server. It has %s for the runtime %s.", m.VersionARN, c.versionARN(runtime), runtime)
	default:
		return nil
	}
}

// GetRuntimeManagement is when a version gets another version of its runtime.
func (c *Control) GetRuntimeManagement(_ context.Context, ref lambda.Ref) (RuntimeManagementView, error) {
	f, err := c.function(ref, c.notFound(ref))
	if err != nil {
		return RuntimeManagementView{}, err
	}
	if f.Version(ref.Qualifier) == nil {
		return RuntimeManagementView{}, c.notFound(ref)
	}
	m := lambda.RuntimeManagement{UpdateOn: lambda.UpdateRuntimeAuto}
	if at, found := lambda.Find(f.Configs.Runtimes, latestUnless(ref.Qualifier)); found {
		m = f.Configs.Runtimes[at]
	}
	return RuntimeManagementView{RuntimeManagement: m, ARN: c.scope.FunctionARN(f.Name, ref.Qualifier)}, nil
}

// ScalingView is a scaling configuration as an operation shows it. It is a wish:
// nothing is applied of it yet.
type ScalingView struct {
	Requested *lambda.ScalingConfig // nil if nothing is wanted
	ARN       string
}

// PutScaling bounds the environments of a version; nil bounds take the
// configuration away. It returns the version's state.
func (c *Control) PutScaling(ctx context.Context, ref lambda.Ref, low, high *int) (state string, err error) {
	if low != nil && high != nil && *low > *high {
		return "", lambda.Errorf(lambda.CodeInvalidParameterValue,
			"MinExecutionEnvironments (%d) must not be greater than MaxExecutionEnvironments (%d).", *low, *high)
	}
	_, err = c.changeConfigs(ctx, ref, c.notFound(ref), func(f *lambda.Function) error {
		v := f.Version(ref.Qualifier)
		if v == nil {
			return c.notFound(ref)
		}
		state = v.Status.State
		if low == nil && high == nil {
			f.Configs.Scaling = lambda.Without(f.Configs.Scaling, ref.Qualifier)
			return nil
		}
		f.Configs.Scaling = lambda.With(f.Configs.Scaling, lambda.ScalingConfig{Qualifier: ref.Qualifier, Min: low, Max: high})
		return nil
	})
	return state, err
}

// GetScaling shows what bounds are wanted for a version.
func (c *Control) GetScaling(_ context.Context, ref lambda.Ref) (ScalingView, error) {
	f, err := c.function(ref, c.notFound(ref))
	if err != nil {
		return ScalingView{}, err
	}
	if f.Version(ref.Qualifier) == nil {
		return ScalingView{}, c.notFound(ref)
	}
	view := ScalingView{ARN: c.scope.FunctionARN(f.Name, ref.Qualifier)}
	if at, found := lambda.Find(f.Configs.Scaling, ref.Qualifier); found {
		view.Requested = new(f.Configs.Scaling[at])
	}
	return view, nil
}
