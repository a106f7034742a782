package control

import (
	"context"
	"time"

	"thaw/internal/lambda"
)

// PutFunctionConcurrency reserves a part of the account's concurrency for a
// function. 0 is a reservation too.
func (c *Control) PutFunctionConcurrency(ctx context.Context, ref lambda.Ref, reserved int) error {
	if err := c.resolve(ref); err != nil {
		return err
	}
	if ref.Qualifier != "" {
		return functionsOnly()
	}
	c.claiming.Lock()
	defer c.claiming.Unlock()
	missing := c.notFound(lambda.Ref{Name: ref.Name, Qualifier: lambda.Latest}) // as recorded
	_, err := c.changeConfigs(ctx, ref, missing, func(f *lambda.Function) error {
		before := f.Claim()
		f.Reserved = &reserved
		if reserved > before && c.unclaimed(f.Name)-reserved < c.minUnreserved() {
			return belowMinimum("ReservedConcurrentExecutions", c.minUnreserved())
		}
		if total := f.Configs.TotalProvisioned(); total > reserved {
			return untyped(" ReservedConcurrentExecutions  %d should not be lower than function's total provisioned concurrency [%d].", reserved, total)
		}
		return nil
	})
	return err
}

// GetFunctionConcurrency is a function's reservation; nil if there is none.
func (c *Control) GetFunctionConcurrency(_ context.Context, ref lambda.Ref) (*int, error) {
	f, err := c.unqualified(ref)
	if err != nil {
		return nil, err
	}
	return f.Reserved, nil
}

// DeleteFunctionConcurrency ends a function's reservation.
func (c *Control) DeleteFunctionConcurrency(ctx context.Context, ref lambda.Ref) error {
	f, err := c.unqualified(ref)
	if err != nil || f.Reserved == nil {
		return err
	}
	c.claiming.Lock()
	defer c.claiming.Unlock()
	_, err = c.change(ctx, ref, func(f *lambda.Function) error {
		f.Reserved = nil
		return nil
	})
	return err
}

// unclaimed is the account's concurrency without the claims of its functions; one
// of them, by name, is left out.
func (c *Control) unclaimed(without string) int {
	left := c.quotas.Concurrency
	for _, f := range c.catalog.List() {
		if f.Name != without {
			left -= f.Claim()
		}
	}
	return left
}

// minUnreserved is what reservations have to leave. An account with less has to
// leave all.
func (c *Control) minUnreserved() int {
	return min(lambda.MinUnreservedConcurrency, c.quotas.Concurrency)
}

func belowMinimum(member string, minimum int) error {
	return untyped("Specified %s for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", member, minimum)
}

// untyped is one of the refusals that have no Type member, as recorded.
func untyped(format string, args ...any) error {
	e := lambda.Errorf(lambda.CodeInvalidParameterValue, format, args...)
	e.Untyped = true
	return e
}

// ProvisionedView is a provisioned concurrency configuration as an operation
// shows it.
type ProvisionedView struct {
	lambda.ProvisionedConcurrency
	ARN string
	Provisioning
}

// Provisioning is how far a wish for provisioned concurrency is.
type Provisioning struct {
	// Allocated and Available count environments: made, and initialized.
	Allocated int
	Available int
	Status    string
	Reason    string // of the status, or empty
}

// provisioningInProgress is the status until all environments are ready.
const provisioningInProgress = "IN_PROGRESS"

// provisionedView shows a wish, and what has come of it.
func (c *Control) provisionedView(f *lambda.Function, p lambda.ProvisionedConcurrency) ProvisionedView {
	view := ProvisionedView{ProvisionedConcurrency: p, ARN: c.scope.FunctionARN(f.Name, p.Qualifier), Provisioning: Provisioning{Status: provisioningInProgress}}
	if c.provisioned != nil {
		view.Provisioning = c.provisioned(f, p.Qualifier)
	}
	return view
}

// shownProvisioned is provisionedView, but that a wish is shown as if nothing had
// come of it until it has been in progress for as long as changes are.
func (c *Control) shownProvisioned(f *lambda.Function, p lambda.ProvisionedConcurrency) ProvisionedView {
	view := c.provisionedView(f, p)
	if time.Since(p.LastModified) < c.settle {
		view.Provisioning = Provisioning{Status: provisioningInProgress}
	}
	return view
}

// PutProvisionedConcurrency wants environments of a published version, or of an
// alias's, to be ready.
func (c *Control) PutProvisionedConcurrency(ctx context.Context, ref lambda.Ref, requested int) (ProvisionedView, error) {
	if err := c.resolve(ref); err != nil {
		return ProvisionedView{}, err
	}
	if ref.Qualifier == lambda.Latest {
		return ProvisionedView{}, unpublished()
	}
	c.claiming.Lock()
	defer c.claiming.Unlock()
	p := lambda.ProvisionedConcurrency{Qualifier: ref.Qualifier, Requested: requested, LastModified: time.Now()}
	var before Provisioning
	f, err := c.changeConfigs(ctx, ref, c.provisionedNotFound(ref), func(f *lambda.Function) error {
		v, err := c.provisionedVersion(f, ref)
		if err != nil {
			return err
		}
		if err := c.checkProvisioned(f, p); err != nil {
			return err
		}
		before = c.provisionedView(f, p).Provisioning
		f.Configs.Provisioned = lambda.With(f.Configs.Provisioned, p)
		touch(v)
		return nil
	})
	if err != nil {
		return ProvisionedView{}, err
	}
	// The change begins, whatever has come of it meanwhile: as recorded.
	before.Status, before.Reason = provisioningInProgress, ""
	return ProvisionedView{ProvisionedConcurrency: p, ARN: c.scope.FunctionARN(f.Name, p.Qualifier), Provisioning: before}, nil
}

