package iam

import (
	"errors"
	"slices"
	"strings"
	"time"

	"thaw/internal/iam/policy"
	"thaw/internal/lambda"
)

// CodeUnmodifiable is the error of a change of the administrator, who has no
// policies and stays.
const CodeUnmodifiable = "UnmodifiableEntity"

// The quotas of users, from the service's documentation but for the first.
const (
	maxUsers    = 1000
	maxUserKeys = 2
	maxUserDocs = 2048 // bytes, of all a user's own policies
)

func noUser(name string) error {
	return lambda.Errorf(CodeNoSuchEntity, "The user with name %s cannot be found.", name)
}

// exists tells whether there is a user: one that is kept, or has a key.
func (c *Contents) exists(name string) bool {
	return name == Administrator ||
		slices.ContainsFunc(c.Users, func(u User) bool { return u.Name == name }) ||
		slices.ContainsFunc(c.Keys, func(k Key) bool { return k.User == name })
}

// contents are those of the keyring; nothing if there is none.
func (d *Directory) contents() Contents {
	if d.users == nil {
		return Contents{}
	}
	return d.users.state.Load().Contents
}

// UserARN is the ARN of a user of a name: where he is, if he is there.
func (d *Directory) UserARN(name string) string {
	path := ""
	if d.users != nil {
		u, _ := d.users.entry(name)
		path = u.Path
	}
	return userARN(d.scope, path, name)
}

// NewUserARN is the ARN of a user at a path.
func (d *Directory) NewUserARN(path, name string) string { return userARN(d.scope, path, name) }

// User finds a user. Of one that is known by his keys only, the first one's time is
// his.
func (d *Directory) User(name string) (User, error) {
	c := d.contents()
	if !c.exists(name) {
		return User{}, noUser(name)
	}
	return c.described(name), nil
}

func (c *Contents) described(name string) User {
	u := User{Name: name}
	for _, one := range c.Users {
		if one.Name == name {
			u = one
		}
	}
	if u.Path == "" {
		u.Path = "/"
	}
	for _, key := range c.Keys {
		if key.User == name && u.CreatedAt.IsZero() {
			u.CreatedAt = key.CreatedAt
		}
	}
	return u
}

// AllUsers lists the users below a path, sorted by name.
func (d *Directory) AllUsers(path string) (list []User) {
	c := d.contents()
	var names []string
	for _, u := range c.Users {
		names = append(names, u.Name)
	}
	for _, k := range c.Keys {
		names = append(names, k.User)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if u := c.described(name); strings.HasPrefix(u.Path, path) {
			list = append(list, u)
		}
	}
	return list
}

// UsersWith are those to whom a managed policy is attached.
func (d *Directory) UsersWith(arn string) (names []string) {
	for _, u := range d.contents().Users {
		if slices.Contains(u.AttachedPolicyARNs, arn) {
			names = append(names, u.Name)
		}
	}
	return names
}

