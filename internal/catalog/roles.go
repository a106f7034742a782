package catalog

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"thaw/internal/store"
)

// Role is a role with its own policies and those that are attached to it. The
// structures of this file are stored as they stand.
type Role struct {
	Name        string    `json:"name"`
	Path        string    `json:"path"` // "/" or "/a/b/"
	ID          string    `json:"id"`   // never given again
	Description string    `json:"description,omitempty"`
	CreatedAt   time.Time `json:"createdAt"`
	// Trust is the document that says who may assume it.
	Trust              string            `json:"trust"`
	MaxSessionSeconds  int               `json:"maxSessionSeconds"`
	Policies           []Document        `json:"policies,omitempty"` // sorted by name
	AttachedPolicyARNs []string          `json:"attached,omitempty"` // in the order in which they were attached
	Tags               map[string]string `json:"tags,omitempty"`
}

// Document is a policy that belongs to a role.
type Document struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// ManagedPolicy is a policy that stands for itself.
type ManagedPolicy struct {
	Name        string            `json:"name"`
	Path        string            `json:"path"`
	ID          string            `json:"id"`
	Description string            `json:"description,omitempty"`
	CreatedAt   time.Time         `json:"createdAt"`
	UpdatedAt   time.Time         `json:"updatedAt"`
	Versions    []DocumentVersion `json:"versions"` // oldest first
	Default     string            `json:"default"`  // of Versions
	LastVersion int               `json:"lastVersion"`
	Tags        map[string]string `json:"tags,omitempty"`
}

// DocumentVersion is one version of a managed policy.
type DocumentVersion struct {
	ID        string    `json:"id"` // "v1"
	Text      string    `json:"text"`
	CreatedAt time.Time `json:"createdAt"`
}

// identityKey is a name as part of a key: names of roles and policies have
// characters that keys have not, and their case does not count.
func identityKey(name string) string { return hex.EncodeToString([]byte(strings.ToLower(name))) }

// RoleRecord is one role as it is stored. Neither it nor what it points to may be
// changed.
type RoleRecord struct {
	Role     *Role
	Revision store.Revision
}

func (r RoleRecord) name() string             { return identityKey(r.Role.Name) }
func (r RoleRecord) revision() store.Revision { return r.Revision }

func readRole(_ string, value []byte, revision store.Revision) (RoleRecord, error) {
	e, err := unwrap(value)
	if err == nil && e.Role == nil {
		err = errors.New("no role in the record")
	}
	return RoleRecord{Role: e.Role, Revision: revision}, err
}

// Role returns the newest known record of a role's name.
func (c *Catalog) Role(name string) (RoleRecord, bool) { return c.roles.get(identityKey(name)) }

// Roles returns all records sorted by name. The slice is shared: it is not to be
// changed.
func (c *Catalog) Roles() []RoleRecord { return c.roles.list() }

// PutRole stores a role if its revision is still expect, 0 for a new one;
// otherwise store.ErrConflict.
func (c *Catalog) PutRole(ctx context.Context, r *Role, expect store.Revision) (RoleRecord, error) {
	value, err := wrap(envelope{Role: r})
	if err != nil {
		return RoleRecord{}, fmt.Errorf("put role %q: %w", r.Name, err)
	}
	record, err := c.roles.put(ctx, c.metadata, identityKey(r.Name), value, expect)
	if err != nil {
		return RoleRecord{}, fmt.Errorf("put role %q: %w", r.Name, err)
	}
	return record, nil
}

// DeleteRole removes a role if its revision is still expect.
func (c *Catalog) DeleteRole(ctx context.Context, name string, expect store.Revision) error {
	if err := c.metadata.Delete(ctx, rolePrefix+identityKey(name), expect); err != nil {
		return fmt.Errorf("delete role %q: %w", name, err)
	}
	c.roles.forget(identityKey(name), expect)
	return nil
}

// PolicyRecord is one managed policy as it is stored. Neither it nor what it
// points to may be changed.
type PolicyRecord struct {
	Policy   *ManagedPolicy
	Revision store.Revision
}

func (r PolicyRecord) name() string             { return identityKey(r.Policy.Name) }
func (r PolicyRecord) revision() store.Revision { return r.Revision }

func readPolicy(_ string, value []byte, revision store.Revision) (PolicyRecord, error) {
	e, err := unwrap(value)
	if err == nil && e.Policy == nil {
		err = errors.New("no policy in the record")
	}
	return PolicyRecord{Policy: e.Policy, Revision: revision}, err
}

// Policy returns the newest known record of a managed policy's name.
func (c *Catalog) Policy(name string) (PolicyRecord, bool) { return c.policies.get(identityKey(name)) }

// Policies returns all records sorted by name. The slice is shared: it is not to
// be changed.
func (c *Catalog) Policies() []PolicyRecord { return c.policies.list() }

// PutPolicy stores a managed policy if its revision is still expect, 0 for a new
// one; otherwise store.ErrConflict.
func (c *Catalog) PutPolicy(ctx context.Context, p *ManagedPolicy, expect store.Revision) (PolicyRecord, error) {
	value, err := wrap(envelope{Policy: p})
	if err != nil {
		return PolicyRecord{}, fmt.Errorf("put policy %q: %w", p.Name, err)
	}
	record, err := c.policies.put(ctx, c.metadata, identityKey(p.Name), value, expect)
	if err != nil {
		return PolicyRecord{}, fmt.Errorf("put policy %q: %w", p.Name, err)
	}
	return record, nil
}

// DeletePolicy removes a managed policy if its revision is still expect.
func (c *Catalog) DeletePolicy(ctx context.Context, name string, expect store.Revision) error {
	if err := c.metadata.Delete(ctx, policyPrefix+identityKey(name), expect); err != nil {
		return fmt.Errorf("delete policy %q: %w", name, err)
	}
	c.policies.forget(identityKey(name), expect)
	return nil
}
