package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Principal is who asks. A service has its name only.
type Principal struct {
	Account string
	// ARN is of the user, or of the session: "arn:…:assumed-role/ROLE/SESSION".
	ARN string
	// Role is the ARN of the role that a session has assumed.
	Role string
	// Service is the name of a service that asks for itself.
	Service string
}

// principals are whom a statement is about.
type principals struct {
	anyone   bool
	accounts []string // their digits
	arns     []string
	services []string
}

// closeness is how a statement names someone.
type closeness int

const (
	notAtAll closeness = iota
	// byAccount leaves it to the account who of it may.
	byAccount
	byName
)

func (s *Statement) parsePrincipals(members map[string]json.RawMessage, kind Kind) (err error) {
	raw, there := members["Principal"]
	if other, ok := members["NotPrincipal"]; ok {
		if there {
			return errors.New("Principal and NotPrincipal exclude one another")
		}
		if !s.Deny {
			return errors.New(`NotPrincipal allows whoever may come; it is taken with "Effect": "Deny" only`)
		}
		raw, there, s.except = other, true, true
	}
	switch {
	case there && kind == Identity:
		return errors.New("an identity policy has no Principal: it is about whom it belongs to")
	case !there && kind != Identity:
		return errors.New("Principal is missing")
	case !there:
		return nil
	}
	s.principals, err = readPrincipals(raw)
	return err
}

func readPrincipals(raw json.RawMessage) (*principals, error) {
	p := new(principals)
	if len(raw) > 0 && raw[0] == '"' {
		if string(raw) != `"*"` {
			return nil, errors.New(`Principal must be "*" or an object`)
		}
		p.anyone = true
		return p, nil
	}
	members, err := object(raw, "AWS", "Service", "Federated", "CanonicalUser")
	if err != nil {
		return nil, fmt.Errorf("Principal: %w", err)
	}
	if len(members) == 0 {
		return nil, errors.New("Principal is empty")
	}
	for kind, raw := range members {
		list, err := texts(raw)
		if err != nil {
			return nil, fmt.Errorf("Principal: %s: %w", kind, err)
		}
		for _, one := range list {
			if err := p.add(kind, one); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// add takes one principal. Federated users and canonical ones are nobody here.
func (p *principals) add(kind, one string) error {
	switch {
	case kind == "Service":
		p.services = append(p.services, one)
	case kind != "AWS":
	case one == "*":
		p.anyone = true
	case isAccount(one):
		p.accounts = append(p.accounts, one)
	case strings.ContainsAny(one, "*?"):
		return fmt.Errorf("the principal %q has a wildcard: only %q alone may", one, "*")
	case strings.HasPrefix(one, "arn:"):
		parts := strings.SplitN(one, ":", 6)
		if len(parts) < 6 || !isAccount(parts[4]) {
			return fmt.Errorf("the principal %q is no ARN of one", one)
		}
		if parts[5] == "root" {
			p.accounts = append(p.accounts, parts[4])
		} else {
			p.arns = append(p.arns, one)
		}
	default:
		return fmt.Errorf("the principal %q is neither an account nor an ARN", one)
	}
	return nil
}

// CheckPrincipal refuses what names no user, role, session or account.
func CheckPrincipal(arn string) error { return new(principals).add("AWS", arn) }

func isAccount(s string) bool {
	if len(s) != 12 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// match tells how someone is named.
func (p *principals) match(who Principal) closeness {
	if p.anyone {
		return byName
	}
	if who.Service != "" {
		if oneOf(who.Service, p.services) {
			return byName
		}
		return notAtAll
	}
	if oneOf(who.ARN, p.arns) || who.Role != "" && oneOf(who.Role, p.arns) {
		return byName
	}
	if oneOf(who.Account, p.accounts) {
		return byAccount
	}
	return notAtAll
}

// about tells whether a statement is about someone, and how it names him.
func (s *Statement) about(who Principal) closeness {
	if s.principals == nil {
		return byName
	}
	found := s.principals.match(who)
	switch {
	case !s.except:
		return found
	case found == byName:
		return notAtAll
	default:
		return byName // it denies all whom it does not name
	}
}
