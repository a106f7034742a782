package iam

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"thaw/internal/iam/policy"
	"thaw/internal/lambda"
	"thaw/internal/vault"
)

// Session is for whom temporary credentials of a role speak.
type Session struct {
	// ARN is the role under the session's name:
	// "arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION".
	ARN string
	// Role is the role's ARN.
	Role string
	// Function is the ARN of the function whose session it is; empty for others'.
	Function string
	// ID is "ROLE-ID:SESSION", empty if nobody knows the role.
	ID string
	// Policy limits what the session may do; empty for no limit.
	Policy    string
	StartedAt time.Time
}

// Caller is who a request comes from: a user or a session. The caller without
// either is whoever comes to a server that asks for no signatures.
type Caller struct {
	Session *Session
	User    string
	// Temporary tells a user's temporary key.
	Temporary bool
}

// Administrator tells who may do everything: the administrator, and anybody on a
// server that asks for no signatures.
func (c Caller) Administrator() bool {
	return c.Session == nil && (c.User == "" || c.User == Administrator)
}

// callerKey is of the caller in a context.
type callerKey struct{}

// WithCaller marks a connection, by its context, as one that comes from a
// function. It counts where signatures do not: on a server without authentication.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf returns the caller that a connection was marked with.
func CallerOf(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}

// Roles knows the policies of roles.
type Roles interface {
	// PoliciesOf returns those of the role that a session has assumed, if the role
	// is still there and is one that the session may speak for.
	PoliciesOf(s *Session) []*policy.Policy
	// Managed returns managed policies. Where one is not there or cannot be read,
	// the answer denies everything.
	Managed(arns []string) []*policy.Policy
}

// AccessOptions configure an Access.
type AccessOptions struct {
	Keyring *Keyring
	Scope   lambda.Scope
	// Roles may be nil: then sessions have no policies.
	Roles Roles
	// Vault seals the tokens of assumed roles; nil if none are assumed.
	Vault *vault.Vault
	// Allowed are patterns of the actions that all functions may take, whatever the
	// policies of their roles do not deny.
	Allowed []string
}

// Access answers whose a key is and what its owner may do: the keys of the
// keyring are users'; those of functions' sessions are in memory only, from Open
// until Close; and those of assumed roles are in their tokens, sealed. Its methods may be called from any goroutine; the administrator's key
// takes no lock.
type Access struct {
	keyring *Keyring
	scope   lambda.Scope
	roles   Roles
	allowed []pattern
	parsed  documents
	vault   *vault.Vault

	mu       sync.RWMutex
	sessions map[string]opened // by the key's ID
	// assumedCount is how many of them are of assumed roles.
	assumedCount int
}

// opened is a session with its key. An assumed one is in its token too.
type opened struct {
	key     Key
	session *Session
	assumed bool
}

// NewAccess makes an Access without a session.
func NewAccess(o AccessOptions) (*Access, error) {
	a := &Access{keyring: o.Keyring, scope: o.Scope, roles: o.Roles, vault: o.Vault, sessions: map[string]opened{}}
	for _, text := range o.Allowed {
		p, err := parsePattern(text)
		if err != nil {
			return nil, err
		}
		a.allowed = append(a.allowed, p)
	}
	return a, nil
}

// Open makes the key of a session and its token. It works until Close.
func (a *Access) Open(s Session) (key Key, token string) {
	key, token = NewSession(s.ARN, 0)
	key.ExpiresAt = time.Time{}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sessions[key.ID] = opened{key: key, session: &s}
	return key, token
}

// Close revokes a session's key.
func (a *Access) Close(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.sessions, id)
}

func (a *Access) session(id string) (opened, bool) {
	if !strings.HasPrefix(id, temporaryPrefix) {
		return opened{}, false
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	o, ok := a.sessions[id]
	return o, ok
}

// Secret finds the secret of a key, as Keyring.Secret does.
func (a *Access) Secret(id, token string, now time.Time) (string, error) {
	o, ok := a.session(id)
	if !ok {
		if o, ok = a.unseal(id, token, now); !ok {
			return a.keyring.Secret(id, token, now)
		}
	}
	if !o.key.opensWith(token) {
		return "", errUnrecognized()
	}
	if !o.key.Usable(now) {
		return "", lambda.Errorf(codeExpiredToken, "The security token included in the request is expired")
	}
	return o.key.Secret, nil
}

// Caller tells whose key it is. A key that has been revoked since its signature
// was verified is nobody's.
func (a *Access) Caller(id string) (Caller, error) {
	if o, ok := a.session(id); ok {
		return Caller{Session: o.session}, nil
	}
	user, temporary, ok := a.keyring.user(id)
	if !ok {
		return Caller{}, errUnrecognized()
	}
	return Caller{User: user, Temporary: temporary}, nil
}

// pattern is a service and a pattern of its actions, in lower case: the case of
// actions does not count.
type pattern struct{ service, action string }

var errNotPattern = errors.New(`an action is SERVICE:OPERATION, such as lambda:InvokeFunction or lambda:List*`)

func parsePattern(text string) (pattern, error) {
	service, action, ok := strings.Cut(strings.ToLower(strings.TrimSpace(text)), ":")
	if !ok || !isWord(service, "-") || !isWord(action, "*?") {
		return pattern{}, fmt.Errorf("%q: %w", text, errNotPattern)
	}
	return pattern{service, action}, nil
}

// isWord tells whether a text has lower-case letters, digits and what else may be
// in it, and one of them at least.
func isWord(s, further string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune(further, c) {
			return false
		}
	}
	return s != ""
}

func (p pattern) matches(action string) bool {
	service, operation, _ := strings.Cut(strings.ToLower(action), ":")
	return service == p.service && policy.Like(operation, p.action)
}
