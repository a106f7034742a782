package iam

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"thaw/internal/catalog"
	"thaw/internal/iam/policy"
	"thaw/internal/lambda"
	"thaw/internal/store"
)

// The codes of IAM's errors.
const (
	CodeNoSuchEntity            = "NoSuchEntity"
	CodeEntityAlreadyExists     = "EntityAlreadyExists"
	CodeDeleteConflict          = "DeleteConflict"
	CodeLimitExceeded           = "LimitExceeded"
	CodeMalformedPolicyDocument = "MalformedPolicyDocument"
	CodeValidationError         = "ValidationError"
	codeConcurrentModification  = "ConcurrentModification"
)

// The quotas of roles and policies, from the service's documentation.
const (
	maxRoles            = 1000
	maxManagedPolicies  = 1500
	maxAttached         = 10
	maxPolicyVersions   = 5
	maxRoleDocuments    = 10240 // bytes, of all a role's own policies
	maxTrust            = 4096
	maxManagedDocument  = 6144
	lambdaService       = "lambda.amazonaws.com"
	assumeRole          = "sts:AssumeRole"
	rolePrefix          = "AROA"
	managedPolicyPrefix = "ANPA"
)

// Directory is the roles, users and managed policies of an account, and the rules by
// which they change. One mutex orders all changes, so that what refers to another
// (a role to a policy) is never left behind by it. Reads take no lock.
type Directory struct {
	catalog *catalog.Catalog
	scope   lambda.Scope
	users   *Keyring // nil: it knows of none
	parsed  documents

	mu sync.Mutex // orders changes
}

// NewDirectory makes the directory of what a catalog holds.
func NewDirectory(c *catalog.Catalog, scope lambda.Scope) *Directory {
	return &Directory{catalog: c, scope: scope}
}

// WithUsers makes the users of a keyring the directory's. It is called before the
// directory is used.
func (d *Directory) WithUsers(k *Keyring) *Directory {
	d.users = k
	return d
}

// RoleARN is the ARN of a role.
func (d *Directory) RoleARN(r *catalog.Role) string { return d.arn("role", r.Path, r.Name) }

// PolicyARN is the ARN of a managed policy.
func (d *Directory) PolicyARN(p *catalog.ManagedPolicy) string {
	return d.arn("policy", p.Path, p.Name)
}

// ARN is that of a role or policy of a name: where it is, if it is there.
func (d *Directory) ARN(kind, name string) string {
	if r, ok := d.catalog.Role(name); ok && kind == "role" {
		return d.RoleARN(r.Role)
	}
	return d.arn(kind, "/", name)
}

func (d *Directory) arn(kind, path, name string) string {
	return "arn:" + d.scope.Partition + ":iam::" + d.scope.Account + ":" + kind + path + name
}

// newID makes an identifier that is never given again.
func newID(prefix string) string {
	b := make([]byte, idBytes)
	rand.Read(b)
	return prefix + base32.StdEncoding.EncodeToString(b)
}

// ByARN finds the role that an ARN names, to the letter.
func (d *Directory) ByARN(arn string) (*catalog.Role, bool) {
	r, ok := d.catalog.Role(arn[strings.LastIndexByte(arn, '/')+1:])
	if !ok || d.RoleARN(r.Role) != arn {
		return nil, false
	}
	return r.Role, true
}

// PoliciesOf implements Roles. The session of a function has the policies of a
// role that trusts the service; another session has those of the very role that it
// has assumed, not of a later one of its name.
func (d *Directory) PoliciesOf(s *Session) []*policy.Policy {
	role, ok := d.ByARN(s.Role)
	if !ok {
		return nil
	}
	if s.Function != "" {
		if !d.TrustsService(role, s.Function) {
			return nil
		}
	} else if id, _, _ := strings.Cut(s.ID, ":"); id != role.ID {
		return nil
	}
	policies, err := d.policies(role)
	if err != nil {
		return d.nothing()
	}
	return policies
}

// Managed implements Roles.
func (d *Directory) Managed(arns []string) []*policy.Policy {
	policies, err := d.policies(&catalog.Role{AttachedPolicyARNs: arns})
	if err != nil {
		return d.nothing()
	}
	return policies
}

// nothing stands for policies of which one cannot be read: it may be one that denies.
func (d *Directory) nothing() []*policy.Policy {
	p, err := d.parsed.get(denyAll, policy.Identity)
	if err != nil {
		return nil
	}
	return []*policy.Policy{p}
}

const denyAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`

// TrustsService tells whether a function, by its ARN, may have a role: the service
// assumes it for the function, which is this account's.
func (d *Directory) TrustsService(role *catalog.Role, function string) bool {
	trust, err := d.parsed.get(role.Trust, policy.Trust)
	return err == nil && policy.Trusts(trust, policy.Request{By: policy.Principal{Service: lambdaService},
		Action: assumeRole, Resource: d.RoleARN(role), Account: d.scope.Account, Context: policy.Context{
			"aws:sourceaccount": {d.scope.Account}, "aws:sourcearn": {function},
			"aws:principalisawsservice": {"true"}, "aws:principalservicename": {lambdaService},
		}}, false)
}

// CheckPass refuses a role that is here and does not trust the service with a
// function. One that is not here is taken: functions with it may do what the
// operator lets all do.
func (d *Directory) CheckPass(arn, function string) error {
	if role, ok := d.ByARN(arn); ok && !d.TrustsService(role, function) {
		return lambda.Errorf(lambda.CodeInvalidParameterValue, "The role defined for the function cannot be assumed by Lambda.")
	}
	return nil
}

// policies reads those of a role: its own and the attached ones.
func (d *Directory) policies(role *catalog.Role) ([]*policy.Policy, error) {
	var texts []string
	for _, p := range role.Policies {
		texts = append(texts, p.Text)
	}
	for _, arn := range role.AttachedPolicyARNs {
		text, ok := d.document(arn)
		if !ok {
			return nil, errNotPolicy
		}
		texts = append(texts, text)
	}
	list := make([]*policy.Policy, len(texts))
	for i, text := range texts {
		var err error
		if list[i], err = d.parsed.get(text, policy.Identity); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// document is the text of a managed policy, of this account or built in.
func (d *Directory) document(arn string) (string, bool) {
	if p, ok := BuiltIn(arn, d.scope.Partition); ok {
		return p.Text, true
	}
	p, ok := d.PolicyByARN(arn)
	if !ok {
		return "", false
	}
	i := slices.IndexFunc(p.Versions, func(v catalog.DocumentVersion) bool { return v.ID == p.Default })
	if i < 0 {
		return "", false
	}
	return p.Versions[i].Text, true
}

// PolicyByARN finds the managed policy of this account that an ARN names.
func (d *Directory) PolicyByARN(arn string) (*catalog.ManagedPolicy, bool) {
	p, ok := d.catalog.Policy(arn[strings.LastIndexByte(arn, '/')+1:])
	if !ok || d.PolicyARN(p.Policy) != arn {
		return nil, false
	}
	return p.Policy, true
}

// Role finds a role by its name.
func (d *Directory) Role(name string) (*catalog.Role, error) {
	r, ok := d.catalog.Role(name)
	if !ok {
		return nil, noRole(name)
	}
	return r.Role, nil
}

func noRole(name string) error {
	return lambda.Errorf(CodeNoSuchEntity, "The role with name %s cannot be found.", name)
}

// Roles lists the roles below a path, sorted by name.
func (d *Directory) Roles(path string) (list []*catalog.Role) {
	for _, r := range d.catalog.Roles() {
		if strings.HasPrefix(r.Role.Path, path) {
			list = append(list, r.Role)
		}
	}
	return list
}

// CreateRole makes a role, which has a name, a path and a trust policy.
func (d *Directory) CreateRole(ctx context.Context, r catalog.Role) (*catalog.Role, error) {
	if err := d.check(r.Trust, policy.Trust, maxTrust); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.catalog.Role(r.Name); ok {
		return nil, lambda.Errorf(CodeEntityAlreadyExists, "Role with name %s already exists.", r.Name)
	}
	if len(d.catalog.Roles()) >= maxRoles {
		return nil, exceeded("RolesPerAccount", maxRoles)
	}
	r.ID, r.CreatedAt = newID(rolePrefix), time.Now().UTC().Truncate(time.Second)
	record, err := d.catalog.PutRole(ctx, &r, 0)
	return record.Role, written(err)
}

func exceeded(what string, limit int) error {
	return lambda.Errorf(CodeLimitExceeded, "Cannot exceed quota for %s: %d", what, limit)
}

// written puts a conflict in the service's words: another server has changed the
// same.
func written(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return lambda.Errorf(codeConcurrentModification, "The request was rejected because multiple requests to change this object were submitted simultaneously. Wait a few minutes and submit your request again.")
	}
	return err
}

// check refuses a document that cannot be evaluated.
func (d *Directory) check(text string, kind policy.Kind, limit int) error {
	if len(text) > limit {
		return lambda.Errorf(CodeLimitExceeded, "Cannot exceed quota for PolicySize: %d", limit)
	}
	p, err := policy.Parse(text, kind)
	switch {
	case err != nil:
	case len(p.Statements) == 0:
		err = errors.New("it has no statements")
	case kind == policy.Identity:
		err = p.CheckResources()
	}
	if err != nil {
		return lambda.Errorf(CodeMalformedPolicyDocument, "The policy is malformed: %v.", err)
	}
	return nil
}

// changeRole replaces a role by what edit makes of a copy, of whose slices and maps
// edit replaces what it changes.
func (d *Directory) changeRole(ctx context.Context, name string, edit func(*catalog.Role) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	record, ok := d.catalog.Role(name)
	if !ok {
		return noRole(name)
	}
	r := *record.Role
	if err := edit(&r); err != nil {
		return err
	}
	_, err := d.catalog.PutRole(ctx, &r, record.Revision)
	return written(err)
}

// DeleteRole removes a role without policies.
func (d *Directory) DeleteRole(ctx context.Context, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	record, ok := d.catalog.Role(name)
	switch {
	case !ok:
		return noRole(name)
	case len(record.Role.AttachedPolicyARNs) > 0:
		return lambda.Errorf(CodeDeleteConflict, "Cannot delete entity, must detach all policies first.")
	case len(record.Role.Policies) > 0:
		return lambda.Errorf(CodeDeleteConflict, "Cannot delete entity, must delete policies first.")
	}
	return written(d.catalog.DeleteRole(ctx, name, record.Revision))
}

// SetTrust changes who may assume a role.
func (d *Directory) SetTrust(ctx context.Context, name, text string) error {
	if err := d.check(text, policy.Trust, maxTrust); err != nil {
		return err
	}
	return d.changeRole(ctx, name, func(r *catalog.Role) error {
		r.Trust = text
		return nil
	})
}

// UpdateRole changes a role's description and how long its sessions last at most,
// where they are not nil.
func (d *Directory) UpdateRole(ctx context.Context, name string, description *string, maxSession *int) error {
	return d.changeRole(ctx, name, func(r *catalog.Role) error {
		if description != nil {
			r.Description = *description
		}
		if maxSession != nil {
			r.MaxSessionSeconds = *maxSession
		}
		return nil
	})
}

// PutRolePolicy gives a role a policy of its own.
func (d *Directory) PutRolePolicy(ctx context.Context, role string, p catalog.Document) error {
	if err := d.check(p.Text, policy.Identity, maxRoleDocuments); err != nil {
		return err
	}
	return d.changeRole(ctx, role, func(r *catalog.Role) error {
		at, found := findDocument(r.Policies, p.Name)
		r.Policies = slices.Clone(r.Policies)
		if found {
			r.Policies[at] = p
		} else {
			r.Policies = slices.Insert(r.Policies, at, p)
		}
		size := 0
		for _, p := range r.Policies {
			size += len(p.Text)
		}
		if size > maxRoleDocuments {
			return lambda.Errorf(CodeLimitExceeded, "Maximum policy size of %d bytes exceeded for role %s", maxRoleDocuments, r.Name)
		}
		return nil
	})
}

func findDocument(list []catalog.Document, name string) (int, bool) {
	return slices.BinarySearchFunc(list, name, func(p catalog.Document, name string) int { return strings.Compare(p.Name, name) })
}

func noRolePolicy(name string) error {
	return lambda.Errorf(CodeNoSuchEntity, "The role policy with name %s cannot be found.", name)
}

// RolePolicy shows a policy of a role's own.
func (d *Directory) RolePolicy(role, name string) (text string, err error) {
	r, err := d.Role(role)
	if err != nil {
		return "", err
	}
	at, found := findDocument(r.Policies, name)
	if !found {
		return "", noRolePolicy(name)
	}
	return r.Policies[at].Text, nil
}

// DeleteRolePolicy takes it away.
func (d *Directory) DeleteRolePolicy(ctx context.Context, role, name string) error {
	return d.changeRole(ctx, role, func(r *catalog.Role) error {
		at, found := findDocument(r.Policies, name)
		if !found {
			return noRolePolicy(name)
		}
		r.Policies = slices.Delete(slices.Clone(r.Policies), at, at+1)
		return nil
	})
}

// Attach gives a role a managed policy; one that it has is no error.
func (d *Directory) Attach(ctx context.Context, role, arn string) error {
	return d.changeRole(ctx, role, func(r *catalog.Role) error {
		if _, ok := d.document(arn); !ok {
			return noPolicy(arn)
		}
		if slices.Contains(r.AttachedPolicyARNs, arn) {
			return nil
		}
		if len(r.AttachedPolicyARNs) >= maxAttached {
			return exceeded("PoliciesPerRole", maxAttached)
		}
		r.AttachedPolicyARNs = append(slices.Clone(r.AttachedPolicyARNs), arn)
		return nil
	})
}

// Detach takes it away.
func (d *Directory) Detach(ctx context.Context, role, arn string) error {
	return d.changeRole(ctx, role, func(r *catalog.Role) error {
		at := slices.Index(r.AttachedPolicyARNs, arn)
		if at < 0 {
			return lambda.Errorf(CodeNoSuchEntity, "Policy %s was not found.", arn)
		}
		r.AttachedPolicyARNs = slices.Delete(slices.Clone(r.AttachedPolicyARNs), at, at+1)
		return nil
	})
}
