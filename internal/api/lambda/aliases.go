package lambda

import (
	"context"

	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/control"
	"thaw/internal/lambda"
)

// Aliases shows and changes aliases. Package control implements it.
type Aliases interface {
	CreateAlias(ctx context.Context, ref lambda.Ref, name string, s control.AliasSettings) (control.AliasView, error)
	UpdateAlias(ctx context.Context, ref lambda.Ref, name string, s control.AliasSettings, revisionID string) (control.AliasView, error)
	GetAlias(ctx context.Context, ref lambda.Ref, name string) (control.AliasView, error)
	ListAliases(ctx context.Context, ref lambda.Ref, in control.ListAliasesInput) (views []control.AliasView, next string, err error)
	DeleteAlias(ctx context.Context, ref lambda.Ref, name string) error
}

func (h *Handler) createAlias(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.CreateAliasRequest)
	ref, err := h.ref(c.op, *in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	return alias(h.control.CreateAlias(ctx, ref, *in.Name, aliasSettings(in.FunctionVersion, in.Description, in.RoutingConfig)))
}

func (h *Handler) updateAlias(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.UpdateAliasRequest)
	ref, err := h.ref(c.op, *in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	settings := aliasSettings(in.FunctionVersion, in.Description, in.RoutingConfig)
	return alias(h.control.UpdateAlias(ctx, ref, *in.Name, settings, text(in.RevisionId)))
}

func (h *Handler) getAlias(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.GetAliasRequest)
	ref, err := h.ref(c.op, *in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	return alias(h.control.GetAlias(ctx, ref, *in.Name))
}

func (h *Handler) listAliases(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.ListAliasesRequest)
	ref, err := h.ref(c.op, *in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	views, next, err := h.control.ListAliases(ctx, ref, control.ListAliasesInput{
		Marker: text(in.Marker), Max: number(in.MaxItems), Version: text(in.FunctionVersion),
	})
	if err != nil {
		return nil, err
	}
	out := &model.ListAliasesResponse{Aliases: make([]model.AliasConfiguration, 0, len(views)), NextMarker: present(next)}
	for i := range views {
		out.Aliases = append(out.Aliases, *aliasConfiguration(&views[i]))
	}
	return out, nil
}

func (h *Handler) deleteAlias(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.DeleteAliasRequest)
	ref, err := h.ref(c.op, *in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	return nil, h.control.DeleteAlias(ctx, ref, *in.Name)
}

func aliasSettings(version, description *string, routing *model.AliasRoutingConfiguration) control.AliasSettings {
	s := control.AliasSettings{Version: version, Description: description}
	if routing != nil {
		s.Weights = &routing.AdditionalVersionWeights
	}
	return s
}

// alias shows what an operation on one came to.
func alias(view control.AliasView, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return aliasConfiguration(&view), nil
}

func aliasConfiguration(view *control.AliasView) *model.AliasConfiguration {
	c := &model.AliasConfiguration{AliasArn: &view.ARN, Name: &view.Name, FunctionVersion: &view.Version,
		Description: &view.Description, RevisionId: &view.RevisionID}
	if view.Additional != nil {
		c.RoutingConfig = &model.AliasRoutingConfiguration{
			AdditionalVersionWeights: map[string]float64{view.Additional.Number: view.Additional.Weight},
		}
	}
	return c
}
