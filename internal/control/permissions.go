package control

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"thaw/internal/iam/policy"
	"thaw/internal/lambda"
)

// PolicyView is a policy as an operation shows it.
type PolicyView struct{ Document, RevisionID string }

// PermissionInput is a statement to be added to a policy, as a caller names its
// parts. Empty ones are not there.
type PermissionInput struct {
	StatementID, Action, Principal           string
	SourceARN, SourceAccount, PrincipalOrgID string
	EventSourceToken, FunctionURLAuthType    string
	InvokedViaFunctionURL                    *bool
	// RevisionID, if set, must be the policy's, or that of whom it belongs to.
	RevisionID string
}

const (
	codePolicyLengthExceeded = "PolicyLengthExceededException"
	policyVersion            = "2012-10-17"
	policyID                 = "default"
)

// statement has its members in the service's order.
type statement struct {
	SID       string                    `json:"Sid"`
	Effect    string                    `json:"Effect"`
	Principal any                       `json:"Principal"`
	Action    string                    `json:"Action"`
	Resource  string                    `json:"Resource"`
	Condition map[string]map[string]any `json:"Condition,omitempty"`
}

// AddPermission adds a statement to the policy of a function, a version or an
// alias, and returns it.
func (c *Control) AddPermission(ctx context.Context, ref lambda.Ref, in PermissionInput) (string, error) {
	if err := c.resolve(ref); err != nil {
		return "", err
	}
	if ref.Qualifier == lambda.Latest {
		return "", lambda.Errorf(lambda.CodeInvalidParameterValue, "We currently do not support adding policies for $LATEST.")
	}
	added, err := c.statement(ref, &in)
	if err != nil {
		return "", err
	}
	_, err = c.change(ctx, lambda.Ref{Name: ref.Name, Qualifier: ref.Qualifier}, func(f *lambda.Function) error {
		if err := c.checkQualified(f, ref); err != nil {
			return err
		}
		d, err := documentOf(f.Policy(ref.Qualifier))
		if err != nil {
			return err
		}
		if d.find(in.StatementID) >= 0 {
			return lambda.Errorf(lambda.CodeResourceConflict, "The statement id (%s) provided already exists. "+
				"Please provide a new statement id, or remove the existing statement.", in.StatementID)
		}
		if err := checkPolicyRevision(f, ref.Qualifier, in.RevisionID); err != nil {
			return err
		}
		d.Statement = append(d.Statement, added)
		return setPolicy(f, ref.Qualifier, d)
	})
	if err != nil {
		return "", err
	}
	return string(added), nil
}

// statement is a permission in the language of policies.
func (c *Control) statement(ref lambda.Ref, in *PermissionInput) (json.RawMessage, error) {
	principal, err := c.principal(in.Principal)
	if err != nil {
		return nil, err
	}
	s := statement{SID: in.StatementID, Effect: "Allow", Principal: principal, Action: in.Action,
		Resource: c.scope.FunctionARN(ref.Name, ref.Qualifier), Condition: map[string]map[string]any{}}
	for _, condition := range []struct{ operator, key, value string }{
		{"StringEquals", "AWS:SourceAccount", in.SourceAccount},
		{"StringEquals", "aws:PrincipalOrgID", in.PrincipalOrgID},
		{"StringEquals", "lambda:EventSourceToken", in.EventSourceToken},
		{"StringEquals", "lambda:FunctionUrlAuthType", in.FunctionURLAuthType},
		{"ArnLike", "AWS:SourceArn", in.SourceARN},
	} {
		if condition.value == "" {
			continue
		}
		if s.Condition[condition.operator] == nil {
			s.Condition[condition.operator] = map[string]any{}
		}
		s.Condition[condition.operator][condition.key] = condition.value
	}
	if in.InvokedViaFunctionURL != nil {
		s.Condition["Bool"] = map[string]any{"lambda:InvokedViaFunctionUrl": *in.InvokedViaFunctionURL}
	}
	return marshal(s)
}

