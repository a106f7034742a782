package lambda

import (
	"context"

	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/control"
	"thaw/internal/lambda"
)

// LayerPermissions shows and changes the policies of layer versions. Package
// control implements it.
type LayerPermissions interface {
	AddLayerVersionPermission(ctx context.Context, ref lambda.LayerRef, in control.LayerPermissionInput) (statement, revisionID string, err error)
	RemoveLayerVersionPermission(ctx context.Context, ref lambda.LayerRef, statementID, revisionID string) error
	GetLayerVersionPolicy(ctx context.Context, ref lambda.LayerRef) (control.PolicyView, error)
}

func (h *Handler) addLayerVersionPermission(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.AddLayerVersionPermissionRequest)
	ref, err := h.layerRef(c.op, in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	statement, revision, err := h.control.AddLayerVersionPermission(ctx, ref, control.LayerPermissionInput{
		StatementID: *in.StatementId, Action: *in.Action, Principal: *in.Principal,
		OrganizationID: text(in.OrganizationId), RevisionID: text(in.RevisionId),
	})
	if err != nil {
		return nil, err
	}
	return &model.AddLayerVersionPermissionResponse{Statement: &statement, RevisionId: &revision}, nil
}

func (h *Handler) removeLayerVersionPermission(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.RemoveLayerVersionPermissionRequest)
	ref, err := h.layerRef(c.op, in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	return nil, h.control.RemoveLayerVersionPermission(ctx, ref, *in.StatementId, text(in.RevisionId))
}

func (h *Handler) getLayerVersionPolicy(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.GetLayerVersionPolicyRequest)
	ref, err := h.layerRef(c.op, in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	view, err := h.control.GetLayerVersionPolicy(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &model.GetLayerVersionPolicyResponse{Policy: &view.Document, RevisionId: &view.RevisionID}, nil
}
