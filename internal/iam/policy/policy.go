// Package policy reads policy documents and tells what they allow. It is pure:
// a document and a request in, a verdict out.
//
// Vocabulary: a policy is a list of statements, each of which allows or denies
// actions on resources, under conditions on the request's context. An identity
// policy belongs to who asks, a resource policy to what is asked for, and says
// whom it is about; a trust policy is that of a role, and says who may assume it.
// A limit is a policy that grants nothing, and without whose allowance nothing is
// granted: a session's own.
//
// What this server cannot decide is decided against the caller. A condition on a
// key that the server knows nothing of makes an allowing statement silent and a
// denying one speak.
//
// The language is that of the service's user guide. Nothing here keeps state or
// starts goroutines; a Policy never changes.
package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Kind is what a document belongs to.
type Kind int

const (
	Identity Kind = iota
	Resource
	Trust
)

const (
	// current is the language's version with variables; before is the one without,
	// which a document that names none is in.
	current = "2012-10-17"
	before  = "2008-10-17"
	// maxStatements and maxDepth bound a document beside its size, which is its
	// keeper's to bound.
	maxStatements = 1000
)

// Policy is a document that has been read.
type Policy struct {
	ID         string
	Statements []Statement
}

// Statement is one rule.
type Statement struct {
	SID  string
	Deny bool

	principals *principals // nil in identity policies
	except     bool        // principals are those it is not about
	actions    patterns
	resources  patterns
	conditions []condition
	variables  bool
}

// patterns are texts with wildcards; except turns their meaning around.
type patterns struct {
	list   []string
	except bool
}

// Parse reads a document. Its errors are for the one who wrote it.
func Parse(document string, kind Kind) (*Policy, error) {
	if i := strings.IndexFunc(document, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' }); i >= 0 {
		return nil, fmt.Errorf("a control character at offset %d", i)
	}
	top, err := object([]byte(document), "Version", "Id", "Statement")
	if err != nil {
		return nil, err
	}
	version, err := text(top, "Version", before)
	if err != nil {
		return nil, err
	}
	if version != current && version != before {
		return nil, fmt.Errorf("Version must be %q or %q", current, before)
	}
	p := new(Policy)
	if p.ID, err = text(top, "Id", ""); err != nil {
		return nil, err
	}
	statements, err := elements(top["Statement"])
	if err != nil {
		return nil, err
	}
	sids := map[string]bool{}
	for i, raw := range statements {
		s, err := parseStatement(raw, kind, version == current)
		if err != nil {
			return nil, fmt.Errorf("statement %d: %w", i+1, err)
		}
		if s.SID != "" && sids[s.SID] {
			return nil, fmt.Errorf("statement %d: the Sid %q is there twice", i+1, s.SID)
		}
		sids[s.SID] = true
		p.Statements = append(p.Statements, s)
	}
	return p, nil
}

// elements is a list of statements, or the one that stands for it.
func elements(raw json.RawMessage) ([]json.RawMessage, error) {
	if len(raw) == 0 {
		return nil, errors.New("a Statement is missing")
	}
	if raw[0] != '[' {
		return []json.RawMessage{raw}, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, err
	}
	if len(list) > maxStatements {
		return nil, fmt.Errorf("more than %d statements", maxStatements)
	}
	return list, nil
}

