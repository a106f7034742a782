package lambda

import "strings"

// Latest is the qualifier and the version number of the mutable version.
const Latest = "$LATEST"

// Scope is the account and region that a server stands for.
type Scope struct {
	Partition string // "aws"
	Region    string // "us-east-1"
	Account   string // twelve digits
}

// DefaultScope is used when an operator names none.
var DefaultScope = Scope{Partition: "aws", Region: "us-east-1", Account: "000000000000"}

// FunctionARN is the ARN of a function; a qualifier is appended unless empty.
func (s Scope) FunctionARN(name, qualifier string) string {
	var b strings.Builder
	b.Grow(64 + len(name) + len(qualifier))
	b.WriteString("arn:")
	b.WriteString(s.Partition)
	b.WriteString(":lambda:")
	b.WriteString(s.Region)
	b.WriteByte(':')
	b.WriteString(s.Account)
	b.WriteString(":function:")
	b.WriteString(name)
	if qualifier != "" {
		b.WriteByte(':')
		b.WriteString(qualifier)
	}
	return b.String()
}

// Ref is what a caller wrote to name a function: a bare name, a partial or a
// whole ARN, each with an optional qualifier. Region and Account are empty
// where the caller left them out.
type Ref struct {
	Name      string
	Qualifier string
	Region    string
	Account   string
}

// ParseRef reads the identifiers that the service accepts:
//
//	name
//	function:name
//	account:function:name
//	region:account:function:name
//	arn:partition:lambda:region:account:function:name
//
// each with ":qualifier" behind it. The caller has checked the shape with the
// model's pattern; ok is false for what the pattern admits but names nothing.
func ParseRef(s string) (ref Ref, ok bool) {
	parts := strings.Split(s, ":")
	if parts[0] == "arn" {
		if len(parts) < 7 || parts[2] != "lambda" {
			return Ref{}, false
		}
		parts = parts[3:]
	}
	if len(parts) > 1 && isRegion(parts[0]) {
		ref.Region, parts = parts[0], parts[1:]
	}
	if len(parts) > 1 && isAccount(parts[0]) {
		ref.Account, parts = parts[0], parts[1:]
	}
	if len(parts) > 1 && parts[0] == "function" {
		parts = parts[1:]
	}
	switch len(parts) {
	case 1:
		ref.Name = parts[0]
	case 2:
		ref.Name, ref.Qualifier = parts[0], parts[1]
	default:
		return Ref{}, false
	}
	return ref, ref.Name != ""
}

func isAccount(s string) bool {
	if len(s) != 12 {
		return false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// isRegion tells "us-east-1" from a function's name: two letters, words, and
// one digit, joined by hyphens.
func isRegion(s string) bool {
	words := strings.Split(s, "-")
	if len(words) < 3 {
		return false
	}
	last := words[len(words)-1]
	first := words[0]
	if first == "eusc" {
		first = words[1]
	}
	return len(first) == 2 && len(last) == 1 && last[0] >= '0' && last[0] <= '9'
}
