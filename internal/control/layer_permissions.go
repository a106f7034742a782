package control

import (
	"context"
	"encoding/json"
	"slices"

	"thaw/internal/lambda"
)

// LayerPermissionInput is a statement to be added to the policy of a layer
// version. Empty members are not there.
type LayerPermissionInput struct {
	StatementID, Action, Principal, OrganizationID string
	// RevisionID, if set, must be the policy's.
	RevisionID string
}

// AddLayerVersionPermission adds a statement to the policy of a layer version, and
// returns it with the policy's new revision.
func (c *Control) AddLayerVersionPermission(ctx context.Context, ref lambda.LayerRef, in LayerPermissionInput) (added, revisionID string, err error) {
	if err := c.resolveLayerVersion(ref); err != nil {
		return "", "", err
	}
	text, err := c.layerStatement(ref, &in)
	if err != nil {
		return "", "", err
	}
	revisionID, err = c.changeLayerPolicy(ctx, ref, in.RevisionID, func(d *document) error {
		if d.find(in.StatementID) >= 0 {
			return lambda.Errorf(lambda.CodeResourceConflict, "The statement id (%s) provided already exists. "+
				"Please provide a new statement id, or remove the existing statement.", in.StatementID)
		}
		d.Statement = append(d.Statement, text)
		return nil
	})
	return string(text), revisionID, err
}

// layerStatement is a permission in the language of policies.
func (c *Control) layerStatement(ref lambda.LayerRef, in *LayerPermissionInput) (json.RawMessage, error) {
	principal, err := c.principal(in.Principal)
	if err != nil {
		return nil, err
	}
	s := statement{SID: in.StatementID, Effect: "Allow", Principal: principal, Action: in.Action,
		Resource: c.scope.LayerVersionARN(ref.Name, ref.Version)}
	if in.OrganizationID != "" {
		s.Condition = map[string]map[string]any{"StringEquals": {"aws:PrincipalOrgID": in.OrganizationID}}
	}
	return marshal(s)
}

// RemoveLayerVersionPermission takes a statement out of the policy of a layer
// version; the last one takes the policy with it.
func (c *Control) RemoveLayerVersionPermission(ctx context.Context, ref lambda.LayerRef, statementID, revisionID string) error {
	if err := c.resolveLayerVersion(ref); err != nil {
		return err
	}
	_, err := c.changeLayerPolicy(ctx, ref, revisionID, func(d *document) error {
		at := d.find(statementID)
		if at < 0 {
			return lambda.Errorf(lambda.CodeResourceNotFound, "Statement %s is not found in resource policy.", statementID)
		}
		d.Statement = slices.Delete(d.Statement, at, at+1)
		return nil
	})
	return err
}

// GetLayerVersionPolicy shows the policy of a layer version.
func (c *Control) GetLayerVersionPolicy(_ context.Context, ref lambda.LayerRef) (PolicyView, error) {
	if err := c.resolveLayerVersion(ref); err != nil {
		return PolicyView{}, err
	}
	record, ok := c.catalog.Layer(ref.Name)
	if !ok {
		return PolicyView{}, c.noLayerVersion(ref)
	}
	v := record.Layer.Version(ref.Version)
	if v == nil {
		return PolicyView{}, c.noLayerVersion(ref)
	}
	if v.Policy == nil {
		return PolicyView{}, noPolicy()
	}
	return PolicyView{v.Policy.Document, v.Policy.RevisionID}, nil
}

// changeLayerPolicy replaces the policy of a layer version by what edit makes of
// it, and returns the new revision.
func (c *Control) changeLayerPolicy(ctx context.Context, ref lambda.LayerRef, revisionID string, edit func(*document) error) (string, error) {
	changed := lambda.NewUUID()
	_, err := c.changeLayer(ctx, ref.Name, func(l *lambda.Layer) error {
		v := l.Version(ref.Version)
		if v == nil {
			return c.noLayerVersion(ref)
		}
		d, err := documentOf(v.Policy)
		if err != nil {
			return err
		}
		if err := edit(&d); err != nil {
			return err
		}
		if revisionID != "" && (v.Policy == nil || v.Policy.RevisionID != revisionID) {
			return lambda.Errorf(lambda.CodePreconditionFailed, "The Revision Id provided does not match the latest Revision Id. "+
				"Call the GetLayerPolicy API to retrieve the latest Revision Id")
		}
		v.Policy, err = layerPolicy(d, changed)
		return err
	})
	return changed, err
}

// layerPolicy is what is kept of an edited document; nil without statements.
func layerPolicy(d document, revisionID string) (*lambda.Policy, error) {
	if len(d.Statement) == 0 {
		return nil, nil
	}
	text, err := marshal(d)
	if err != nil {
		return nil, err
	}
	return &lambda.Policy{Document: string(text), RevisionID: revisionID}, checkPolicySize(string(text))
}

func (c *Control) noLayerVersion(ref lambda.LayerRef) error {
	return lambda.Errorf(lambda.CodeResourceNotFound, "Layer version %s does not exist.", c.scope.LayerVersionARN(ref.Name, ref.Version))
}