// principal is whom a permission is for, in the form that policies have for him.
func (c *Control) principal(who string) (any, error) {
	iam := strings.HasPrefix(who, "arn:"+c.scope.Partition+":iam::") || strings.HasPrefix(who, "arn:"+c.scope.Partition+":sts::")
	var form map[string]string
	switch {
	case who == "*":
		return who, nil
	case isNumber(who) && len(who) == 12:
		form = map[string]string{"AWS": "arn:" + c.scope.Partition + ":iam::" + who + ":root"}
	case iam:
		form = map[string]string{"AWS": who}
	case isService(who):
		return map[string]string{"Service": who}, nil
	}
	// What the language cannot mean is refused here, not when it is evaluated.
	if policy.CheckPrincipal(form["AWS"]) != nil {
		return nil, lambda.Errorf(lambda.CodeInvalidParameterValue,
			"The provided principal was invalid. Please check the principal and try again.")
	}
	return form, nil
}

// isService tells the names of the provider's services.
func isService(who string) bool {
	for _, domain := range []string{".amazonaws.com", ".amazonaws.com.cn", ".amazon.com"} {
		if name, ok := strings.CutSuffix(who, domain); ok && name != "" && !strings.ContainsAny(name, "*?:/") {
			return true
		}
	}
	return false
}

// RemovePermission takes a statement out of a policy; the last one takes the
// policy with it.
func (c *Control) RemovePermission(ctx context.Context, ref lambda.Ref, statementID, revisionID string) error {
	if err := c.resolve(ref); err != nil {
		return err
	}
	if _, ok := c.catalog.Function(ref.Name); !ok {
		return lambda.Errorf(lambda.CodeResourceNotFound, "No policy found for: %s", c.scope.FunctionARN(ref.Name, ref.Qualifier))
	}
	_, err := c.change(ctx, ref, func(f *lambda.Function) error {
		if err := c.checkQualified(f, ref); err != nil {
			return err
		}
		p := f.Policy(ref.Qualifier)
		if p == nil {
			return noPolicy()
		}
		d, err := documentOf(p)
		if err != nil {
			return err
		}
		at := d.find(statementID)
		if at < 0 {
			return lambda.Errorf(lambda.CodeResourceNotFound, "Statement %s is not found in resource policy.", statementID)
		}
		if err := checkPolicyRevision(f, ref.Qualifier, revisionID); err != nil {
			return err
		}
		d.Statement = slices.Delete(d.Statement, at, at+1)
		return setPolicy(f, ref.Qualifier, d)
	})
	return err
}

func noPolicy() error {
	return lambda.Errorf(lambda.CodeResourceNotFound, "No policy is associated with the given resource.")
}

// checkQualified finds what a reference with a qualifier names.
func (c *Control) checkQualified(f *lambda.Function, ref lambda.Ref) error {
	if f.Resolve(ref.Qualifier) != nil {
		return nil
	}
	if isNumber(ref.Qualifier) || strings.Contains(ref.Qualifier, "$") {
		return c.notFound(ref)
	}
	return lambda.Errorf(lambda.CodeResourceNotFound, "Cannot find alias arn: %s", c.scope.FunctionARN(ref.Name, ref.Qualifier))
}

// checkPolicyRevision holds a caller's revision against the policy's, and against
// that of whom the policy belongs to, which every change of it changes too.
func checkPolicyRevision(f *lambda.Function, qualifier, revisionID string) error {
	if revisionID == "" || revisionID == *revisionOf(f, qualifier) {
		return nil
	}
	if p := f.Policy(qualifier); p != nil && p.RevisionID == revisionID {
		return nil
	}
	return lambda.Errorf(lambda.CodePreconditionFailed, "The Revision Id provided does not match the latest Revision Id. "+
		"Call the GetPolicy API to retrieve the latest Revision Id")
}

// revisionOf is the revision of a version or an alias of the copy that is edited.
func revisionOf(f *lambda.Function, qualifier string) *string {
	if a := f.Alias(qualifier); a != nil {
		return &a.RevisionID
	}
	return &f.Version(qualifier).RevisionID
}
