package identity

import (
	"context"
	"slices"
	"strings"

	"thaw/internal/catalog"
	"thaw/internal/iam"
)

// policyOperations are those on managed policies.
func (h *Handler) policyOperations() map[string]operation {
	return map[string]operation{
		"CreatePolicy":            h.createPolicy,
		"GetPolicy":               h.getPolicy,
		"ListPolicies":            h.listPolicies,
		"DeletePolicy":            h.deletePolicy,
		"CreatePolicyVersion":     h.createVersion,
		"GetPolicyVersion":        h.getVersion,
		"ListPolicyVersions":      h.listVersions,
		"DeletePolicyVersion":     h.deleteVersion,
		"SetDefaultPolicyVersion": h.setDefault,
		"ListEntitiesForPolicy":   h.listEntities,
	}
}

// policyShape is a managed policy as XML.
type policyShape struct {
	PolicyName       string
	PolicyID         string `xml:"PolicyId"`
	ARN              string `xml:"Arn"`
	Path             string
	DefaultVersionID string `xml:"DefaultVersionId"`
	AttachmentCount  int
	IsAttachable     bool
	Description      string `xml:",omitempty"`
	CreateDate       string
	UpdateDate       string
	Tags             []tagShape `xml:"Tags>member,omitempty"`
}

func (h *Handler) policyShape(p *catalog.ManagedPolicy, arn string) policyShape {
	return policyShape{PolicyName: p.Name, PolicyID: p.ID, ARN: arn, Path: p.Path, DefaultVersionID: p.Default,
		AttachmentCount: h.Directory.Attachments(arn), IsAttachable: true, Description: p.Description,
		CreateDate: stamp(p.CreatedAt), UpdateDate: stamp(p.UpdatedAt), Tags: tagShapes(p.Tags)}
}

// versionShape is a version of one; lists have it without its document.
type versionShape struct {
	Document         string `xml:",omitempty"`
	VersionID        string `xml:"VersionId"`
	IsDefaultVersion bool
	CreateDate       string
}

func (h *Handler) createPolicy(ctx context.Context, c *call) (any, error) {
	p := catalog.ManagedPolicy{}
	var err error
	if p.Name, err = c.text("PolicyName", policyRule); err != nil {
		return nil, err
	}
	if p.Path, err = c.option("Path", "/", pathRule); err != nil {
		return nil, err
	}
	arn := h.Directory.PolicyARN(&p)
	if err := c.may("iam:", arn, nil); err != nil {
		return nil, err
	}
	if p.Description, err = c.option("Description", "", newRule(1000, `[\s\S]*`)); err != nil {
		return nil, err
	}
	if p.Tags, err = c.tags(); err != nil {
		return nil, err
	}
	text, err := c.text("PolicyDocument", anyRule)
	if err != nil {
		return nil, err
	}
	made, err := h.Directory.CreatePolicy(ctx, p, text)
	if err != nil {
		return nil, err
	}
	return &struct{ Policy policyShape }{h.policyShape(made, arn)}, nil
}

func (h *Handler) getPolicy(_ context.Context, c *call) (any, error) {
	arn, err := h.policyARN(c)
	if err != nil {
		return nil, err
	}
	p, err := h.managed(arn)
	if err != nil {
		return nil, err
	}
	return &struct{ Policy policyShape }{h.policyShape(p, arn)}, nil
}

func (h *Handler) listPolicies(_ context.Context, c *call) (any, error) {
	if err := c.may("iam:", "arn:"+h.Scope.Partition+":iam::"+h.Scope.Account+":policy/", nil); err != nil {
		return nil, err
	}
	path, err := c.option("PathPrefix", "/", newRule(512, `/[!-~]*`))
	if err != nil {
		return nil, err
	}
	out := &struct {
		Policies    members[policyShape]
		IsTruncated bool
		Marker      string `xml:",omitempty"`
	}{}
	scope, _ := c.Text("Scope")
	only, _ := c.Text("OnlyAttached")
	all := slices.DeleteFunc(h.allPolicies(scope), func(p policyShape) bool {
		return !strings.HasPrefix(p.Path, path) || only == "true" && p.AttachmentCount == 0
	})
	list, truncated, marker, err := page(c, all, policyShape.place)
	out.Policies, out.IsTruncated, out.Marker = list, truncated, marker
	return out, err
}

