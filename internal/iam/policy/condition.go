package policy

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Context is what is known of a request, by key in lower case. A key that the
// server can tell of, and that has no values, is absent in the language's sense.
type Context map[string][]string

// told are the keys of which the server can tell that a request has none, where a
// Context lacks them.
var told = [...]string{
	"aws:currenttime", "aws:epochtime", "aws:securetransport", "aws:sourceip", "aws:useragent", "aws:referer",
	"aws:principalarn", "aws:principalaccount", "aws:principaltype", "aws:principalisawsservice", "aws:principalservicename",
	"aws:principalorgid", "aws:principalorgpaths", "aws:userid", "aws:username", "aws:requestedregion", "aws:resourceaccount",
	"aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:viaawsservice", "aws:calledvia", "aws:calledviafirst", "aws:calledvialast",
	"aws:tokenissuetime", "aws:multifactorauthpresent", "aws:multifactorauthage", "aws:sourcevpc", "aws:sourcevpce", "aws:vpcsourceip",
	"lambda:codesigningconfigarn", "lambda:layer", "lambda:securitygroupids", "lambda:subnetids",
	"lambda:eventsourcetoken", "lambda:functionurlauthtype", "lambda:invokedviafunctionurl", "lambda:principal", "lambda:sourcefunctionarn",
	"iam:passedtoservice", "iam:policyarn", "iam:permissionsboundary", "sts:externalid", "sts:rolesessionname",
}

// toldBelow begins keys of which there are none here: principals have no tags.
const toldBelow = "aws:principaltag/"

// lookup finds the values of a key; known is false if the server cannot tell.
func (c Context) lookup(key string) (values []string, known bool) {
	key = strings.ToLower(key)
	values, ok := c[key]
	return values, ok || slices.Contains(told[:], key) || strings.HasPrefix(key, toldBelow) || c.knowsTag(key)
}

// condition is one key under one operator.
type condition struct {
	operator operator
	// set is "ForAllValues", "ForAnyValue" or empty.
	set      string
	ifExists bool
	null     bool // the operator is Null
	key      string
	values   []string
}

// operator compares one value of a request with one of a statement.
type operator struct {
	compare func(have, want string) bool
	// negated operators hold if none of the statement's values compares.
	negated bool
	// check refuses what no value of the statement may be.
	check func(want string) error
}

func parseConditions(raw json.RawMessage) (list []condition, err error) {
	if len(raw) == 0 {
		return nil, nil
	}
	operators, err := object(raw)
	if err != nil {
		return nil, fmt.Errorf("Condition: %w", err)
	}
	for name, raw := range operators {
		keys, err := object(raw)
		if err != nil {
			return nil, fmt.Errorf("Condition: %s: %w", name, err)
		}
		for key, raw := range keys {
			c, err := parseCondition(name, key, raw)
			if err != nil {
				return nil, fmt.Errorf("Condition: %s: %s: %w", name, key, err)
			}
			list = append(list, c)
		}
	}
	return list, nil
}

func parseCondition(name, key string, raw json.RawMessage) (c condition, err error) {
	c.key = key
	if set, rest, ok := strings.Cut(name, ":"); ok {
		if set != "ForAllValues" && set != "ForAnyValue" {
			return c, fmt.Errorf("%q is no set operator", set)
		}
		c.set, name = set, rest
	}
	if base, ok := strings.CutSuffix(name, "IfExists"); ok && base != "Null" {
		c.ifExists, name = true, base
	}
	if c.values, err = texts(raw); err != nil {
		return c, err
	}
	if name == "Null" {
		c.null, c.operator = true, operator{compare: strings.EqualFold, check: checkTruth}
	} else if c.operator, err = operatorOf(name); err != nil {
		return c, err
	}
	for _, want := range c.values {
		if c.operator.check == nil || strings.Contains(want, "${") {
			continue
		}
		if err := c.operator.check(want); err != nil {
			return c, err
		}
	}
	return c, nil
}

func operatorOf(name string) (operator, error) {
	switch base, negated := name, false; {
	case strings.HasPrefix(name, "String"):
		if rest, ok := strings.CutPrefix(name, "StringNot"); ok {
			base, negated = "String"+rest, true
		}
		compare, ok := map[string]func(have, want string) bool{
			"StringEquals": equal, "StringEqualsIgnoreCase": equalFold, "StringLike": like,
		}[base]
		if ok {
			return operator{compare: compare, negated: negated}, nil
		}
	case name == "ArnEquals", name == "ArnLike":
		return operator{compare: likeARN}, nil
	case name == "ArnNotEquals", name == "ArnNotLike":
		return operator{compare: likeARN, negated: true}, nil
	case name == "Bool":
		return operator{compare: strings.EqualFold, check: checkTruth}, nil
	case name == "BinaryEquals":
		return operator{compare: equalBinary}, nil
	case name == "IpAddress", name == "NotIpAddress":
		return operator{compare: within, negated: name == "NotIpAddress", check: checkAddress}, nil
	case strings.HasPrefix(name, "Numeric"):
		if hold := ordering(strings.TrimPrefix(name, "Numeric")); hold != nil {
			return operator{compare: comparing(number, hold), negated: name == "NumericNotEquals", check: checkBy(number)}, nil
		}
	case strings.HasPrefix(name, "Date"):
		if hold := ordering(strings.TrimPrefix(name, "Date")); hold != nil {
			return operator{compare: comparing(date, hold), negated: name == "DateNotEquals", check: checkBy(date)}, nil
		}
	}
	return operator{}, fmt.Errorf("%q is no operator", name)
}

