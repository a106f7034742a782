package identity

import (
	"context"
	"encoding/xml"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"thaw/internal/awsapi"
	"thaw/internal/catalog"
	"thaw/internal/iam"
	"thaw/internal/lambda"
)

// directoryOperations are those of IAM.
func (h *Handler) directoryOperations() map[string]operation {
	operations := map[string]operation{
		"CreateRole":                  h.createRole,
		"GetRole":                     h.getRole,
		"ListRoles":                   h.listRoles,
		"UpdateRole":                  h.updateRole,
		"UpdateRoleDescription":       h.updateDescription,
		"DeleteRole":                  h.deleteRole,
		"UpdateAssumeRolePolicy":      h.updateTrust,
		"PutRolePolicy":               h.putRolePolicy,
		"GetRolePolicy":               h.getRolePolicy,
		"DeleteRolePolicy":            h.deleteRolePolicy,
		"ListRolePolicies":            h.listRolePolicies,
		"AttachRolePolicy":            h.attach,
		"DetachRolePolicy":            h.detach,
		"ListAttachedRolePolicies":    h.listAttached,
		"ListInstanceProfilesForRole": h.listInstanceProfiles,
		"ListAccountAliases":          h.listAliases,
	}
	maps.Copy(operations, h.policyOperations())
	maps.Copy(operations, h.userOperations())
	maps.Copy(operations, h.tagOperations())
	return operations
}

