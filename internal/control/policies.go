package control

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"thaw/internal/iam/policy"
	"thaw/internal/lambda"
)

// document is a policy as it is edited: its statements keep their form.
type document struct {
	Version   string            `json:"Version"`
	ID        string            `json:"Id"`
	Statement []json.RawMessage `json:"Statement"`
}

// GetPolicy shows the policy of a function, a version or an alias.
func (c *Control) GetPolicy(_ context.Context, ref lambda.Ref) (PolicyView, error) {
	if err := c.resolve(ref); err != nil {
		return PolicyView{}, err
	}
	if record, ok := c.catalog.Function(ref.Name); ok {
		if p := record.Function.Policy(ref.Qualifier); p != nil {
			return PolicyView{p.Document, p.RevisionID}, nil
		}
	}
	return PolicyView{}, lambda.Errorf(lambda.CodeResourceNotFound, "The resource you requested does not exist.")
}

// PolicyOf is the document by which access to what a reference names is decided;
// empty if there is none.
func (c *Control) PolicyOf(ref lambda.Ref) string {
	if c.resolve(ref) != nil {
		return ""
	}
	view, err := c.GetPolicy(context.Background(), ref)
	if err != nil {
		return ""
	}
	return view.Document
}

// PutResourcePolicy makes a document the policy of a function, a version or an
// alias.
func (c *Control) PutResourcePolicy(ctx context.Context, ref lambda.Ref, text, revisionID string) (PolicyView, error) {
	if err := c.resolve(ref); err != nil {
		return PolicyView{}, err
	}
	if ref.Qualifier == lambda.Latest {
		return PolicyView{}, lambda.Errorf(lambda.CodeInvalidParameterValue, "We currently do not support adding policies for $LATEST.")
	}
	if err := c.checkDocument(ref, text); err != nil {
		return PolicyView{}, err
	}
	f, err := c.change(ctx, ref, func(f *lambda.Function) error {
		if err := c.checkQualified(f, ref); err != nil {
			return err
		}
		if err := checkPolicyRevision(f, ref.Qualifier, revisionID); err != nil {
			return err
		}
		putPolicy(f, ref.Qualifier, text)
		return nil
	})
	if err != nil {
		return PolicyView{}, err
	}
	p := f.Policy(ref.Qualifier)
	return PolicyView{p.Document, p.RevisionID}, nil
}

// checkDocument refuses what is no policy for the resource. The texts are this
// server's.
func (c *Control) checkDocument(ref lambda.Ref, text string) error {
	if err := checkPolicySize(text); err != nil {
		return err
	}
	p, err := policy.Parse(text, policy.Resource)
	if err == nil && len(p.Statements) == 0 {
		return lambda.Errorf(lambda.CodeInvalidParameterValue, "The policy is invalid: it has no statements.")
	}
	if err != nil {
		return lambda.Errorf(lambda.CodeInvalidParameterValue, "The policy is invalid: %v.", err)
	}
	own := c.scope.FunctionARN(ref.Name, ref.Qualifier)
	for _, s := range p.Statements {
		for _, resource := range s.Resources() {
			if resource != own {
				return lambda.Errorf(lambda.CodeInvalidParameterValue,
					"The policy is invalid: its statements must be about the resource %s, and one is about %s.", own, resource)
			}
		}
	}
	return nil
}

// DeleteResourcePolicy takes a policy away.
func (c *Control) DeleteResourcePolicy(ctx context.Context, ref lambda.Ref, revisionID string) error {
	if _, err := c.GetPolicy(ctx, ref); err != nil {
		return err
	}
	_, err := c.change(ctx, ref, func(f *lambda.Function) error {
		if f.Policy(ref.Qualifier) == nil {
			return noPolicy()
		}
		if err := checkPolicyRevision(f, ref.Qualifier, revisionID); err != nil {
			return err
		}
		return setPolicy(f, ref.Qualifier, document{})
	})
	return err
}

// setPolicy keeps an edited document, or, without statements, none.
func setPolicy(f *lambda.Function, qualifier string, d document) error {
	if len(d.Statement) == 0 {
		putPolicy(f, qualifier, "")
		return nil
	}
	text, err := marshal(d)
	if err != nil {
		return err
	}
	if err := checkPolicySize(string(text)); err != nil {
		return err
	}
	putPolicy(f, qualifier, string(text))
	return nil
}

// putPolicy gives the policy and whom it belongs to one new revision.
func putPolicy(f *lambda.Function, qualifier, text string) {
	if qualifier == lambda.Latest {
		qualifier = ""
	}
	revision := lambda.NewUUID()
	if text == "" {
		f.Configs.Policies = lambda.Without(f.Configs.Policies, qualifier)
	} else {
		f.Configs.Policies = lambda.With(f.Configs.Policies, lambda.Policy{Qualifier: qualifier, Document: text, RevisionID: revision})
	}
	f.Aliases = slices.Clone(f.Aliases)
	*revisionOf(f, qualifier) = revision
}

func checkPolicySize(text string) error {
	if len(text) <= lambda.MaxPolicy {
		return nil
	}
	return lambda.Errorf(codePolicyLengthExceeded, "The final policy size (%d) is bigger than the limit (%d).", len(text), lambda.MaxPolicy)
}

// documentOf reads a policy for an edit; a new one for none.
func documentOf(p *lambda.Policy) (document, error) {
	d := document{Version: policyVersion, ID: policyID}
	if p == nil {
		return d, nil
	}
	var read struct {
		Version   string
		ID        string `json:"Id"`
		Statement json.RawMessage
	}
	if err := json.Unmarshal([]byte(p.Document), &read); err != nil {
		return d, err
	}
	d.Version, d.ID = first(read.Version, "2008-10-17"), first(read.ID, policyID)
	if bytes.HasPrefix(read.Statement, []byte("{")) {
		d.Statement = []json.RawMessage{read.Statement}
		return d, nil
	}
	return d, json.Unmarshal(read.Statement, &d.Statement)
}

// find is the index of a statement, or -1.
func (d *document) find(sid string) int {
	return slices.IndexFunc(d.Statement, func(raw json.RawMessage) bool {
		var s struct {
			SID string `json:"Sid"`
		}
		return json.Unmarshal(raw, &s) == nil && s.SID == sid
	})
}

// marshal is JSON with its characters as they are.
func marshal(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}
