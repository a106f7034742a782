package iam

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"thaw/internal/iam/policy"
	"thaw/internal/lambda"
)

const (
	// maxAssumed bounds the sessions of assumed roles that are remembered. One that
	// is forgotten is read from its token again.
	maxAssumed = 10_000
	// maxSessionPolicy bounds a session's own policy, in bytes, from the service's
	// documentation.
	maxSessionPolicy = 2048
	// maxChained is how long a session may last that another one has begun.
	maxChained = time.Hour
	// CodeQueryDenied is what STS and IAM call AccessDeniedException.
	CodeQueryDenied = "AccessDenied"
)

// AssumeInput asks for credentials of a role.
type AssumeInput struct {
	RoleARN, SessionName string
	Lifetime             time.Duration
	// Policy limits the session; empty for no limit.
	Policy  string
	Context policy.Context
}

// Assumed is what is given.
type Assumed struct {
	Key     Key
	Token   string
	Session Session
}

// sealedSession is what a token of an assumed role says, to this server only.
type sealedSession struct {
	Secret    string    `json:"secret"`
	ExpiresAt time.Time `json:"expiresAt"`
	Session   Session   `json:"session"`
}

// tokenPlace binds a token to its key.
func tokenPlace(id string) string { return "session token of " + id }

// Assume gives credentials of a role to whom its trust policy names, and whom his
// own policies do not deny it. Whom it names by his account they must allow it.
func (a *Access) Assume(c Caller, d *Directory, in AssumeInput) (Assumed, error) {
	q := Question{Action: assumeRole, Resource: in.RoleARN, Context: in.Context}
	verdict, err := a.evaluate(c, q)
	if err != nil {
		return Assumed{}, err
	}
	if verdict != policy.Allowed && verdict != policy.Silent {
		return Assumed{}, a.denied(c, q, verdict)
	}
	role, ok := d.ByARN(in.RoleARN)
	if !ok {
		return Assumed{}, a.noTrust(c, in.RoleARN)
	}
	trust, err := d.parsed.get(role.Trust, policy.Trust)
	if err != nil {
		return Assumed{}, err
	}
	if !policy.Trusts(trust, a.request(c, q), verdict == policy.Allowed) {
		return Assumed{}, a.noTrust(c, in.RoleARN)
	}
	if err := checkSession(c, role.MaxSessionSeconds, &in); err != nil {
		return Assumed{}, err
	}
	return a.assumed(Session{
		ARN:  "arn:" + a.scope.Partition + ":sts::" + a.scope.Account + ":assumed-role/" + role.Name + "/" + in.SessionName,
		Role: in.RoleARN, ID: role.ID + ":" + in.SessionName, Policy: in.Policy, StartedAt: time.Now().UTC().Truncate(time.Second),
	}, in.Lifetime)
}

// noTrust is the same for a role that is not there and for one that trusts others.
func (a *Access) noTrust(c Caller, arn string) error {
	return lambda.Errorf(lambda.CodeAccessDenied, "User: %s is not authorized to perform: %s on resource: %s", a.Principal(c).ARN, assumeRole, arn)
}

func checkSession(c Caller, maxSeconds int, in *AssumeInput) error {
	switch {
	case c.Session != nil && in.Lifetime > maxChained:
		return lambda.Errorf(CodeValidationError, "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	case in.Lifetime > time.Duration(maxSeconds)*time.Second:
		return lambda.Errorf(CodeValidationError, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	case in.Policy == "":
		return nil
	case len(in.Policy) > maxSessionPolicy:
		return lambda.Errorf("PackedPolicyTooLarge", "The session policy has %d bytes, more than %d.", len(in.Policy), maxSessionPolicy)
	}
	if _, err := policy.Parse(in.Policy, policy.Identity); err != nil {
		return lambda.Errorf(CodeMalformedPolicyDocument, "The policy is malformed: %v.", err)
	}
	return nil
}

// assumed makes the key of a session, whose token says all of it.
func (a *Access) assumed(s Session, lifetime time.Duration) (Assumed, error) {
	key, _ := NewSession(s.ARN, lifetime)
	plain, err := json.Marshal(sealedSession{Secret: key.Secret, ExpiresAt: key.ExpiresAt, Session: s})
	if err != nil {
		return Assumed{}, fmt.Errorf("seal session: %w", err)
	}
	token := base64.StdEncoding.EncodeToString(a.vault.Seal(tokenPlace(key.ID), plain))
	key.TokenSHA256 = digest(token)
	return Assumed{Key: key, Token: token, Session: s}, nil
}

// unseal reads the session of an assumed role from its token, and remembers it for
// Caller. ok is false for what this server has not sealed for the key.
func (a *Access) unseal(id, token string, now time.Time) (o opened, ok bool) {
	if a.vault == nil || !strings.HasPrefix(id, temporaryPrefix) || token == "" {
		return o, false
	}
	sealed, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return o, false
	}
	plain, err := a.vault.Unseal(tokenPlace(id), sealed)
	if err != nil {
		return o, false
	}
	var s sealedSession
	if json.Unmarshal(plain, &s) != nil || s.Secret == "" {
		return o, false
	}
	o = opened{session: &s.Session, assumed: true,
		key: Key{ID: id, Secret: s.Secret, User: s.Session.ARN, ExpiresAt: s.ExpiresAt, TokenSHA256: digest(token)}}
	a.remember(o, now)
	return o, true
}

// remember keeps an assumed session, and forgets others where there are too many.
func (a *Access) remember(o opened, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.assumedCount >= maxAssumed {
		for id, old := range a.sessions {
			if old.assumed && (!old.key.Usable(now) || a.assumedCount >= maxAssumed) {
				delete(a.sessions, id)
				a.assumedCount--
			}
		}
	}
	if _, known := a.sessions[o.key.ID]; !known {
		a.assumedCount++
	}
	a.sessions[o.key.ID] = o
}