// escaped is a document as these services show it in XML.
func escaped(document string) string {
	return strings.ReplaceAll(url.QueryEscape(document), "+", "%20")
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func lastSlash(s string) int { return strings.LastIndexByte(s, '/') }

// refuse answers members that this server would have to keep and does not.
func (c *call) refuse(names ...string) error {
	for _, name := range names {
		if text, ok := c.Text(name); ok && text != "" {
			return lambda.Errorf(awsapi.CodeNotImplemented, "This server does not support the member %s of %s yet.", name, c.Action)
		}
	}
	return nil
}

// roleShape is a role as XML.
type roleShape struct {
	Path                     string
	RoleName                 string
	RoleID                   string `xml:"RoleId"`
	ARN                      string `xml:"Arn"`
	CreateDate               string
	AssumeRolePolicyDocument string
	Description              string `xml:",omitempty"`
	MaxSessionDuration       int
	Tags                     []tagShape `xml:"Tags>member,omitempty"`
}

type tagShape struct{ Key, Value string }

func (h *Handler) roleShape(r *catalog.Role) roleShape {
	shape := roleShape{Path: r.Path, RoleName: r.Name, RoleID: r.ID, ARN: h.Directory.RoleARN(r), CreateDate: stamp(r.CreatedAt),
		AssumeRolePolicyDocument: escaped(r.Trust), Description: r.Description, MaxSessionDuration: r.MaxSessionSeconds, Tags: tagShapes(r.Tags)}
	return shape
}

// role reads the name of a role and asks whether the caller may do this to it.
func (h *Handler) role(c *call) (name string, err error) {
	if name, err = c.text("RoleName", nameRule); err != nil {
		return "", err
	}
	return name, c.may("iam:", h.Directory.ARN("role", name), nil)
}

func (h *Handler) createRole(ctx context.Context, c *call) (any, error) {
	r := catalog.Role{}
	var err error
	if r.Name, err = c.text("RoleName", nameRule); err != nil {
		return nil, err
	}
	if r.Path, err = c.option("Path", "/", pathRule); err != nil {
		return nil, err
	}
	arn := "arn:" + h.Scope.Partition + ":iam::" + h.Scope.Account + ":role" + r.Path + r.Name
	if err := c.may("iam:", arn, nil); err != nil {
		return nil, err
	}
	if err := c.refuse("PermissionsBoundary"); err != nil {
		return nil, err
	}
	if r.Trust, err = c.text("AssumeRolePolicyDocument", anyRule); err != nil {
		return nil, err
	}
	if r.Description, err = c.option("Description", "", newRule(1000, `[\s\S]*`)); err != nil {
		return nil, err
	}
	if r.MaxSessionSeconds, err = c.number("MaxSessionDuration", defaultSession, defaultSession, maxSession); err != nil {
		return nil, err
	}
	if r.Tags, err = c.tags(); err != nil {
		return nil, err
	}
	made, err := h.Directory.CreateRole(ctx, r)
	if err != nil {
		return nil, err
	}
	return &struct{ Role roleShape }{h.roleShape(made)}, nil
}

func (h *Handler) getRole(_ context.Context, c *call) (any, error) {
	name, err := h.role(c)
	if err != nil {
		return nil, err
	}
	r, err := h.Directory.Role(name)
	if err != nil {
		return nil, err
	}
	return &struct{ Role roleShape }{h.roleShape(r)}, nil
}

// page is a part of a list; the Marker is the name of its last item.
func page[T any](c *call, list []T, name func(T) string) (part []T, truncated bool, marker string, err error) {
	limit, err := c.number("MaxItems", 100, 1, 1000)
	if err != nil {
		return nil, false, "", err
	}
	if after, ok := c.Text("Marker"); ok {
		list = slices.DeleteFunc(slices.Clone(list), func(one T) bool { return strings.ToLower(name(one)) <= strings.ToLower(after) })
	}
	if len(list) <= limit {
		return list, false, "", nil
	}
	return list[:limit], true, name(list[limit-1]), nil
}

func (h *Handler) listRoles(_ context.Context, c *call) (any, error) {
	path, err := c.option("PathPrefix", "/", newRule(512, `/[!-~]*`))
	if err != nil {
		return nil, err
	}
	if err := c.may("iam:", "arn:"+h.Scope.Partition+":iam::"+h.Scope.Account+":role"+path, nil); err != nil {
		return nil, err
	}
	out := &struct {
		Roles       members[roleShape]
		IsTruncated bool
		Marker      string `xml:",omitempty"`
	}{}
	list, truncated, marker, err := page(c, h.Directory.Roles(path), func(r *catalog.Role) string { return r.Name })
	if err != nil {
		return nil, err
	}
	out.IsTruncated, out.Marker = truncated, marker
	for _, r := range list {
		out.Roles = append(out.Roles, h.roleShape(r))
	}
	return out, nil
}

func (h *Handler) updateRole(ctx context.Context, c *call) (any, error) {
	name, err := h.role(c)
	if err != nil {
		return nil, err
	}
	var description *string
	if _, ok := c.Text("Description"); ok {
		text, err := c.text("Description", newRule(1000, `[\s\S]*`))
		if err != nil {
			return nil, err
		}
		description = &text
	}
	var seconds *int
	n, err := c.number("MaxSessionDuration", 0, defaultSession, maxSession)
	if err != nil {
		return nil, err
	}
	if n != 0 {
		seconds = &n
	}
	return &struct{}{}, h.Directory.UpdateRole(ctx, name, description, seconds)
}

// updateDescription is what UpdateRole does for tools of before.
func (h *Handler) updateDescription(ctx context.Context, c *call) (any, error) {
	name, err := h.role(c)
	if err != nil {
		return nil, err
	}
	text, err := c.text("Description", newRule(1000, `[\s\S]*`))
	if err != nil {
		return nil, err
	}
	if err := h.Directory.UpdateRole(ctx, name, &text, nil); err != nil {
		return nil, err
	}
	r, err := h.Directory.Role(name)
	if err != nil {
		return nil, err
	}
	return &struct{ Role roleShape }{h.roleShape(r)}, nil
}

func (h *Handler) deleteRole(ctx context.Context, c *call) (any, error) {
	name, err := h.role(c)
	if err != nil {
		return nil, err
	}
	return nil, h.Directory.DeleteRole(ctx, name)
}

func (h *Handler) updateTrust(ctx context.Context, c *call) (any, error) {
	name, err := h.role(c)
	if err != nil {
		return nil, err
	}
	text, err := c.text("PolicyDocument", anyRule)
	if err != nil {
		return nil, err
	}
	return nil, h.Directory.SetTrust(ctx, name, text)
}

func (h *Handler) putRolePolicy(ctx context.Context, c *call) (any, error) {
	role, policy, err := h.rolePolicy(c)
	if err != nil {
		return nil, err
	}
	text, err := c.text("PolicyDocument", anyRule)
	if err != nil {
		return nil, err
	}
	return nil, h.Directory.PutRolePolicy(ctx, role, catalog.Document{Name: policy, Text: text})
}

// rolePolicy reads the names of a role and of a policy of its own.
func (h *Handler) rolePolicy(c *call) (role, policy string, err error) {
	if role, err = h.role(c); err != nil {
		return "", "", err
	}
	policy, err = c.text("PolicyName", policyRule)
	return role, policy, err
}

func (h *Handler) getRolePolicy(_ context.Context, c *call) (any, error) {
	role, policy, err := h.rolePolicy(c)
	if err != nil {
		return nil, err
	}
	text, err := h.Directory.RolePolicy(role, policy)
	if err != nil {
		return nil, err
	}
	return &struct{ RoleName, PolicyName, PolicyDocument string }{role, policy, escaped(text)}, nil
}

func (h *Handler) deleteRolePolicy(ctx context.Context, c *call) (any, error) {
	role, policy, err := h.rolePolicy(c)
	if err != nil {
		return nil, err
	}
	return nil, h.Directory.DeleteRolePolicy(ctx, role, policy)
}

func (h *Handler) listRolePolicies(_ context.Context, c *call) (any, error) {
	name, err := h.role(c)
	if err != nil {
		return nil, err
	}
	r, err := h.Directory.Role(name)
	if err != nil {
		return nil, err
	}
	out := &struct {
		PolicyNames members[string]
		IsTruncated bool
	}{}
	for _, p := range r.Policies {
		out.PolicyNames = append(out.PolicyNames, p.Name)
	}
	return out, nil
}

// attachment reads a role and the ARN of a managed policy.
func (h *Handler) attachment(c *call) (role, arn string, err error) {
	if role, err = c.text("RoleName", nameRule); err != nil {
		return "", "", err
	}
	if arn, err = c.text("PolicyArn", arnRule); err != nil {
		return "", "", err
	}
	return role, arn, c.may("iam:", h.Directory.ARN("role", role), map[string][]string{"iam:policyarn": {arn}})
}

func (h *Handler) attach(ctx context.Context, c *call) (any, error) {
	role, arn, err := h.attachment(c)
	if err != nil {
		return nil, err
	}
	return nil, h.Directory.Attach(ctx, role, arn)
}

func (h *Handler) detach(ctx context.Context, c *call) (any, error) {
	role, arn, err := h.attachment(c)
	if err != nil {
		return nil, err
	}
	return nil, h.Directory.Detach(ctx, role, arn)
}

func (h *Handler) listAttached(_ context.Context, c *call) (any, error) {
	name, err := h.role(c)
	if err != nil {
		return nil, err
	}
	r, err := h.Directory.Role(name)
	if err != nil {
		return nil, err
	}
	return attachedOutput(r.AttachedPolicyARNs), nil
}

type attached struct {
	PolicyName string
	PolicyARN  string `xml:"PolicyArn"`
}

func attachedOutput(arns []string) any {
	out := &struct {
		AttachedPolicies members[attached]
		IsTruncated      bool
	}{}
	for _, arn := range arns {
		out.AttachedPolicies = append(out.AttachedPolicies, attached{arn[lastSlash(arn)+1:], arn})
	}
	return out
}

// listInstanceProfiles is asked by tools before they delete a role: there are none.
func (h *Handler) listInstanceProfiles(_ context.Context, c *call) (any, error) {
	name, err := h.role(c)
	if err != nil {
		return nil, err
	}
	if _, err := h.Directory.Role(name); err != nil {
		return nil, err
	}
	return nothingIn("InstanceProfiles"), nil
}

// listAliases: the account has none.
func (h *Handler) listAliases(_ context.Context, c *call) (any, error) {
	return nothingIn("AccountAliases"), c.may("iam:", "*", nil)
}

// nothing is a list of what is not here.
type nothing struct {
	List        struct{ XMLName xml.Name }
	IsTruncated bool
}

func nothingIn(member string) *nothing {
	n := new(nothing)
	n.List.XMLName.Local = member
	return n
}

// policyARN reads the ARN of a managed policy, and asks whether the caller may do
// this to it.
func (h *Handler) policyARN(c *call) (arn string, err error) {
	if arn, err = c.text("PolicyArn", arnRule); err != nil {
		return "", err
	}
	return arn, c.may("iam:", arn, nil)
}

// managed finds the policy of an ARN, of this account or built in.
func (h *Handler) managed(arn string) (*catalog.ManagedPolicy, error) {
	if p, ok := h.Directory.PolicyByARN(arn); ok {
		return p, nil
	}
	if p, ok := iam.BuiltIn(arn, h.Scope.Partition); ok {
		at := lastSlash(p.Name)
		return &catalog.ManagedPolicy{Name: p.Name[at+1:], Path: "/" + p.Name[:at+1], ID: "ANPA" + iam.UserID(p.Name)[4:], Default: "v1",
			Versions: []catalog.DocumentVersion{{ID: "v1", Text: p.Text}}}, nil
	}
	return nil, iam.NoSuchPolicy(arn)
}