// edit changes the keyring. It is ordered with the changes of managed policies,
// which users refer to.
func (d *Directory) edit(edit func(*Contents) error) error {
	if d.users == nil {
		return errors.New("change users: there is no keyring")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.users.Edit(func(c *Contents) error {
		before, administrated := len(c.Keys), administered(c.Keys)
		if err := edit(c); err != nil {
			return err
		}
		switch {
		case firstUsable(c.Keys) < 0 || administrated && !administered(c.Keys):
			return lambda.Errorf(CodeDeleteConflict, "No access key would be left to the administrator: one that is permanent and active must be there.")
		case len(c.Keys) > before && len(c.Keys) > maxKeys:
			return exceeded("AccessKeysPerAccount", maxKeys)
		}
		return nil
	})
	if errors.Is(err, errLargeFile) {
		return lambda.Errorf(CodeLimitExceeded, "The users and their policies are more than can be kept.")
	}
	return err
}

// editUser changes a user who is there and is not the administrator.
func (d *Directory) editUser(name string, edit func(*User) error) error {
	return d.edit(func(c *Contents) error {
		switch {
		case !c.exists(name):
			return noUser(name)
		case name == Administrator:
			return lambda.Errorf(CodeUnmodifiable, "The user %s may do everything, and cannot be changed.", name)
		}
		return edit(c.user(name))
	})
}

// CreateUser makes a user, who may do nothing yet.
func (d *Directory) CreateUser(u User) (made User, err error) {
	err = d.edit(func(c *Contents) error {
		same := func(name string) bool { return strings.EqualFold(name, u.Name) }
		if same(Administrator) || slices.ContainsFunc(c.Users, func(u User) bool { return same(u.Name) }) ||
			slices.ContainsFunc(c.Keys, func(k Key) bool { return same(k.User) }) {
			return lambda.Errorf(CodeEntityAlreadyExists, "User with name %s already exists.", u.Name)
		}
		if len(c.Users) >= maxUsers {
			return exceeded("UsersPerAccount", maxUsers)
		}
		u.CreatedAt = time.Now().UTC().Truncate(time.Second)
		*c.user(u.Name) = u
		made = c.described(u.Name)
		return nil
	})
	return made, err
}

// UpdateUser gives a user another path or name, where they are not empty. His keys
// stay his.
func (d *Directory) UpdateUser(name, newPath, newName string) error {
	return d.edit(func(c *Contents) error {
		switch {
		case !c.exists(name):
			return noUser(name)
		case name == Administrator || newName == Administrator:
			return lambda.Errorf(CodeUnmodifiable, "The user %s cannot be changed.", Administrator)
		case newName != "" && !strings.EqualFold(newName, name) && c.exists(newName):
			return lambda.Errorf(CodeEntityAlreadyExists, "User with name %s already exists.", newName)
		}
		u := c.described(name)
		if newPath != "" {
			u.Path = newPath
		}
		if newName != "" {
			u.Name = newName
			c.Users = slices.DeleteFunc(slices.Clone(c.Users), func(u User) bool { return u.Name == name })
			c.Keys = slices.Clone(c.Keys)
			for i := range c.Keys {
				if c.Keys[i].User == name {
					c.Keys[i].User = newName
				}
			}
		}
		*c.user(u.Name) = u
		return nil
	})
}

// DeleteUser removes a user without keys and policies.
func (d *Directory) DeleteUser(name string) error {
	return d.edit(func(c *Contents) error {
		u := c.described(name)
		switch {
		case !c.exists(name):
			return noUser(name)
		case name == Administrator:
			return lambda.Errorf(CodeUnmodifiable, "The user %s stays.", name)
		case len(u.AttachedPolicyARNs) > 0:
			return lambda.Errorf(CodeDeleteConflict, "Cannot delete entity, must detach all policies first.")
		case len(u.Policies) > 0:
			return lambda.Errorf(CodeDeleteConflict, "Cannot delete entity, must delete policies first.")
		case slices.ContainsFunc(c.Keys, func(k Key) bool { return k.User == name && !k.Temporary() }):
			return lambda.Errorf(CodeDeleteConflict, "Cannot delete entity, must delete access keys first.")
		}
		c.Users = slices.DeleteFunc(slices.Clone(c.Users), func(u User) bool { return u.Name == name })
		c.Keys = slices.DeleteFunc(slices.Clone(c.Keys), func(k Key) bool { return k.User == name })
		return nil
	})
}

// PutUserPolicy gives a user a policy of his own.
func (d *Directory) PutUserPolicy(user string, p NamedPolicy) error {
	if err := d.check(p.Document, policy.Identity, maxUserDocs); err != nil {
		return err
	}
	return d.edit(func(c *Contents) error {
		switch {
		case !c.exists(user):
			return noUser(user)
		case user == Administrator:
			return lambda.Errorf(CodeUnmodifiable, "The user %s may do everything, and has no policies.", user)
		}
		c.Set(user, p)
		u, size := c.described(user), 0
		for _, p := range u.Policies {
			size += len(p.Document)
		}
		if size > maxUserDocs {
			return lambda.Errorf(CodeLimitExceeded, "Maximum policy size of %d bytes exceeded for user %s", maxUserDocs, user)
		}
		if len(u.Policies) > maxUserPolicies {
			return exceeded("InlinePoliciesPerUser", maxUserPolicies)
		}
		return nil
	})
}

// UserPolicy shows a policy of a user's own.
func (d *Directory) UserPolicy(user, name string) (document string, err error) {
	u, err := d.User(user)
	if err != nil {
		return "", err
	}
	for _, p := range u.Policies {
		if p.Name == name {
			return p.Document, nil
		}
	}
	return "", noUserPolicy(name)
}

func noUserPolicy(name string) error {
	return lambda.Errorf(CodeNoSuchEntity, "The user policy with name %s cannot be found.", name)
}

// DeleteUserPolicy takes it away.
func (d *Directory) DeleteUserPolicy(user, name string) error {
	return d.edit(func(c *Contents) error {
		if !c.exists(user) {
			return noUser(user)
		}
		if !c.Remove(user, name) {
			return noUserPolicy(name)
		}
		return nil
	})
}

// AttachToUser gives a user a managed policy; one that he has is no error.
func (d *Directory) AttachToUser(user, arn string) error {
	return d.editUser(user, func(u *User) error {
		if _, ok := d.document(arn); !ok {
			return noPolicy(arn)
		}
		if slices.Contains(u.AttachedPolicyARNs, arn) {
			return nil
		}
		if len(u.AttachedPolicyARNs) >= maxAttached {
			return exceeded("PoliciesPerUser", maxAttached)
		}
		u.AttachedPolicyARNs = append(slices.Clone(u.AttachedPolicyARNs), arn)
		return nil
	})
}

// DetachFromUser takes it away.
func (d *Directory) DetachFromUser(user, arn string) error {
	return d.edit(func(c *Contents) error {
		if !c.exists(user) {
			return noUser(user)
		}
		u := c.user(user)
		at := slices.Index(u.AttachedPolicyARNs, arn)
		if at < 0 {
			return lambda.Errorf(CodeNoSuchEntity, "Policy %s was not found.", arn)
		}
		u.AttachedPolicyARNs = slices.Delete(slices.Clone(u.AttachedPolicyARNs), at, at+1)
		c.Users = slices.DeleteFunc(c.Users, func(u User) bool { return u.bare() })
		return nil
	})
}

// UserKeys lists the permanent keys of a user.
func (d *Directory) UserKeys(user string) (keys []Key, err error) {
	c := d.contents()
	if !c.exists(user) {
		return nil, noUser(user)
	}
	for _, k := range c.Keys {
		if k.User == user && !k.Temporary() {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// CreateKey makes a key of a user.
func (d *Directory) CreateKey(user string) (key Key, err error) {
	err = d.edit(func(c *Contents) error {
		if !c.exists(user) {
			return noUser(user)
		}
		own := 0
		for _, k := range c.Keys {
			if k.User == user && !k.Temporary() {
				own++
			}
		}
		if own >= maxUserKeys {
			return exceeded("AccessKeysPerUser", maxUserKeys)
		}
		key = NewKey(user)
		c.Keys = append(slices.Clone(c.Keys), key)
		return nil
	})
	return key, err
}

func noKey(id string) error {
	return lambda.Errorf(CodeNoSuchEntity, "The Access Key with id %s cannot be found.", id)
}

// ownKey finds a permanent key of a user in a copy of the keys.
func (c *Contents) ownKey(user, id string) (at int, err error) {
	if !c.exists(user) {
		return 0, noUser(user)
	}
	c.Keys = slices.Clone(c.Keys)
	at = slices.IndexFunc(c.Keys, func(k Key) bool { return k.ID == id && k.User == user && !k.Temporary() })
	if at < 0 {
		return 0, noKey(id)
	}
	return at, nil
}

// SetKey lets a key be used, or not.
func (d *Directory) SetKey(user, id string, active bool) error {
	return d.edit(func(c *Contents) error {
		at, err := c.ownKey(user, id)
		if err == nil {
			c.Keys[at].Disabled = !active
		}
		return err
	})
}

// DeleteKey removes a key. A user who is known by nothing else goes with the last.
func (d *Directory) DeleteKey(user, id string) error {
	return d.edit(func(c *Contents) error {
		at, err := c.ownKey(user, id)
		if err == nil {
			c.Keys = slices.Delete(c.Keys, at, at+1)
		}
		return err
	})
}