func unpublished() error {
	return lambda.Errorf(lambda.CodeInvalidParameterValue, "Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
}

// checkProvisioned holds a wish against the function's other ones and against what
// is left of the concurrency.
func (c *Control) checkProvisioned(f *lambda.Function, p lambda.ProvisionedConcurrency) error {
	if a := f.Alias(p.Qualifier); a != nil {
		if err := checkProvisionable(f, a); err != nil {
			return err
		}
	}
	for i := range f.Aliases {
		a := &f.Aliases[i]
		if _, provisioned := lambda.Find(f.Configs.Provisioned, a.Name); provisioned && a.Names(p.Qualifier) {
			return lambda.Errorf(lambda.CodeResourceConflict, "Version is pointed by a Provisioned Concurrency alias")
		}
	}
	others := lambda.Configs{Provisioned: lambda.Without(f.Configs.Provisioned, p.Qualifier)}
	if f.Reserved != nil {
		if others.TotalProvisioned()+p.Requested > *f.Reserved {
			return lambda.Errorf(lambda.CodeInvalidParameterValue,
				"Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function")
		}
		return nil
	}
	switch left := c.unclaimed(f.Name) - others.TotalProvisioned(); {
	case others.TotalProvisioned()+p.Requested <= f.Claim(): // takes no more than before
		return nil
	case p.Requested > left:
		return untyped("Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [%d].", left)
	case left-p.Requested < c.minUnreserved():
		return belowMinimum("ConcurrentExecutions", c.minUnreserved())
	default:
		return nil
	}
}

// checkProvisionable tells whether an alias may have provisioned concurrency where
// it leads: to published versions that have none of their own.
func checkProvisionable(f *lambda.Function, a *lambda.Alias) error {
	if a.Version == lambda.Latest {
		return unpublished()
	}
	for _, p := range f.Configs.Provisioned {
		if a.Names(p.Qualifier) {
			return lambda.Errorf(lambda.CodeResourceConflict,
				"Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
		}
	}
	return nil
}

// provisionedVersion is the version that a qualifier leads to.
func (c *Control) provisionedVersion(f *lambda.Function, ref lambda.Ref) (*lambda.Version, error) {
	if v := f.Resolve(ref.Qualifier); v != nil {
		return v, nil
	}
	return nil, c.provisionedNotFound(ref)
}

func (c *Control) provisionedNotFound(ref lambda.Ref) error {
	if isNumber(ref.Qualifier) {
		return c.notFound(ref)
	}
	return lambda.Errorf(lambda.CodeResourceNotFound, "Cannot find alias arn: %s", c.scope.FunctionARN(ref.Name, ref.Qualifier))
}

// provisionable is the function of a reference to a published version or an alias
// of it.
func (c *Control) provisionable(ref lambda.Ref) (*lambda.Function, error) {
	if err := c.resolve(ref); err != nil {
		return nil, err
	}
	if ref.Qualifier == lambda.Latest {
		return nil, lambda.Errorf(lambda.CodeInvalidParameterValue, "The function resource provided must be an alias or a published version.")
	}
	f, err := c.function(ref, c.provisionedNotFound(ref))
	if err != nil {
		return nil, err
	}
	_, err = c.provisionedVersion(f, ref)
	return f, err
}

// GetProvisionedConcurrency shows what is wanted for a version or an alias.
func (c *Control) GetProvisionedConcurrency(_ context.Context, ref lambda.Ref) (ProvisionedView, error) {
	f, err := c.provisionable(ref)
	if err != nil {
		return ProvisionedView{}, err
	}
	at, found := lambda.Find(f.Configs.Provisioned, ref.Qualifier)
	if !found {
		return ProvisionedView{}, lambda.Errorf(codeProvisionedNotFound, "No Provisioned Concurrency Config found for this function")
	}
	return c.shownProvisioned(f, f.Configs.Provisioned[at]), nil
}

// codeProvisionedNotFound is a modelled error of one operation.
const codeProvisionedNotFound = "ProvisionedConcurrencyConfigNotFoundException"

// DeleteProvisionedConcurrency ends what is wanted for a version or an alias, if
// anything is.
func (c *Control) DeleteProvisionedConcurrency(ctx context.Context, ref lambda.Ref) error {
	f, err := c.provisionable(ref)
	if err != nil {
		return err
	}
	if _, found := lambda.Find(f.Configs.Provisioned, ref.Qualifier); !found {
		return nil
	}
	c.claiming.Lock()
	defer c.claiming.Unlock()
	_, err = c.change(ctx, ref, func(f *lambda.Function) error {
		f.Configs.Provisioned = lambda.Without(f.Configs.Provisioned, ref.Qualifier)
		if v := f.Resolve(ref.Qualifier); v != nil {
			touch(v)
		}
		return nil
	})
	return err
}

// ListProvisionedConcurrency shows all that is wanted for a function.
func (c *Control) ListProvisionedConcurrency(_ context.Context, ref lambda.Ref, in PageInput) (views []ProvisionedView, next string, err error) {
	f, err := c.unqualified(ref)
	if err != nil {
		return nil, "", err
	}
	list, next, err := page(f.Configs.Provisioned, f.Name, in)
	for _, p := range list {
		views = append(views, c.shownProvisioned(f, p))
	}
	return views, next, err
}
