package iam

import (
	"errors"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"thaw/internal/iam/policy"
	"thaw/internal/lambda"
)

// Question is whether a caller may do something.
type Question struct {
	// Action is "lambda:InvokeFunction", Resource an ARN, or "*" for none.
	Action, Resource string
	// Also is another ARN by which policies may name the resource, or empty. To be
	// allowed by one of them is enough, and so is to be denied.
	Also string
	// Policy is the document of the resource itself; empty if it has none.
	Policy string
	// Context is what is known of the request, beside who makes it and when.
	Context policy.Context
}

// Authorise tells whether a caller may do what a question asks. Its error is the
// service's AccessDeniedException.
func (a *Access) Authorise(c Caller, q Question) error {
	if c.Administrator() {
		return nil
	}
	verdict, err := a.evaluate(c, q)
	if err != nil {
		return err
	}
	if verdict == policy.Allowed || (verdict == policy.Silent || verdict == policy.ResourceSilent) && a.allows(c, q.Action) {
		return nil
	}
	return a.denied(c, q, verdict)
}

// evaluate tells what the policies of a caller and of the resource make of a
// question. The administrator has none.
func (a *Access) evaluate(c Caller, q Question) (verdict policy.Verdict, err error) {
	if c.Administrator() {
		return policy.Allowed, nil
	}
	var set policy.Set
	if q.Policy != "" {
		if set.Resource, err = a.parsed.get(q.Policy, policy.Resource); err != nil {
			return policy.Silent, err
		}
	}
	switch {
	case c.Session == nil:
		set.Identity = a.ofUser(c.User)
	case a.roles != nil:
		set.Identity = a.roles.PoliciesOf(c.Session)
	}
	if c.Session != nil && c.Session.Policy != "" {
		limit, err := a.parsed.get(c.Session.Policy, policy.Identity)
		if err != nil {
			return policy.Silent, err
		}
		set.Limits = []*policy.Policy{limit}
	}
	r := a.request(c, q)
	verdict = policy.Evaluate(r, set)
	if q.Also != "" {
		r.Resource = q.Also
		if other := policy.Evaluate(r, set); other == policy.Allowed && !verdict.Denies() || other.Denies() {
			verdict = other
		}
	}
	return verdict, nil
}

// ofUser are the policies of a user: his own and the attached ones.
func (a *Access) ofUser(name string) []*policy.Policy {
	own := a.keyring.policies(name)
	u, _ := a.keyring.entry(name)
	if len(u.AttachedPolicyARNs) == 0 || a.roles == nil {
		return own
	}
	return slices.Concat(own, a.roles.Managed(u.AttachedPolicyARNs))
}

// allows tells whether the operator lets all functions take an action.
func (a *Access) allows(c Caller, action string) bool {
	if c.Session == nil || c.Session.Function == "" {
		return false
	}
	for _, p := range a.allowed {
		if p.matches(action) {
			return true
		}
	}
	return false
}

// request is a question as policies see it.
func (a *Access) request(c Caller, q Question) policy.Request {
	now := time.Now().UTC()
	by := a.Principal(c)
	r := policy.Request{By: by, Action: q.Action, Resource: q.Resource, Account: a.scope.Account, Context: policy.Context{
		"aws:currenttime":           {now.Format(time.RFC3339)},
		"aws:epochtime":             {strconv.FormatInt(now.Unix(), 10)},
		"aws:principalarn":          {by.ARN},
		"aws:principalaccount":      {by.Account},
		"aws:principalisawsservice": {"false"},
		"aws:viaawsservice":         {"false"},
		"aws:requestedregion":       {a.scope.Region},
		"aws:resourceaccount":       {a.scope.Account},
	}}
	if c.Session == nil {
		r.Context["aws:principaltype"] = []string{"User"}
		r.Context["aws:username"] = []string{c.User}
		r.Context["aws:userid"] = []string{UserID(c.User)}
	} else {
		r.Context["aws:principalarn"] = []string{by.Role}
		r.Context["aws:principaltype"] = []string{"AssumedRole"}
		if c.Session.ID != "" {
			r.Context["aws:userid"] = []string{c.Session.ID}
		}
		if !c.Session.StartedAt.IsZero() {
			r.Context["aws:tokenissuetime"] = []string{c.Session.StartedAt.UTC().Format(time.RFC3339)}
		}
		if c.Session.Function != "" {
			r.Context["lambda:sourcefunctionarn"] = []string{c.Session.Function}
		}
	}
	maps.Copy(r.Context, q.Context)
	return r
}

