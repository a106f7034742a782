package control

import (
	"context"
	"maps"
	"slices"
	"strings"

	"thaw/internal/lambda"
)

// AliasView is an alias as an operation shows it.
type AliasView struct {
	lambda.Alias
	ARN string
}

// AliasSettings are what a caller wants of an alias; nil leaves a member as it
// is, or empty when the alias is new.
type AliasSettings struct {
	Version     *string
	Description *string
	// Weights are the additional versions with their shares, from 0 to 1; an empty
	// map takes them away.
	Weights *map[string]float64
}

// CreateAlias names a version.
func (c *Control) CreateAlias(ctx context.Context, ref lambda.Ref, name string, s AliasSettings) (AliasView, error) {
	return c.changeAlias(ctx, ref, name, s, func(f *lambda.Function) error {
		if f.Alias(name) != nil {
			return lambda.Errorf(lambda.CodeResourceConflict, "Alias already exists: %s", c.scope.FunctionARN(f.Name, name))
		}
		at, _ := slices.BinarySearchFunc(f.Aliases, name, byName)
		f.Aliases = slices.Insert(f.Aliases, at, lambda.Alias{Name: name})
		return nil
	})
}

// UpdateAlias changes an alias. A revisionID, if set, has to be the current one.
func (c *Control) UpdateAlias(ctx context.Context, ref lambda.Ref, name string, s AliasSettings, revisionID string) (AliasView, error) {
	return c.changeAlias(ctx, ref, name, s, func(f *lambda.Function) error {
		a := f.Alias(name)
		if a == nil {
			return lambda.Errorf(lambda.CodeResourceNotFound, "Alias not found: %s", c.scope.FunctionARN(f.Name, name))
		}
		if revisionID != "" && revisionID != a.RevisionID {
			return staleRevision()
		}
		return nil
	})
}

// changeAlias sets what is wanted of an alias that prepare has found or made in
// the function's copy.
func (c *Control) changeAlias(ctx context.Context, ref lambda.Ref, name string, s AliasSettings,
	prepare func(*lambda.Function) error) (AliasView, error) {
	if err := c.resolveLatest(ref); err != nil {
		return AliasView{}, err
	}
	if _, ok := c.catalog.Function(ref.Name); !ok {
		if s.Version != nil { // recorded: the version is what is missing
			ref.Qualifier = *s.Version
		}
		return AliasView{}, c.notFound(ref)
	}
	f, err := c.change(ctx, ref, func(f *lambda.Function) error {
		f.Aliases = slices.Clone(f.Aliases)
		if err := prepare(f); err != nil {
			return err
		}
		a := f.Alias(name)
		if err := s.apply(a); err != nil {
			return err
		}
		a.RevisionID = lambda.NewUUID()
		if err := c.checkRoute(f, a); err != nil {
			return err
		}
		if _, provisioned := lambda.Find(f.Configs.Provisioned, name); provisioned {
			return checkProvisionable(f, a)
		}
		return nil
	})
	if err != nil {
		return AliasView{}, err
	}
	return c.aliasView(f, f.Alias(name)), nil
}

// apply sets the settings.
func (s *AliasSettings) apply(a *lambda.Alias) error {
	set(&a.Version, s.Version)
	set(&a.Description, s.Description)
	if s.Weights == nil {
		return nil
	}
	if len(*s.Weights) > 1 {
		return lambda.Errorf(lambda.CodeInvalidParameterValue, "Number of items in AdditionalVersionWeights cannot be greater than 1")
	}
	a.Additional = nil
	for number := range maps.Keys(*s.Weights) {
		a.Additional = &lambda.WeightedVersion{Number: number, Weight: (*s.Weights)[number]}
	}
	return nil
}

// checkRoute holds what an alias leads to against the function's versions.
func (c *Control) checkRoute(f *lambda.Function, a *lambda.Alias) error {
	if f.Version(a.Version) == nil {
		return c.notFound(lambda.Ref{Name: f.Name, Qualifier: a.Version})
	}
	switch other := a.Additional; {
	case other == nil:
		return nil
	case a.Version == lambda.Latest:
		return &lambda.Error{Code: lambda.CodeInvalidParameterValue, Untyped: true,
			Message: "$LATEST is not supported for an alias pointing to more than 1 version"}
	case other.Number == a.Version:
		return lambda.Errorf(lambda.CodeInvalidParameterValue,
			"Invalid function version %[1]s. Function version %[1]s is already included in routing configuration.", a.Version)
	case f.Version(other.Number) == nil:
		return c.notFound(lambda.Ref{Name: f.Name, Qualifier: other.Number})
	default:
		return nil
	}
}

// GetAlias shows an alias.
func (c *Control) GetAlias(_ context.Context, ref lambda.Ref, name string) (AliasView, error) {
	f, err := c.unqualified(ref)
	if err != nil {
		return AliasView{}, err
	}
	a := f.Alias(name)
	if a == nil {
		return AliasView{}, lambda.Errorf(lambda.CodeResourceNotFound, "Cannot find alias arn: %s", c.scope.FunctionARN(f.Name, name))
	}
	return c.aliasView(f, a), nil
}

// ListAliasesInput asks for one page.
type ListAliasesInput struct {
	Marker string // of the page before; empty for the first
	Max    int    // at most 50 are given; 0 means that
	// Version, if set, lists those that lead to it first.
	Version string
}

// ListAliases shows a function's aliases sorted by name. next is empty on the
// last page.
func (c *Control) ListAliases(_ context.Context, ref lambda.Ref, in ListAliasesInput) (views []AliasView, next string, err error) {
	f, err := c.unqualified(ref)
	if err != nil {
		return nil, "", err
	}
	after, err := decodeMarker(in.Marker)
	if err != nil {
		return nil, "", err
	}
	start, found := slices.BinarySearchFunc(f.Aliases, after.version, byName)
	if found {
		start++
	}
	limit := ListInput{Max: in.Max}.limit()
	for i := start; i < len(f.Aliases); i++ {
		if in.Version != "" && f.Aliases[i].Version != in.Version {
			continue
		}
		if len(views) == limit {
			return views, marker{f.Name, views[limit-1].Name}.encode(), nil
		}
		views = append(views, c.aliasView(f, &f.Aliases[i]))
	}
	return views, "", nil
}

// DeleteAlias deletes an alias. One that is not there is no error, for a function
// that is.
func (c *Control) DeleteAlias(ctx context.Context, ref lambda.Ref, name string) error {
	f, err := c.unqualified(ref)
	if err != nil || f.Alias(name) == nil {
		return err
	}
	_, err = c.change(ctx, ref, func(f *lambda.Function) error {
		f.Aliases = slices.DeleteFunc(slices.Clone(f.Aliases), func(a lambda.Alias) bool { return a.Name == name })
		f.Configs.Drop(name)
		return nil
	})
	return err
}

// unqualified is the function that a reference names, which must not name a
// version of it.
func (c *Control) unqualified(ref lambda.Ref) (*lambda.Function, error) {
	if err := c.resolveLatest(ref); err != nil {
		return nil, err
	}
	record, ok := c.catalog.Function(ref.Name)
	if !ok {
		return nil, c.notFound(ref)
	}
	return record.Function, nil
}

func (c *Control) aliasView(f *lambda.Function, a *lambda.Alias) AliasView {
	return AliasView{Alias: *a, ARN: c.scope.FunctionARN(f.Name, a.Name)}
}

func byName(a lambda.Alias, name string) int { return strings.Compare(a.Name, name) }
