package iam

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"thaw/internal/lambda"
)

// Session is for whom a function's credentials speak.
type Session struct {
	// ARN is the role that the function has assumed:
	// "arn:aws:sts::ACCOUNT:assumed-role/ROLE/FUNCTION".
	ARN string
	// LogGroupARN is of the function's own log group, without ":*" at its end.
	LogGroupARN string
}

// Caller is who a request comes from: a user, who may do everything, or the
// session of a function.
type Caller struct{ Session *Session }

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

// Access answers whose a key is and what its owner may do: the keys of the
// keyring are users', and those of sessions are in memory only, from Open until
// Close. Its methods may be called from any goroutine; a user's key takes no lock.
type Access struct {
	keyring *Keyring
	allowed []pattern

	mu       sync.RWMutex
	sessions map[string]opened // by the key's ID
}

type opened struct {
	key     Key
	session *Session
}

// NewAccess makes an Access without a session. allowed are patterns of the actions
// that the sessions of functions may take besides writing their own logs.
func NewAccess(keyring *Keyring, allowed []string) (*Access, error) {
	a := &Access{keyring: keyring, sessions: map[string]opened{}}
	for _, text := range allowed {
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
	a.sessions[key.ID] = opened{key, &s}
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
		return a.keyring.Secret(id, token, now)
	}
	if !o.key.opensWith(token) {
		return "", errUnrecognized()
	}
	return o.key.Secret, nil
}

// Caller tells whose key it is. A key that has been revoked since its signature
// was verified is nobody's.
func (a *Access) Caller(id string) (Caller, error) {
	if o, ok := a.session(id); ok {
		return Caller{o.session}, nil
	}
	if !a.keyring.has(id) {
		return Caller{}, errUnrecognized()
	}
	return Caller{}, nil
}

// Authorise tells whether a caller may take an action, such as
// "lambda:InvokeFunction", on a resource. Its error is the service's
// AccessDeniedException.
func (a *Access) Authorise(c Caller, action, resource string) error {
	if c.Session == nil || c.Session.ownLog(action, resource) {
		return nil
	}
	for _, p := range a.allowed {
		if p.matches(action) {
			return nil
		}
	}
	return Denied(c, action, resource)
}

// Denied is the service's error for an action that no policy allows.
func Denied(c Caller, action, resource string) error {
	return lambda.Errorf(lambda.CodeAccessDenied,
		"User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %s action",
		c.Session.ARN, action, resource, action)
}

// ownLogActions are what every function may do to its own log group: what the
// service's role for functions allows, and reading it.
var ownLogActions = [...]string{
	"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents",
	"logs:DescribeLogStreams", "logs:GetLogEvents", "logs:FilterLogEvents",
}

func (s *Session) ownLog(action, resource string) bool {
	rest, ok := strings.CutPrefix(resource, s.LogGroupARN)
	if !ok || s.LogGroupARN == "" || rest != "" && rest[0] != ':' {
		return false
	}
	for _, own := range ownLogActions {
		if own == action {
			return true
		}
	}
	return false
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
	return service == p.service && like(operation, p.action)
}

// like tells whether a text is of a pattern, in which * stands for any characters
// and ? for one. It takes no longer than the product of their lengths.
func like(text, pattern string) bool {
	t, p := 0, 0
	star, from := -1, 0 // the last *, and where what it stands for ends
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			t++
			p++
		case star >= 0:
			from++
			t, p = from, star+1
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