// Principal is a caller as policies name him. Whoever comes to a server that asks
// for no signatures is its administrator.
func (a *Access) Principal(c Caller) policy.Principal {
	if c.Session != nil {
		return policy.Principal{Account: accountOf(c.Session.ARN), ARN: c.Session.ARN, Role: c.Session.Role}
	}
	user := c.User
	if user == "" {
		user = Administrator
	}
	path := ""
	if a.keyring != nil {
		u, _ := a.keyring.entry(user)
		path = u.Path
	}
	return policy.Principal{Account: a.scope.Account, ARN: userARN(a.scope, path, user)}
}

// userARN is the ARN of a user; path may be empty for "/".
func userARN(scope lambda.Scope, path, name string) string {
	if path == "" {
		path = "/"
	}
	return "arn:" + scope.Partition + ":iam::" + scope.Account + ":user" + path + name
}

// UserID is the identifier of a user that stays the same.
func UserID(user string) string { return "AIDA" + strings.ToUpper(digest("user " + user)[:17]) }

// accountOf is the account in an ARN.
func accountOf(arn string) string {
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 {
		return parts[4]
	}
	return ""
}

// denied is the service's error for a verdict.
func (a *Access) denied(c Caller, q Question, verdict policy.Verdict) error {
	reason := map[policy.Verdict]string{
		policy.Silent:           "because no identity-based policy allows the " + q.Action + " action",
		policy.ResourceSilent:   "because no resource-based policy allows the " + q.Action + " action",
		policy.LimitSilent:      "because no session policy allows the " + q.Action + " action",
		policy.DeniedByIdentity: "with an explicit deny in an identity-based policy",
		policy.DeniedByResource: "with an explicit deny in a resource-based policy",
		policy.DeniedByLimit:    "with an explicit deny in a session policy",
	}[verdict]
	return lambda.Errorf(lambda.CodeAccessDenied, "User: %s is not authorized to perform: %s on resource: %s %s",
		a.Principal(c).ARN, q.Action, q.Resource, reason)
}

// Denied is the service's error for an action of a session that no policy allows.
func Denied(c Caller, action, resource string) error {
	return new(Access).denied(c, Question{Action: action, Resource: resource}, policy.Silent)
}

// ContextOf is what a request tells of itself.
func ContextOf(r *http.Request) policy.Context {
	c := policy.Context{"aws:securetransport": {strconv.FormatBool(r.TLS != nil)}}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		c["aws:sourceip"] = []string{host}
	}
	for key, value := range map[string]string{"aws:useragent": r.UserAgent(), "aws:referer": r.Referer()} {
		if value != "" {
			c[key] = []string{value}
		}
	}
	return c
}

// maxDocuments bounds the documents that are kept read.
const maxDocuments = 1000

// documents are policies that have been read, by their text.
type documents struct {
	mu   sync.Mutex
	read map[string]*policy.Policy
}

var errNotPolicy = errors.New("a policy that was kept cannot be read")

// get reads a document. Each text is of one kind.
func (d *documents) get(document string, kind policy.Kind) (*policy.Policy, error) {
	key := strconv.Itoa(int(kind)) + document
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.read[key]; p != nil {
		return p, nil
	}
	p, err := policy.Parse(document, kind)
	if err != nil {
		return nil, errors.Join(errNotPolicy, err)
	}
	if d.read == nil || len(d.read) >= maxDocuments {
		d.read = map[string]*policy.Policy{}
	}
	d.read[key] = p
	return p, nil
}
