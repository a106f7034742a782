package policy

import "strings"

// Request is what someone wants to do.
type Request struct {
	By Principal
	// Action is "lambda:InvokeFunction", Resource an ARN, or "*" for none.
	Action, Resource string
	// Account is whose the resource is.
	Account string
	Context Context
}

// Set is the policies that bear on a request.
type Set struct {
	Identity []*Policy
	// Limits must each allow what is asked for.
	Limits   []*Policy
	Resource *Policy // nil: none
}

// Verdict is what becomes of a request.
type Verdict int

const (
	// Silent: no identity policy allows it, and no resource policy does.
	Silent Verdict = iota
	Allowed
	// ResourceSilent: the resource of another account does not allow it.
	ResourceSilent
	// LimitSilent: a session's own policy does not allow it.
	LimitSilent
	// Denied by a statement of an identity, resource or session policy.
	DeniedByIdentity
	DeniedByResource
	DeniedByLimit
)

// Denies tells a verdict that nothing which allows can change.
func (v Verdict) Denies() bool { return v >= DeniedByIdentity }

// Evaluate tells what a set of policies makes of a request. A statement that
// denies is stronger than all that allow. Within an account one allowance is
// enough, of an identity policy or of a resource policy that names the caller
// himself; across accounts both must allow, and the resource policy may name the
// caller's account. Of a service only resource policies speak.
func Evaluate(r Request, s Set) Verdict {
	byIdentity := judge(s.Identity, &r)
	byResource := outcome{}
	if s.Resource != nil {
		byResource = s.Resource.judge(&r)
	}
	limited := false
	for _, limit := range s.Limits {
		o := limit.judge(&r)
		if o.denies {
			return DeniedByLimit
		}
		limited = limited || o.allows == notAtAll
	}
	switch {
	case byIdentity.denies:
		return DeniedByIdentity
	case byResource.denies:
		return DeniedByResource
	case r.By.Service != "":
		return either(byResource.allows == byName, Silent)
	case limited:
		return LimitSilent
	case r.By.Account == r.Account:
		return either(byIdentity.allows == byName || byResource.allows == byName, Silent)
	case byIdentity.allows == notAtAll:
		return Silent
	default:
		return either(byResource.allows != notAtAll, ResourceSilent)
	}
}

// Trusts tells whether a role's trust policy lets someone assume it, by whichever
// of the actions of the kind is asked for. Whom it names by account needs to be
// allowed by that account too, which allowed tells.
func Trusts(trust *Policy, r Request, allowed bool) bool {
	o := trust.judge(&r)
	return !o.denies && (o.allows == byName || o.allows == byAccount && allowed)
}

func either(ok bool, not Verdict) Verdict {
	if ok {
		return Allowed
	}
	return not
}

// outcome is what statements say of a request.
type outcome struct {
	denies bool
	allows closeness
}

func judge(policies []*Policy, r *Request) (all outcome) {
	for _, p := range policies {
		o := p.judge(r)
		all.denies = all.denies || o.denies
		all.allows = max(all.allows, o.allows)
	}
	return all
}

func (p *Policy) judge(r *Request) (o outcome) {
	for i := range p.Statements {
		s := &p.Statements[i]
		who := s.about(r.By)
		if who == notAtAll || !s.applies(r) {
			continue
		}
		if s.Deny {
			o.denies = true
		} else {
			o.allows = max(o.allows, who)
		}
	}
	return o
}

// applies tells whether a statement is about what is asked for.
func (s *Statement) applies(r *Request) bool {
	if !s.actions.match(strings.ToLower(r.Action), like) {
		return false
	}
	return s.aboutResource(r) && s.met(r.Context)
}

func (p patterns) match(text string, how func(text, pattern string) bool) bool {
	for _, pattern := range p.list {
		if how(text, pattern) {
			return !p.except
		}
	}
	return p.except
}

// aboutResource compares the resource. A pattern with a variable that has no value
// fits nothing, and where that would widen a statement, or the server knows
// nothing of the variable, the statement is about the resource if it denies.
func (s *Statement) aboutResource(r *Request) bool {
	if s.resources.list == nil { // of a trust policy
		return true
	}
	// Where a match takes something away, a wildcard may reach over a colon too.
	wide := s.Deny != s.resources.except
	for _, pattern := range s.resources.list {
		if s.variables {
			expanded, ok, known := expand(pattern, r.Context)
			if !known || !ok && s.resources.except {
				return s.Deny
			}
			if !ok {
				continue
			}
			pattern = expanded
		}
		if likeARN(r.Resource, pattern) || wide && like(r.Resource, pattern) {
			return !s.resources.except
		}
	}
	return s.resources.except
}
