package identity

import (
	"context"
	"maps"
	"slices"

	"thaw/internal/iam"
	"thaw/internal/lambda"
)

// userOperations are those on users, their policies and access keys.
func (h *Handler) userOperations() map[string]operation {
	return map[string]operation{
		"CreateUser":               h.createUser,
		"GetUser":                  h.getUser,
		"ListUsers":                h.listUsers,
		"UpdateUser":               h.updateUser,
		"DeleteUser":               h.deleteUser,
		"PutUserPolicy":            h.putUserPolicy,
		"GetUserPolicy":            h.getUserPolicy,
		"DeleteUserPolicy":         h.deleteUserPolicy,
		"ListUserPolicies":         h.listUserPolicies,
		"AttachUserPolicy":         h.attachToUser,
		"DetachUserPolicy":         h.detachFromUser,
		"ListAttachedUserPolicies": h.listAttachedToUser,
		"CreateAccessKey":          h.createKey,
		"ListAccessKeys":           h.listKeys,
		"UpdateAccessKey":          h.updateKey,
		"DeleteAccessKey":          h.deleteKey,
		// What tools look for before they delete a user, and is not here: nobody has any.
		"ListGroupsForUser":              h.noneOf("Groups"),
		"ListMFADevices":                 h.noneOf("MFADevices"),
		"ListSSHPublicKeys":              h.noneOf("SSHPublicKeys"),
		"ListSigningCertificates":        h.noneOf("Certificates"),
		"ListServiceSpecificCredentials": h.noneOf("ServiceSpecificCredentials"),
		"GetLoginProfile":                h.noLogin,
	}
}

// userShape is a user as XML. Lists have him without his tags.
type userShape struct {
	Path       string
	UserName   string
	UserID     string `xml:"UserId"`
	ARN        string `xml:"Arn"`
	CreateDate string
	Tags       []tagShape `xml:"Tags>member,omitempty"`
}

func (h *Handler) userShape(u *iam.User) userShape {
	return userShape{Path: u.Path, UserName: u.Name, UserID: iam.UserID(u.Name), ARN: h.Directory.UserARN(u.Name), CreateDate: stamp(u.CreatedAt)}
}

func tagShapes(tags map[string]string) (shapes []tagShape) {
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		shapes = append(shapes, tagShape{key, tags[key]})
	}
	return shapes
}

// user reads the name of a user and asks whether the caller may do this to him.
func (h *Handler) user(c *call) (name string, err error) {
	if name, err = c.text("UserName", nameRule); err != nil {
		return "", err
	}
	return name, h.mayUser(c, name, nil)
}

// ownUser is user where the name may be missing: the caller is meant then.
func (h *Handler) ownUser(c *call) (name string, err error) {
	if _, ok := c.Text("UserName"); ok {
		return h.user(c)
	}
	if c.caller.Session != nil {
		return "", lambda.Errorf(iam.CodeValidationError, "Must specify userName when calling with non-User credentials")
	}
	if name = c.caller.User; name == "" {
		name = iam.Administrator
	}
	return name, h.mayUser(c, name, nil)
}

// keyHolder is ownUser for operations on access keys. Those of the administrator are
// his own matter: whoever had one would be him.
func (h *Handler) keyHolder(c *call) (name string, err error) {
	name, err = h.ownUser(c)
	if err == nil && name == iam.Administrator && c.Action != "ListAccessKeys" && !c.caller.Administrator() {
		err = iam.Denied(c.caller, "iam:"+c.Action, h.Directory.UserARN(name))
	}
	return name, err
}

func (h *Handler) mayUser(c *call, name string, more map[string][]string) error {
	return c.may("iam:", h.Directory.UserARN(name), more)
}

func (h *Handler) createUser(_ context.Context, c *call) (any, error) {
	u := iam.User{}
	var err error
	if u.Name, err = c.text("UserName", nameRule); err != nil {
		return nil, err
	}
	if u.Path, err = c.option("Path", "/", pathRule); err != nil {
		return nil, err
	}
	if err := c.may("iam:", h.Directory.NewUserARN(u.Path, u.Name), nil); err != nil {
		return nil, err
	}
	if err := c.refuse("PermissionsBoundary"); err != nil {
		return nil, err
	}
	if u.Tags, err = c.tags(); err != nil {
		return nil, err
	}
	made, err := h.Directory.CreateUser(u)
	if err != nil {
		return nil, err
	}
	return h.userOutput(&made), nil
}

func (h *Handler) userOutput(u *iam.User) any {
	shape := h.userShape(u)
	shape.Tags = tagShapes(u.Tags)
	return &struct{ User userShape }{shape}
}

func (h *Handler) getUser(_ context.Context, c *call) (any, error) {
	name, err := h.ownUser(c)
	if err != nil {
		return nil, err
	}
	u, err := h.Directory.User(name)
	if err != nil {
		return nil, err
	}
	return h.userOutput(&u), nil
}