// equal and equalFold compare without wildcards: those that stand for themselves
// come from variables.
func equal(have, want string) bool { return have == unescape(want) }

func equalFold(have, want string) bool { return strings.EqualFold(have, unescape(want)) }

func unescape(s string) string {
	if !strings.ContainsAny(s, "\x01\x02\x03") {
		return s
	}
	b := []byte(s)
	for i := range b {
		b[i] = literal(b[i])
	}
	return string(b)
}

func equalBinary(have, want string) bool {
	a, errA := base64.StdEncoding.DecodeString(have)
	b, errB := base64.StdEncoding.DecodeString(want)
	return errA == nil && errB == nil && string(a) == string(b)
}

// ordering is what a comparison's sign must be; nil for an unknown word.
func ordering(word string) func(sign int) bool {
	switch word {
	case "Equals", "NotEquals":
		return func(sign int) bool { return sign == 0 }
	case "LessThan":
		return func(sign int) bool { return sign < 0 }
	case "LessThanEquals":
		return func(sign int) bool { return sign <= 0 }
	case "GreaterThan":
		return func(sign int) bool { return sign > 0 }
	case "GreaterThanEquals":
		return func(sign int) bool { return sign >= 0 }
	default:
		return nil
	}
}

func comparing(read func(string) (float64, error), hold func(int) bool) func(have, want string) bool {
	return func(have, want string) bool {
		a, errA := read(have)
		b, errB := read(want)
		if errA != nil || errB != nil {
			return false
		}
		switch {
		case a < b:
			return hold(-1)
		case a > b:
			return hold(1)
		default:
			return hold(0)
		}
	}
}

func number(s string) (float64, error) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n != n {
		return 0, fmt.Errorf("%q is no number", s)
	}
	return n, nil
}

// date reads a time, or seconds since 1970.
func date(s string) (float64, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02"} {
		if at, err := time.Parse(layout, s); err == nil {
			return float64(at.UnixMilli()) / 1000, nil
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no date", s)
	}
	return float64(n), nil
}

func checkBy(read func(string) (float64, error)) func(string) error {
	return func(want string) error {
		_, err := read(want)
		return err
	}
}

func checkTruth(want string) error {
	if !strings.EqualFold(want, "true") && !strings.EqualFold(want, "false") {
		return fmt.Errorf(`%q is neither "true" nor "false"`, want)
	}
	return nil
}

func prefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		return netip.ParsePrefix(s)
	}
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return ip.Prefix(ip.BitLen())
}

func checkAddress(want string) error {
	if _, err := prefix(want); err != nil {
		return fmt.Errorf("%q is no address", want)
	}
	return nil
}

func within(have, want string) bool {
	network, err := prefix(want)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(have)
	return err == nil && network.Contains(ip.Unmap())
}

// met tells whether all conditions hold. One that cannot be told holds where the
// statement denies.
func (s *Statement) met(c Context) bool {
	for i := range s.conditions {
		holds, known := s.conditions[i].holds(c, s.variables)
		if !known {
			holds = s.Deny
		}
		if !holds {
			return false
		}
	}
	return true
}

func (c *condition) holds(context Context, variables bool) (holds, known bool) {
	have, known := context.lookup(c.key)
	if !known {
		return false, false
	}
	wanted := c.values
	if variables {
		if wanted, known = expandAll(c.values, context); !known {
			return false, false
		}
	}
	one := func(value string) bool {
		found := slices.ContainsFunc(wanted, func(want string) bool { return c.operator.compare(value, want) })
		return found != c.operator.negated
	}
	switch {
	case c.null:
		return one(strconv.FormatBool(len(have) == 0)), true
	case c.set == "ForAllValues":
		return !slices.ContainsFunc(have, func(v string) bool { return !one(v) }), true
	case c.set == "ForAnyValue":
		return slices.ContainsFunc(have, one) || c.ifExists && len(have) == 0, true
	case len(have) == 0:
		return c.ifExists || c.operator.negated, true
	case c.operator.negated:
		return !slices.ContainsFunc(have, func(v string) bool { return !one(v) }), true
	default:
		return slices.ContainsFunc(have, one), true
	}
}

// expandAll expands values; known is false if a variable in one has no value.
func expandAll(values []string, c Context) (expanded []string, known bool) {
	for _, value := range values {
		s, ok, known := expand(value, c)
		if !known || !ok {
			return nil, false
		}
		expanded = append(expanded, s)
	}
	return expanded, true
}
