package lambda

import (
	"context"

	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/control"
	"thaw/internal/lambda"
)

// Permissions shows and changes the policies of functions. Package control
// implements it.
type Permissions interface {
	AddPermission(ctx context.Context, ref lambda.Ref, in control.PermissionInput) (statement string, err error)
	RemovePermission(ctx context.Context, ref lambda.Ref, statementID, revisionID string) error
	GetPolicy(ctx context.Context, ref lambda.Ref) (control.PolicyView, error)
}

// ResourcePolicies does so with whole documents, and tells the one by which access
// is decided. Package control implements it.
type ResourcePolicies interface {
	PutResourcePolicy(ctx context.Context, ref lambda.Ref, document, revisionID string) (control.PolicyView, error)
	DeleteResourcePolicy(ctx context.Context, ref lambda.Ref, revisionID string) error
	// PolicyOf is empty for what has none.
	PolicyOf(ref lambda.Ref) string
}

func (h *Handler) addPermission(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.AddPermissionRequest)
	ref, err := h.ref(c.op, *in.FunctionName, text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	statement, err := h.control.AddPermission(ctx, ref, control.PermissionInput{
		StatementID: *in.StatementId, Action: *in.Action, Principal: *in.Principal,
		SourceARN: text(in.SourceArn), SourceAccount: text(in.SourceAccount), PrincipalOrgID: text(in.PrincipalOrgID),
		EventSourceToken: text(in.EventSourceToken), FunctionURLAuthType: text(in.FunctionUrlAuthType),
		InvokedViaFunctionURL: in.InvokedViaFunctionUrl, RevisionID: text(in.RevisionId),
	})
	if err != nil {
		return nil, err
	}
	return &model.AddPermissionResponse{Statement: &statement}, nil
}

func (h *Handler) removePermission(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.RemovePermissionRequest)
	ref, err := h.ref(c.op, *in.FunctionName, text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	return nil, h.control.RemovePermission(ctx, ref, *in.StatementId, text(in.RevisionId))
}

func (h *Handler) getPolicy(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.GetPolicyRequest)
	ref, err := h.ref(c.op, *in.FunctionName, text(in.Qualifier))
	if err != nil {
		return nil, err
	}
	view, err := h.control.GetPolicy(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &model.GetPolicyResponse{Policy: &view.Document, RevisionId: &view.RevisionID}, nil
}

func (h *Handler) putResourcePolicy(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.PutResourcePolicyRequest)
	ref, err := functionOf(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	view, err := h.control.PutResourcePolicy(ctx, ref, *in.Policy, text(in.RevisionId))
	if err != nil {
		return nil, err
	}
	return &model.PutResourcePolicyResponse{Policy: &view.Document, RevisionId: &view.RevisionID}, nil
}

func (h *Handler) getResourcePolicy(ctx context.Context, c *call) (any, error) {
	ref, err := functionOf(*c.input.(*model.GetResourcePolicyRequest).ResourceArn)
	if err != nil {
		return nil, err
	}
	view, err := h.control.GetPolicy(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &model.GetResourcePolicyResponse{Policy: &view.Document, RevisionId: &view.RevisionID}, nil
}

func (h *Handler) deleteResourcePolicy(ctx context.Context, c *call) (any, error) {
	in := c.input.(*model.DeleteResourcePolicyRequest)
	ref, err := functionOf(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, h.control.DeleteResourcePolicy(ctx, ref, text(in.RevisionId))
}

// functionOf is the function, version or alias of an ARN. The text is this
// server's.
func functionOf(arn string) (lambda.Ref, error) {
	ref, ok := lambda.ParseRef(arn)
	if !ok || ref.Account == "" || ref.Region == "" {
		return ref, lambda.Errorf(lambda.CodeInvalidParameterValue, "The ResourceArn %s is not the ARN of a function, a version or an alias.", arn)
	}
	return ref, nil
}
