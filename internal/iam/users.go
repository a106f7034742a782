package iam

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"thaw/internal/iam/policy"
)

// Contents is what the file of a keyring holds.
type Contents struct {
	Keys  []Key // in the order in which they were made
	Users []User
}

// User is a user with policies of his own, or one that was made by the API. Others
// are known by their keys.
type User struct {
	Name     string
	Policies []NamedPolicy // sorted by name
	// The rest is known of users that the API has made or changed. CreatedAt is zero
	// for others, Path empty for "/".
	Path               string
	CreatedAt          time.Time
	AttachedPolicyARNs []string // in the order in which they were attached
	Tags               map[string]string
}

// bare tells a user of whom nothing is kept but the name.
func (u *User) bare() bool {
	return len(u.Policies)+len(u.AttachedPolicyARNs)+len(u.Tags) == 0 && u.Path == "" && u.CreatedAt.IsZero()
}

// NamedPolicy is a policy of a user or a role.
type NamedPolicy struct{ Name, Document string }

// Documents that verbs offer by name.
const (
	// FullAccess allows everything.
	FullAccess = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	// ReadOnly allows what changes nothing, and no invocation. Functions' code and
	// environment variables are read by it.
	ReadOnly = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["lambda:Get*","lambda:List*","logs:Describe*","logs:Get*","logs:List*","logs:FilterLogEvents","logs:StartLiveTail","cloudwatch:Get*","cloudwatch:List*","sqs:GetQueueAttributes","sqs:GetQueueUrl","sqs:List*","iam:Get*","iam:List*"],"Resource":"*"}]}`
)

// maxUserPolicy bounds a policy of a user, in bytes, and maxUserPolicies how many
// he has.
const (
	maxUserPolicy   = 10 << 10
	maxUserPolicies = 20
	// policyOfBefore is the name of what users have who come from a file without
	// users.
	policyOfBefore = "full-access"
)

// Set gives a user a policy, in place of one of that name.
func (c *Contents) Set(user string, p NamedPolicy) {
	u := c.user(user)
	u.Policies = slices.Clone(u.Policies)
	i, found := slices.BinarySearchFunc(u.Policies, p.Name, func(p NamedPolicy, name string) int { return strings.Compare(p.Name, name) })
	if !found {
		u.Policies = slices.Insert(u.Policies, i, p)
	}
	u.Policies[i] = p
}

// user is the entry of a user, which is made if there is none.
func (c *Contents) user(name string) *User {
	c.Users = slices.Clone(c.Users)
	at, found := slices.BinarySearchFunc(c.Users, name, func(u User, name string) int { return strings.Compare(u.Name, name) })
	if !found {
		c.Users = slices.Insert(c.Users, at, User{Name: name})
	}
	return &c.Users[at]
}

// Remove takes a policy from a user; ok is false if he has none of that name.
func (c *Contents) Remove(user, name string) (ok bool) {
	c.Users = slices.Clone(c.Users)
	for i := range c.Users {
		u := &c.Users[i]
		if u.Name != user {
			continue
		}
		left := slices.DeleteFunc(slices.Clone(u.Policies), func(p NamedPolicy) bool { return p.Name == name })
		ok = len(left) < len(u.Policies)
		u.Policies = left
	}
	c.Users = slices.DeleteFunc(c.Users, func(u User) bool { return u.bare() })
	return ok
}

type userFormat struct {
	Name     string         `json:"name"`
	Policies []policyFormat `json:"policies"`
	// Since format 4.
	Path      string            `json:"path,omitempty"`
	CreatedAt time.Time         `json:"created_at,omitzero"`
	Attached  []string          `json:"attached,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
}

type policyFormat struct {
	Name     string `json:"name"`
	Document string `json:"document"`
}

func usersOf(formats []userFormat) (users []User) {
	for _, f := range formats {
		u := User{Name: f.Name, Path: f.Path, CreatedAt: f.CreatedAt, AttachedPolicyARNs: f.Attached, Tags: f.Tags}
		for _, p := range f.Policies {
			u.Policies = append(u.Policies, NamedPolicy(p))
		}
		users = append(users, u)
	}
	return users
}

func formatUsers(users []User) (formats []userFormat) {
	for _, u := range users {
		f := userFormat{Name: u.Name, Path: u.Path, CreatedAt: u.CreatedAt, Attached: u.AttachedPolicyARNs, Tags: u.Tags}
		for _, p := range u.Policies {
			f.Policies = append(f.Policies, policyFormat(p))
		}
		formats = append(formats, f)
	}
	return formats
}

// usersOfBefore are the users of a file whose every key could do everything: what
// they could they can, by a policy that can be seen and taken away.
func usersOfBefore(keys []Key) []User {
	var c Contents
	for i := range keys {
		if keys[i].User != Administrator {
			c.Set(keys[i].User, NamedPolicy{policyOfBefore, FullAccess})
		}
	}
	return c.Users
}

// readUsers reads the policies of users by their names.
func readUsers(users []User) (map[string][]*policy.Policy, error) {
	read := map[string][]*policy.Policy{}
	for _, u := range users {
		if _, twice := read[u.Name]; twice || u.Name == "" || u.Name == Administrator {
			return nil, fmt.Errorf("user %q cannot have policies, or is there twice", u.Name)
		}
		if len(u.Policies) > maxUserPolicies {
			return nil, fmt.Errorf("user %q has %d policies, at most %d", u.Name, len(u.Policies), maxUserPolicies)
		}
		list := []*policy.Policy{}
		for _, p := range u.Policies {
			if len(p.Document) > maxUserPolicy {
				return nil, fmt.Errorf("policy %q of user %q has %d bytes, at most %d", p.Name, u.Name, len(p.Document), maxUserPolicy)
			}
			one, err := policy.Parse(p.Document, policy.Identity)
			if err != nil {
				return nil, fmt.Errorf("policy %q of user %q: %w", p.Name, u.Name, err)
			}
			list = append(list, one)
		}
		read[u.Name] = list
	}
	return read, nil
}