func parseStatement(raw json.RawMessage, kind Kind, variables bool) (s Statement, err error) {
	s.variables = variables
	members, err := object(raw, "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
	if err != nil {
		return s, err
	}
	if s.SID, err = text(members, "Sid", ""); err != nil {
		return s, err
	}
	switch effect, err := text(members, "Effect", ""); {
	case err != nil:
		return s, err
	case effect == "Deny":
		s.Deny = true
	case effect != "Allow":
		return s, errors.New(`Effect must be "Allow" or "Deny"`)
	}
	if s.actions, err = eitherOf(members, "Action", "NotAction", true); err != nil {
		return s, err
	}
	for i, action := range s.actions.list {
		if action != "*" && !strings.Contains(action, ":") {
			return s, fmt.Errorf(`the action %q has no service: it must be "*" or SERVICE:OPERATION`, action)
		}
		s.actions.list[i] = strings.ToLower(action)
	}
	if s.resources, err = eitherOf(members, "Resource", "NotResource", kind != Trust); err != nil {
		return s, err
	}
	if kind == Trust && s.resources.list != nil {
		return s, errors.New("a trust policy has no Resource")
	}
	if err := s.parsePrincipals(members, kind); err != nil {
		return s, err
	}
	s.conditions, err = parseConditions(members["Condition"])
	return s, err
}

// eitherOf reads a member or its opposite, of which one must be there, or none.
func eitherOf(members map[string]json.RawMessage, name, opposite string, required bool) (p patterns, err error) {
	raw, there := members[name]
	if other, ok := members[opposite]; ok {
		if there {
			return p, fmt.Errorf("%s and %s exclude one another", name, opposite)
		}
		raw, there, p.except, name = other, true, true, opposite
	}
	if !there {
		if required {
			return p, fmt.Errorf("%s is missing", name)
		}
		return p, nil
	}
	if p.list, err = texts(raw); err != nil {
		return p, fmt.Errorf("%s: %w", name, err)
	}
	if len(p.list) == 0 {
		return p, fmt.Errorf("%s is empty", name)
	}
	return p, nil
}

// object reads an object whose members are known. Names are compared as they
// stand, and none may be there twice: what a reader takes must be what all take.
func object(raw []byte, known ...string) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	members := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		name := t.(string)
		if len(known) > 0 && !oneOf(name, known) {
			return nil, fmt.Errorf("unknown member %q", name)
		}
		if _, twice := members[name]; twice {
			return nil, fmt.Errorf("%q is there twice", name)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		members[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the document")
	}
	return members, nil
}

func oneOf(name string, list []string) bool {
	for _, one := range list {
		if one == name {
			return true
		}
	}
	return false
}

func text(members map[string]json.RawMessage, name, missing string) (s string, err error) {
	raw, ok := members[name]
	if !ok {
		return missing, nil
	}
	if len(raw) == 0 || raw[0] != '"' {
		return "", fmt.Errorf("%s is not a string", name)
	}
	return s, json.Unmarshal(raw, &s)
}

// texts reads a string or a list of them. In conditions, numbers and truth values
// stand for how they are written.
func texts(raw json.RawMessage) ([]string, error) {
	if len(raw) > 0 && raw[0] == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, err
		}
		out := make([]string, len(list))
		for i, one := range list {
			s, err := scalar(one)
			if err != nil {
				return nil, err
			}
			out[i] = s
		}
		return out, nil
	}
	s, err := scalar(raw)
	return []string{s}, err
}

func scalar(raw json.RawMessage) (s string, err error) {
	switch {
	case len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || raw[0] == 'n':
		return "", errors.New("not a string")
	case raw[0] != '"':
		return string(raw), nil
	}
	return s, json.Unmarshal(raw, &s)
}

// Resources are the patterns of what a statement is about, or is not about.
func (s *Statement) Resources() []string { return s.resources.list }

// CheckResources refuses patterns that no ARN is of, which are its writer's mistakes:
// a function's name above all. It is apart from Parse, so that a document which was
// kept before is read all the same.
func (p *Policy) CheckResources() error {
	for i := range p.Statements {
		for _, pattern := range p.Statements[i].resources.list {
			lead, begin := pattern, "arn:"
			if at := strings.IndexAny(pattern, "*?$"); at >= 0 {
				lead = pattern[:at]
				begin = begin[:min(at, len(begin))]
			}
			if !strings.HasPrefix(lead, begin) {
				return fmt.Errorf(`statement %d: Resource %s must be in ARN format or "*"`, i+1, pattern)
			}
		}
	}
	return nil
}