func (h *Handler) listUsers(_ context.Context, c *call) (any, error) {
	path, err := c.option("PathPrefix", "/", newRule(512, `/[!-~]*`))
	if err != nil {
		return nil, err
	}
	if err := c.may("iam:", "arn:"+h.Scope.Partition+":iam::"+h.Scope.Account+":user"+path, nil); err != nil {
		return nil, err
	}
	out := &struct {
		Users       members[userShape]
		IsTruncated bool
		Marker      string `xml:",omitempty"`
	}{}
	list, truncated, marker, err := page(c, h.Directory.AllUsers(path), func(u iam.User) string { return u.Name })
	if err != nil {
		return nil, err
	}
	out.IsTruncated, out.Marker = truncated, marker
	for i := range list {
		out.Users = append(out.Users, h.userShape(&list[i]))
	}
	return out, nil
}

func (h *Handler) updateUser(_ context.Context, c *call) (any, error) {
	name, err := h.user(c)
	if err != nil {
		return nil, err
	}
	newPath, err := c.option("NewPath", "", pathRule)
	if err != nil {
		return nil, err
	}
	newName, err := c.option("NewUserName", "", nameRule)
	if err != nil {
		return nil, err
	}
	if newPath != "" || newName != "" { // he must be one whom the caller may change, too
		u, err := h.Directory.User(name)
		if err != nil {
			return nil, err
		}
		path, called := u.Path, name
		if newPath != "" {
			path = newPath
		}
		if newName != "" {
			called = newName
		}
		if err := c.may("iam:", h.Directory.NewUserARN(path, called), nil); err != nil {
			return nil, err
		}
	}
	return nil, h.Directory.UpdateUser(name, newPath, newName)
}

func (h *Handler) deleteUser(_ context.Context, c *call) (any, error) {
	name, err := h.user(c)
	if err != nil {
		return nil, err
	}
	return nil, h.Directory.DeleteUser(name)
}

// userPolicy reads the names of a user and of a policy of his own.
func (h *Handler) userPolicy(c *call) (user, policy string, err error) {
	if user, err = h.user(c); err != nil {
		return "", "", err
	}
	policy, err = c.text("PolicyName", policyRule)
	return user, policy, err
}

func (h *Handler) putUserPolicy(_ context.Context, c *call) (any, error) {
	user, policy, err := h.userPolicy(c)
	if err != nil {
		return nil, err
	}
	text, err := c.text("PolicyDocument", anyRule)
	if err != nil {
		return nil, err
	}
	return nil, h.Directory.PutUserPolicy(user, iam.NamedPolicy{Name: policy, Document: text})
}

func (h *Handler) getUserPolicy(_ context.Context, c *call) (any, error) {
	user, policy, err := h.userPolicy(c)
	if err != nil {
		return nil, err
	}
	text, err := h.Directory.UserPolicy(user, policy)
	if err != nil {
		return nil, err
	}
	return &struct{ UserName, PolicyName, PolicyDocument string }{user, policy, escaped(text)}, nil
}

func (h *Handler) deleteUserPolicy(_ context.Context, c *call) (any, error) {
	user, policy, err := h.userPolicy(c)
	if err != nil {
		return nil, err
	}
	return nil, h.Directory.DeleteUserPolicy(user, policy)
}

func (h *Handler) listUserPolicies(_ context.Context, c *call) (any, error) {
	u, err := h.foundUser(c)
	if err != nil {
		return nil, err
	}
	out := &struct {
		PolicyNames members[string]
		IsTruncated bool
	}{}
	for _, p := range u.Policies {
		out.PolicyNames = append(out.PolicyNames, p.Name)
	}
	return out, nil
}

func (h *Handler) foundUser(c *call) (iam.User, error) {
	name, err := h.user(c)
	if err != nil {
		return iam.User{}, err
	}
	return h.Directory.User(name)
}

// userAttachment reads a user and the ARN of a managed policy.
func (h *Handler) userAttachment(c *call) (user, arn string, err error) {
	if user, err = c.text("UserName", nameRule); err != nil {
		return "", "", err
	}
	if arn, err = c.text("PolicyArn", arnRule); err != nil {
		return "", "", err
	}
	return user, arn, h.mayUser(c, user, map[string][]string{"iam:policyarn": {arn}})
}

func (h *Handler) attachToUser(_ context.Context, c *call) (any, error) {
	user, arn, err := h.userAttachment(c)
	if err != nil {
		return nil, err
	}
	return nil, h.Directory.AttachToUser(user, arn)
}

func (h *Handler) detachFromUser(_ context.Context, c *call) (any, error) {
	user, arn, err := h.userAttachment(c)
	if err != nil {
		return nil, err
	}
	return nil, h.Directory.DetachFromUser(user, arn)
}

func (h *Handler) listAttachedToUser(_ context.Context, c *call) (any, error) {
	u, err := h.foundUser(c)
	if err != nil {
		return nil, err
	}
	return attachedOutput(u.AttachedPolicyARNs), nil
}

// noneOf answers a list of what nobody has here.
func (h *Handler) noneOf(member string) operation {
	return func(_ context.Context, c *call) (any, error) {
		name, err := h.ownUser(c)
		if err != nil {
			return nil, err
		}
		if _, err := h.Directory.User(name); err != nil {
			return nil, err
		}
		return nothingIn(member), nil
	}
}

func (h *Handler) noLogin(_ context.Context, c *call) (any, error) {
	u, err := h.foundUser(c)
	if err != nil {
		return nil, err
	}
	return nil, lambda.Errorf(iam.CodeNoSuchEntity, "Login Profile for User %s cannot be found.", u.Name)
}
