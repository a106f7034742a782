package iam

import (
	"context"
	"maps"
	"strings"

	"thaw/internal/catalog"
)

// maxTags bounds the tags of a role, a user or a policy.
const maxTags = 50

// retagged are tags with some set and some taken away.
func retagged(tags, set map[string]string, remove []string) (map[string]string, error) {
	changed := map[string]string{}
	maps.Copy(changed, tags)
	maps.Copy(changed, set)
	for _, key := range remove {
		delete(changed, key)
	}
	if len(changed) > maxTags {
		return nil, exceeded("TagsPerResource", maxTags)
	}
	if len(changed) == 0 {
		changed = nil
	}
	return changed, nil
}

// TagRole changes the tags of a role.
func (d *Directory) TagRole(ctx context.Context, name string, set map[string]string, remove []string) error {
	return d.changeRole(ctx, name, func(r *catalog.Role) (err error) {
		r.Tags, err = retagged(r.Tags, set, remove)
		return err
	})
}

// TagPolicy changes the tags of a managed policy.
func (d *Directory) TagPolicy(ctx context.Context, arn string, set map[string]string, remove []string) error {
	return d.changePolicy(ctx, arn, func(p *catalog.ManagedPolicy) (err error) {
		p.Tags, err = retagged(p.Tags, set, remove)
		return err
	})
}

// TagUser changes the tags of a user.
func (d *Directory) TagUser(name string, set map[string]string, remove []string) error {
	return d.editUser(name, func(u *User) (err error) {
		u.Tags, err = retagged(u.Tags, set, remove)
		return err
	})
}

// TagsOf are the tags of the role, user or policy that an ARN names; none if it is
// not there.
func (d *Directory) TagsOf(arn string) map[string]string {
	switch {
	case strings.Contains(arn, ":role/"):
		if r, ok := d.ByARN(arn); ok {
			return r.Tags
		}
	case strings.Contains(arn, ":policy/"):
		if p, ok := d.PolicyByARN(arn); ok {
			return p.Tags
		}
	case strings.Contains(arn, ":user/"):
		name := arn[strings.LastIndexByte(arn, '/')+1:]
		if u, err := d.User(name); err == nil && d.UserARN(name) == arn {
			return u.Tags
		}
	}
	return nil
}
