package identity

import (
	"context"
	"time"

	"thaw/internal/iam"
)

const (
	minSession     = 900   // seconds
	defaultSession = 3600  // seconds
	maxSession     = 43200 // seconds
)

// tokenOperations are those of STS.
func (h *Handler) tokenOperations() map[string]operation {
	return map[string]operation{
		"GetCallerIdentity": h.callerIdentity,
		"AssumeRole":        h.assumeRole,
	}
}

type callerIdentity struct {
	UserID  string `xml:"UserId"`
	Account string
	ARN     string `xml:"Arn"`
}

// callerIdentity needs no permission.
func (h *Handler) callerIdentity(_ context.Context, c *call) (any, error) {
	who := h.Access.Principal(c.caller)
	out := &callerIdentity{Account: who.Account, ARN: who.ARN}
	switch {
	case c.caller.Session == nil && c.caller.User == "":
		out.UserID = iam.UserID(iam.Administrator)
	case c.caller.Session == nil:
		out.UserID = iam.UserID(c.caller.User)
	case c.caller.Session.ID != "":
		out.UserID = c.caller.Session.ID
	default:
		out.UserID = h.functionID(c.caller.Session)
	}
	return out, nil
}

// functionID is "ROLE-ID:FUNCTION" of a function's session, with the identifier of
// a role that is not here made up from its name.
func (h *Handler) functionID(s *iam.Session) string {
	id := "AROA" + iam.UserID(s.Role)[4:]
	if role, ok := h.Directory.ByARN(s.Role); ok {
		id = role.ID
	}
	return id + ":" + s.ARN[lastSlash(s.ARN)+1:]
}

type assumed struct {
	Credentials struct {
		AccessKeyID     string `xml:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
		Expiration      string
	}
	AssumedRoleUser struct {
		AssumedRoleID string `xml:"AssumedRoleId"`
		ARN           string `xml:"Arn"`
	}
	PackedPolicySize *int `xml:",omitempty"`
}

func (h *Handler) assumeRole(_ context.Context, c *call) (any, error) {
	in := iam.AssumeInput{Context: iam.ContextOf(c.http)}
	var err error
	if in.RoleARN, err = c.text("RoleArn", arnRule); err != nil {
		return nil, err
	}
	if in.SessionName, err = c.text("RoleSessionName", sessionRule); err != nil {
		return nil, err
	}
	seconds, err := c.number("DurationSeconds", defaultSession, minSession, maxSession)
	if err != nil {
		return nil, err
	}
	in.Lifetime = time.Duration(seconds) * time.Second
	in.Policy, _ = c.Text("Policy")
	in.Context["sts:rolesessionname"] = []string{in.SessionName}
	if external, ok := c.Text("ExternalId"); ok {
		in.Context["sts:externalid"] = []string{external}
	}
	if err := c.refuse("PolicyArns.member.1.arn", "Tags.member.1.Key", "TransitiveTagKeys.member.1", "SerialNumber", "SourceIdentity", "ProvidedContexts.member.1.ProviderArn"); err != nil {
		return nil, err
	}
	given, err := h.Access.Assume(c.caller, h.Directory, in)
	if err != nil {
		return nil, err
	}
	out := new(assumed)
	out.Credentials.AccessKeyID, out.Credentials.SecretAccessKey = given.Key.ID, given.Key.Secret
	out.Credentials.SessionToken, out.Credentials.Expiration = given.Token, stamp(given.Key.ExpiresAt)
	out.AssumedRoleUser.AssumedRoleID, out.AssumedRoleUser.ARN = given.Session.ID, given.Session.ARN
	return out, nil
}