// allPolicies are those of a scope, the account's and the provider's if it is empty,
// sorted by name.
func (h *Handler) allPolicies(scope string) (all []policyShape) {
	if scope != "AWS" {
		for _, p := range h.Directory.Policies() {
			all = append(all, h.policyShape(p, h.Directory.PolicyARN(p)))
		}
	}
	if scope != "Local" {
		for _, arn := range iam.BuiltInARNs(h.Scope.Partition) {
			if p, err := h.managed(arn); err == nil {
				all = append(all, h.policyShape(p, arn))
			}
		}
	}
	slices.SortFunc(all, func(a, b policyShape) int {
		return strings.Compare(strings.ToLower(a.place()), strings.ToLower(b.place()))
	})
	return all
}

// place is where a list has a policy. The account and the provider may have one of the
// same name.
func (p policyShape) place() string { return p.PolicyName + " " + p.ARN }

func (h *Handler) deletePolicy(ctx context.Context, c *call) (any, error) {
	arn, err := h.policyARN(c)
	if err != nil {
		return nil, err
	}
	return nil, h.Directory.DeletePolicy(ctx, arn)
}

func (h *Handler) createVersion(ctx context.Context, c *call) (any, error) {
	arn, err := h.policyARN(c)
	if err != nil {
		return nil, err
	}
	text, err := c.text("PolicyDocument", anyRule)
	if err != nil {
		return nil, err
	}
	flag, _ := c.Text("SetAsDefault")
	v, err := h.Directory.AddVersion(ctx, arn, text, flag == "true")
	if err != nil {
		return nil, err
	}
	return &struct{ PolicyVersion versionShape }{versionShape{VersionID: v.ID, IsDefaultVersion: flag == "true", CreateDate: stamp(v.CreatedAt)}}, nil
}

// version reads the ARN of a policy and the name of a version.
func (h *Handler) version(c *call) (arn, id string, err error) {
	if arn, err = h.policyARN(c); err != nil {
		return "", "", err
	}
	id, err = c.text("VersionId", versionRule)
	return arn, id, err
}

func (h *Handler) getVersion(_ context.Context, c *call) (any, error) {
	arn, id, err := h.version(c)
	if err != nil {
		return nil, err
	}
	p, err := h.managed(arn)
	if err != nil {
		return nil, err
	}
	v := iam.FindVersion(p, id)
	if v == nil {
		return nil, iam.NoSuchPolicy(arn + " version " + id)
	}
	return &struct{ PolicyVersion versionShape }{versionShape{escaped(v.Text), v.ID, v.ID == p.Default, stamp(v.CreatedAt)}}, nil
}

func (h *Handler) listVersions(_ context.Context, c *call) (any, error) {
	arn, err := h.policyARN(c)
	if err != nil {
		return nil, err
	}
	p, err := h.managed(arn)
	if err != nil {
		return nil, err
	}
	out := &struct {
		Versions    members[versionShape]
		IsTruncated bool
	}{}
	for _, v := range p.Versions {
		out.Versions = append(out.Versions, versionShape{VersionID: v.ID, IsDefaultVersion: v.ID == p.Default, CreateDate: stamp(v.CreatedAt)})
	}
	return out, nil
}

func (h *Handler) deleteVersion(ctx context.Context, c *call) (any, error) {
	arn, id, err := h.version(c)
	if err != nil {
		return nil, err
	}
	return nil, h.Directory.DeleteVersion(ctx, arn, id)
}

func (h *Handler) setDefault(ctx context.Context, c *call) (any, error) {
	arn, id, err := h.version(c)
	if err != nil {
		return nil, err
	}
	return nil, h.Directory.SetDefault(ctx, arn, id)
}

// listEntities shows who has a managed policy.
func (h *Handler) listEntities(_ context.Context, c *call) (any, error) {
	arn, err := h.policyARN(c)
	if err != nil {
		return nil, err
	}
	if _, err := h.managed(arn); err != nil {
		return nil, err
	}
	type holder struct {
		RoleName string `xml:",omitempty"`
		RoleID   string `xml:"RoleId,omitempty"`
		UserName string `xml:",omitempty"`
		UserID   string `xml:"UserId,omitempty"`
	}
	out := &struct {
		PolicyGroups struct{}
		PolicyRoles  members[holder]
		PolicyUsers  members[holder]
		IsTruncated  bool
	}{}
	filter, _ := c.Text("EntityFilter")
	if filter == "" || filter == "Role" {
		for _, r := range h.Directory.Roles("/") {
			if slices.Contains(r.AttachedPolicyARNs, arn) {
				out.PolicyRoles = append(out.PolicyRoles, holder{RoleName: r.Name, RoleID: r.ID})
			}
		}
	}
	if filter == "" || filter == "User" {
		for _, name := range h.Directory.UsersWith(arn) {
			out.PolicyUsers = append(out.PolicyUsers, holder{UserName: name, UserID: iam.UserID(name)})
		}
	}
	return out, nil
}
