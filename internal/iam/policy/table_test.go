package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"thaw/internal/iam/policy"
)

const (
	account = "111111111111"
	other   = "222222222222"
	fn      = "arn:aws:lambda:us-east-1:111111111111:function:f"
	user    = "arn:aws:iam::111111111111:user/ann"
	role    = "arn:aws:iam::111111111111:role/worker"
	session = "arn:aws:sts::111111111111:assumed-role/worker/s"
	root    = "arn:aws:iam::111111111111:root"
)

var (
	ann     = policy.Principal{Account: account, ARN: user}
	worker  = policy.Principal{Account: account, ARN: session, Role: role}
	eve     = policy.Principal{Account: other, ARN: "arn:aws:iam::222222222222:user/eve"}
	service = policy.Principal{Service: "s3.amazonaws.com"}
)

// document wraps statements.
func document(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func parse(t *testing.T, kind policy.Kind, statements ...string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse(document(statements...), kind)
	if err != nil {
		t.Fatalf("%v: %v", statements, err)
	}
	return p
}

// invoke is the request that most rows make.
func invoke(by policy.Principal) policy.Request {
	return policy.Request{By: by, Action: "lambda:InvokeFunction", Resource: fn, Account: account}
}

// TestActionsAndResources: one statement that allows, and what it matches.
func TestActionsAndResources(t *testing.T) {
	const all = `"Resource":"*"`
	action := func(pattern string) string { return `"Action":"` + pattern + `",` + all }
	resource := func(pattern string) string { return `"Action":"*","Resource":"` + pattern + `"` }
	for _, row := range []struct {
		members, action, resource string
		matches                   bool
	}{
		{action("lambda:InvokeFunction"), "lambda:InvokeFunction", fn, true},
		{action("lambda:invokefunction"), "lambda:InvokeFunction", fn, true},
		{action("LAMBDA:InvokeFunction"), "lambda:InvokeFunction", fn, true},
		{action("lambda:Invoke"), "lambda:InvokeFunction", fn, false},
		{action("lambda:Invoke*"), "lambda:InvokeFunction", fn, true},
		{action("lambda:*Function"), "lambda:InvokeFunction", fn, true},
		{action("lambda:*Function"), "lambda:ListFunctions", fn, false},
		{action("lambda:*o*e*n"), "lambda:InvokeFunction", fn, true},
		{action("lambda:?nvokeFunction"), "lambda:InvokeFunction", fn, true},
		{action("lambda:?InvokeFunction"), "lambda:InvokeFunction", fn, false},
		{action("lambda:InvokeFunction?"), "lambda:InvokeFunction", fn, false},
		{action("lambda:*"), "lambda:InvokeFunction", fn, true},
		{action("lambda:*"), "logs:GetLogEvents", fn, false},
		{action("*"), "logs:GetLogEvents", fn, true},
		{action("*:*"), "logs:GetLogEvents", fn, true},
		{action("l*:Get*"), "logs:GetLogEvents", fn, true},
		{action("lambda:"), "lambda:InvokeFunction", fn, false},
		{`"Action":["lambda:GetFunction","lambda:InvokeFunction"],` + all, "lambda:InvokeFunction", fn, true},
		{`"Action":["lambda:GetFunction","lambda:List*"],` + all, "lambda:InvokeFunction", fn, false},
		{`"NotAction":"lambda:DeleteFunction",` + all, "lambda:InvokeFunction", fn, true},
		{`"NotAction":"lambda:DeleteFunction",` + all, "lambda:DeleteFunction", fn, false},
		{`"NotAction":["iam:*","lambda:Delete*"],` + all, "lambda:DeleteFunction", fn, false},
		{`"NotAction":["iam:*","lambda:Delete*"],` + all, "sts:AssumeRole", fn, true},
		{resource(fn), "lambda:InvokeFunction", fn, true},
		{resource(fn), "lambda:InvokeFunction", fn + ":1", false},
		{resource(fn), "lambda:InvokeFunction", fn + ":live", false},
		{resource(fn), "lambda:InvokeFunction", fn + "2", false},
		{resource(fn + ":1"), "lambda:InvokeFunction", fn, false},
		{resource(fn + ":*"), "lambda:InvokeFunction", fn + ":live", true},
		{resource(fn + ":*"), "lambda:InvokeFunction", fn, false},
		{resource(fn + "*"), "lambda:InvokeFunction", fn + ":live", true},
		{resource("arn:aws:lambda:us-east-1:111111111111:function:*"), "lambda:InvokeFunction", fn, true},
		{resource("arn:aws:lambda:us-east-1:111111111111:*"), "lambda:InvokeFunction", fn, true},
		{resource("arn:aws:lambda:*:111111111111:function:f"), "lambda:InvokeFunction", fn, true},
		{resource("arn:aws:lambda:*:function:f"), "lambda:InvokeFunction", fn, false},
		{`"Action":"*","NotResource":"arn:aws:lambda:*:function:f"`, "lambda:InvokeFunction", fn, false},
		{resource("arn:aws:lambda:*:*:function:g"), "lambda:InvokeFunction", fn, false},
		{resource("arn:aws:lambda:eu-*:*:function:f"), "lambda:InvokeFunction", fn, false},
		{resource("arn:*:*:*:*:function:f"), "lambda:InvokeFunction", fn, true},
		{resource("arn:aws:lambda:us-east-1:*:function:?"), "lambda:InvokeFunction", fn, true},
		{resource("arn:aws:lambda:*:*:*:1:function:f"), "lambda:InvokeFunction", fn, false},
		{resource("arn:aws:logs:*:*:*"), "lambda:InvokeFunction", fn, false},
		{resource("ARN:aws:lambda:us-east-1:111111111111:function:f"), "lambda:InvokeFunction", fn, false},
		{resource("arn:aws:lambda:us-east-1:111111111111:function:F"), "lambda:InvokeFunction", fn, false},
		{resource("*"), "lambda:ListFunctions", "*", true},
		{resource(fn), "lambda:ListFunctions", "*", false},
		{resource("arn:*"), "lambda:ListFunctions", "*", false},
		{`"Action":"*","Resource":["arn:aws:s3:::b","` + fn + `"]`, "lambda:InvokeFunction", fn, true},
		{`"Action":"*","NotResource":"` + fn + `"`, "lambda:InvokeFunction", fn, false},
		{`"Action":"*","NotResource":"` + fn + `"`, "lambda:InvokeFunction", fn + "2", true},
		{`"Action":"*","NotResource":["` + fn + `2"]`, "lambda:InvokeFunction", fn, true},
		{resource("arn:aws:lambda:us-east-1:111111111111:function:${aws:username}"), "lambda:InvokeFunction", fn, true},
		{resource("arn:aws:lambda:us-east-1:111111111111:function:${aws:userid}"), "lambda:InvokeFunction", fn, false},
		{resource("arn:aws:lambda:us-east-1:111111111111:function:${aws:userid, 'f'}"), "lambda:InvokeFunction", fn, true},
		{resource("arn:aws:lambda:us-east-1:111111111111:function:${lambda:Unknown}"), "lambda:InvokeFunction", fn, false},
		{resource("arn:aws:lambda:us-east-1:111111111111:function:${aws:referer}"), "lambda:InvokeFunction", fn, false},
		{resource("arn:aws:lambda:us-east-1:111111111111:function:${*}"), "lambda:InvokeFunction", fn, false},
		{resource("arn:aws:lambda:us-east-1:111111111111:function:${*}"), "lambda:InvokeFunction", strings.TrimSuffix(fn, "f") + "*", true},
		{resource("arn:aws:lambda:us-east-1:111111111111:function:${$}f"), "lambda:InvokeFunction", strings.TrimSuffix(fn, "f") + "$f", true},
		{resource("arn:aws:lambda:us-east-1:111111111111:function:${aws:username"), "lambda:InvokeFunction", fn, false},
		{`"Action":"*","NotResource":"${aws:userid}"`, "lambda:InvokeFunction", fn, false},
	} {
		t.Run(row.members+" "+row.action, func(t *testing.T) {
			p := parse(t, policy.Identity, `{"Effect":"Allow",`+row.members+`}`)
			// The referer is a value with a wildcard of its own.
			r := policy.Request{By: ann, Action: row.action, Resource: row.resource, Account: account,
				Context: policy.Context{"aws:username": {"f"}, "aws:referer": {"*"}}}
			if got := policy.Evaluate(r, policy.Set{Identity: []*policy.Policy{p}}); (got == policy.Allowed) != row.matches {
				t.Errorf("verdict %v on %s", got, row.resource)
			}
		})
	}
}

// TestConditions: whether a condition holds, by what an allowing statement and a
// denying one make of it: of a key that cannot be told, each takes the safe side.
func TestConditions(t *testing.T) {
	context := policy.Context{
		"aws:username": {"ann"}, "aws:sourcearn": {"arn:aws:s3:::bucket"}, "aws:sourceip": {"10.1.2.3"},
		"aws:epochtime": {"1700000000"}, "aws:currenttime": {"2026-01-02T03:04:05Z"}, "aws:securetransport": {"false"},
		"aws:calledvia": {"a.amazonaws.com", "b.amazonaws.com"}, "aws:useragent": {"QUJD"}, "aws:referer": {"x*y"},
	}
	const yes, no, never = "holds", "fails", "cannot be told"
	for _, row := range []struct{ operator, key, values, want string }{
		{"StringEquals", "aws:username", `"ann"`, yes},
		{"StringEquals", "AWS:UserName", `"ann"`, yes},
		{"StringEquals", "aws:username", `"Ann"`, no},
		{"StringEquals", "aws:username", `"a*"`, no},
		{"StringEquals", "aws:username", `["bob","ann"]`, yes},
		{"StringEquals", "aws:username", `[]`, no},
		{"StringEquals", "aws:userid", `"ann"`, no},
		{"StringEquals", "aws:username", `"${aws:username}"`, yes},
		{"StringEquals", "aws:referer", `"${aws:referer}"`, yes},
		{"StringEquals", "aws:username", `"${aws:userid}"`, never},
		{"StringEqualsIfExists", "aws:userid", `"ann"`, yes},
		{"StringEqualsIfExists", "aws:username", `"bob"`, no},
		{"StringNotEquals", "aws:username", `"ann"`, no},
		{"StringNotEquals", "aws:username", `"bob"`, yes},
		{"StringNotEquals", "aws:username", `["bob","ann"]`, no},
		{"StringNotEquals", "aws:userid", `"ann"`, yes},
		{"StringNotEqualsIfExists", "aws:userid", `"ann"`, yes},
		{"StringEqualsIgnoreCase", "aws:username", `"ANN"`, yes},
		{"StringEqualsIgnoreCase", "aws:username", `"ANNE"`, no},
		{"StringNotEqualsIgnoreCase", "aws:username", `"ANN"`, no},
		{"StringNotEqualsIgnoreCase", "aws:username", `"BOB"`, yes},
		{"StringLike", "aws:username", `"a?n"`, yes},
		{"StringLike", "aws:username", `"*n"`, yes},
		{"StringLike", "aws:username", `"b*"`, no},
		{"StringLike", "aws:username", `"${aws:referer}"`, no},
		{"StringNotLike", "aws:username", `"a*"`, no},
		{"StringNotLike", "aws:username", `"b*"`, yes},
		{"StringNotLike", "aws:userid", `"b*"`, yes},
		{"ArnEquals", "aws:SourceArn", `"arn:aws:s3:::bucket"`, yes},
		{"ArnEquals", "aws:SourceArn", `"arn:aws:s3:::buck*"`, yes},
		{"ArnLike", "AWS:SourceArn", `"arn:aws:s3:::*"`, yes},
		{"ArnLike", "AWS:SourceArn", `"arn:*:s3:*:*:bucket"`, yes},
		{"ArnLike", "AWS:SourceArn", `"arn:aws:sqs:::bucket"`, no},
		{"ArnLike", "aws:principalarn", `"*"`, no},
		{"ArnNotEquals", "aws:SourceArn", `"arn:aws:s3:::bucket"`, no},
		{"ArnNotLike", "aws:SourceArn", `"arn:aws:s3:::x*"`, yes},
		{"ArnNotLike", "aws:SourceArn", `"arn:aws:s3:::b*"`, no},
		{"NumericEquals", "aws:epochtime", `1700000000`, yes},
		{"NumericEquals", "aws:epochtime", `"1.7e9"`, yes},
		{"NumericNotEquals", "aws:epochtime", `"1700000000"`, no},
		{"NumericNotEquals", "aws:multifactorauthage", `"1"`, yes},
		{"NumericLessThan", "aws:epochtime", `"1700000001"`, yes},
		{"NumericLessThan", "aws:epochtime", `"1700000000"`, no},
		{"NumericLessThanEquals", "aws:epochtime", `"1700000000"`, yes},
		{"NumericGreaterThan", "aws:epochtime", `"1700000000"`, no},
		{"NumericGreaterThanEquals", "aws:epochtime", `"1700000000"`, yes},
		{"NumericLessThan", "aws:multifactorauthage", `"3600"`, no},
		{"NumericLessThan", "aws:username", `"3600"`, no},
		{"DateEquals", "aws:currenttime", `"2026-01-02T03:04:05Z"`, yes},
		{"DateNotEquals", "aws:currenttime", `"2026-01-02T03:04:05Z"`, no},
		{"DateLessThan", "aws:currenttime", `"2026-01-02T03:04:06Z"`, yes},
		{"DateLessThan", "aws:currenttime", `"2026-01-02"`, no},
		{"DateLessThanEquals", "aws:currenttime", `"2026-01-02T04:04:05+01:00"`, yes},
		{"DateGreaterThan", "aws:currenttime", `"1700000000"`, yes},
		{"DateGreaterThan", "aws:currenttime", `"2027-01-01T00:00Z"`, no},
		{"DateGreaterThanEquals", "aws:currenttime", `"2026-01-02T03:04:05Z"`, yes},
		{"DateLessThan", "aws:tokenissuetime", `"2027-01-01"`, no},
		{"Bool", "aws:securetransport", `"false"`, yes},
		{"Bool", "aws:securetransport", `false`, yes},
		{"Bool", "aws:securetransport", `"true"`, no},
		{"Bool", "aws:MultiFactorAuthPresent", `"false"`, no},
		{"BoolIfExists", "aws:MultiFactorAuthPresent", `"false"`, yes},
		{"BinaryEquals", "aws:useragent", `"QUJD"`, yes},
		{"BinaryEquals", "aws:useragent", `"QUJE"`, no},
		{"IpAddress", "aws:SourceIp", `"10.0.0.0/8"`, yes},
		{"IpAddress", "aws:SourceIp", `"10.1.2.3"`, yes},
		{"IpAddress", "aws:SourceIp", `["192.168.0.0/16","10.1.2.4"]`, no},
		{"IpAddress", "aws:SourceIp", `"::/0"`, no},
		{"IpAddress", "aws:username", `"10.0.0.0/8"`, no},
		{"NotIpAddress", "aws:SourceIp", `"10.0.0.0/8"`, no},
		{"NotIpAddress", "aws:SourceIp", `"192.168.0.0/16"`, yes},
		{"NotIpAddress", "aws:VpcSourceIp", `"10.0.0.0/8"`, yes},
		{"Null", "aws:username", `"true"`, no},
		{"Null", "aws:username", `"false"`, yes},
		{"Null", "aws:userid", `"true"`, yes},
		{"Null", "aws:userid", `false`, no},
		{"Null", "aws:PrincipalTag/team", `"true"`, yes},
		{"StringNotEquals", "aws:PrincipalTag/team", `"red"`, yes},
		{"ForAnyValue:StringEquals", "aws:CalledVia", `"b.amazonaws.com"`, yes},
		{"ForAnyValue:StringEquals", "aws:CalledVia", `"c.amazonaws.com"`, no},
		{"ForAnyValue:StringEquals", "aws:userid", `"c"`, no},
		{"ForAnyValue:StringNotEquals", "aws:CalledVia", `"b.amazonaws.com"`, yes},
		{"ForAllValues:StringEquals", "aws:CalledVia", `"b.amazonaws.com"`, no},
		{"ForAllValues:StringLike", "aws:CalledVia", `"?.amazonaws.com"`, yes},
		{"ForAllValues:StringEquals", "aws:userid", `"c"`, yes},
		{"ForAllValues:StringNotEquals", "aws:CalledVia", `"b.amazonaws.com"`, no},
		{"ForAnyValue:StringLikeIfExists", "aws:userid", `"c"`, yes},
		{"StringEquals", "aws:ResourceTag/env", `"prod"`, never},
		{"StringNotEquals", "aws:ResourceTag/env", `"prod"`, never},
		{"StringEqualsIfExists", "aws:RequestTag/env", `"prod"`, never},
		{"Null", "lambda:VpcIds", `"true"`, never},
		{"ForAllValues:StringEquals", "aws:TagKeys", `"env"`, never},
	} {
		t.Run(row.operator+" "+row.key+" "+row.values, func(t *testing.T) {
			got := holds(t, context, row.operator, row.key, row.values)
			if got != row.want {
				t.Errorf("it %s, want: it %s", got, row.want)
			}
		})
	}
}

// TestTags: conditions on the tags of a resource and of a request, where those are
// known.
func TestTags(t *testing.T) {
	tagged := policy.Context{}
	tagged.SetResourceTags(map[string]string{"env": "prod", "Team": "red"})
	tagged.SetRequestTags(map[string]string{"env": "dev", "cost center": "7"}, nil)
	bare := policy.Context{}
	bare.SetResourceTags(nil)
	bare.SetRequestTags(nil, nil)
	untagging := policy.Context{}
	untagging.SetRequestTags(nil, []string{"env", "Owner"})
	twice := policy.Context{}
	twice.SetResourceTags(map[string]string{"env": "prod", "ENV": "dev", "team": "red"})
	twice.SetRequestTags(map[string]string{"k": "1", "K": "2"}, nil)
	nameless := policy.Context{}
	nameless.SetResourceTags(map[string]string{"": "x", "env": "prod"})
	const yes, no, never = "holds", "fails", "cannot be told"
	for _, row := range []struct {
		in                          policy.Context
		operator, key, values, want string
	}{
		{tagged, "StringEquals", "aws:ResourceTag/env", `"prod"`, yes},
		{tagged, "StringEquals", "aws:ResourceTag/env", `["dev","prod"]`, yes},
		{tagged, "StringEquals", "aws:ResourceTag/env", `"Prod"`, no},
		{tagged, "StringEqualsIgnoreCase", "aws:ResourceTag/env", `"Prod"`, yes},
		{tagged, "StringEquals", "AWS:resourcetag/ENV", `"prod"`, yes},
		{tagged, "StringEquals", "aws:ResourceTag/team", `"red"`, yes},
		{tagged, "StringNotEquals", "aws:ResourceTag/env", `"prod"`, no},
		{tagged, "StringNotEquals", "aws:ResourceTag/env", `"dev"`, yes},
		{tagged, "StringLike", "aws:ResourceTag/env", `"pr*"`, yes},
		{tagged, "StringLike", "aws:ResourceTag/env", `"d*"`, no},
		{tagged, "StringEquals", "aws:ResourceTag/owner", `"ann"`, no},
		{tagged, "StringNotEquals", "aws:ResourceTag/owner", `"ann"`, yes},
		{tagged, "StringEqualsIfExists", "aws:ResourceTag/owner", `"ann"`, yes},
		{tagged, "StringEqualsIfExists", "aws:ResourceTag/env", `"dev"`, no},
		{tagged, "Null", "aws:ResourceTag/env", `"false"`, yes},
		{tagged, "Null", "aws:ResourceTag/env", `"true"`, no},
		{tagged, "Null", "aws:ResourceTag/owner", `"true"`, yes},
		{tagged, "StringEquals", "aws:ResourceTag/env", `"${aws:RequestTag/env}"`, no},
		{tagged, "StringEquals", "aws:RequestTag/env", `"dev"`, yes},
		{tagged, "StringEquals", "aws:RequestTag/cost center", `"7"`, yes},
		{tagged, "StringEquals", "aws:RequestTag/Team", `"red"`, no},
		{tagged, "ForAllValues:StringEquals", "aws:TagKeys", `["env","cost center","x"]`, yes},
		{tagged, "ForAllValues:StringEquals", "aws:TagKeys", `"env"`, no},
		{tagged, "ForAllValues:StringEquals", "aws:TagKeys", `["ENV","cost center"]`, no},
		{tagged, "ForAnyValue:StringEquals", "aws:TagKeys", `"env"`, yes},
		{tagged, "ForAnyValue:StringEquals", "aws:TagKeys", `"team"`, no},
		{tagged, "ForAnyValue:StringLike", "aws:TagKeys", `"cost*"`, yes},
		{tagged, "ForAllValues:StringNotEquals", "aws:TagKeys", `"team"`, yes},
		{tagged, "ForAllValues:StringNotEquals", "aws:TagKeys", `"env"`, no},
		{tagged, "Null", "aws:TagKeys", `"false"`, yes},
		{bare, "StringEquals", "aws:ResourceTag/env", `"prod"`, no},
		{bare, "StringNotEquals", "aws:ResourceTag/env", `"prod"`, yes},
		{bare, "StringEqualsIfExists", "aws:ResourceTag/env", `"prod"`, yes},
		{bare, "Null", "aws:ResourceTag/env", `"true"`, yes},
		{bare, "StringEquals", "aws:RequestTag/env", `"prod"`, no},
		{bare, "Null", "aws:RequestTag/env", `"true"`, yes},
		{bare, "ForAllValues:StringEquals", "aws:TagKeys", `"env"`, yes},
		{bare, "ForAnyValue:StringEquals", "aws:TagKeys", `"env"`, no},
		{bare, "Null", "aws:TagKeys", `"true"`, yes},
		{untagging, "ForAllValues:StringEquals", "aws:TagKeys", `["env","Owner"]`, yes},
		{untagging, "ForAnyValue:StringEquals", "aws:TagKeys", `"Owner"`, yes},
		{untagging, "Null", "aws:RequestTag/env", `"true"`, yes},
		{untagging, "StringEquals", "aws:ResourceTag/env", `"prod"`, never},
		{twice, "StringEquals", "aws:ResourceTag/env", `"prod"`, never},
		{twice, "StringEquals", "aws:ResourceTag/team", `"red"`, never},
		{twice, "Null", "aws:ResourceTag/other", `"true"`, never},
		{twice, "StringEquals", "aws:RequestTag/k", `"1"`, never},
		{twice, "ForAllValues:StringEquals", "aws:TagKeys", `["k","K"]`, yes},
		{nameless, "StringEquals", "aws:ResourceTag/env", `"prod"`, never},
		{policy.Context{}, "StringEquals", "aws:ResourceTag/env", `"prod"`, never},
	} {
		t.Run(row.operator+" "+row.key+" "+row.values, func(t *testing.T) {
			if got := holds(t, row.in, row.operator, row.key, row.values); got != row.want {
				t.Errorf("it %s, want: it %s", got, row.want)
			}
		})
	}
}

// holds tells of a condition, by what an allowing statement and a denying one make
// of it, whether it holds, fails or cannot be told.
func holds(t *testing.T, context policy.Context, operator, key, values string) string {
	t.Helper()
	statement := fmt.Sprintf(`"Action":"*","Resource":"*","Condition":{%q:{%q:%s}}}`, operator, key, values)
	r := invoke(ann)
	r.Context = context
	allowing := policy.Evaluate(r, policy.Set{Identity: []*policy.Policy{parse(t, policy.Identity, `{"Effect":"Allow",`+statement)}})
	denying := policy.Evaluate(r, policy.Set{Identity: []*policy.Policy{
		parse(t, policy.Identity, `{"Effect":"Allow","Action":"*","Resource":"*"}`, `{"Effect":"Deny",`+statement)}})
	return map[[2]bool]string{{true, true}: "holds", {false, false}: "fails", {false, true}: "cannot be told"}[[2]bool{
		allowing == policy.Allowed, denying != policy.Allowed}]
}

// TestSeveralConditionsMustAllHold.
func TestSeveralConditionsMustAllHold(t *testing.T) {
	r := invoke(ann)
	r.Context = policy.Context{"aws:username": {"ann"}, "aws:sourceip": {"10.0.0.1"}}
	for condition, want := range map[string]policy.Verdict{
		`{"StringEquals":{"aws:username":"ann"},"IpAddress":{"aws:sourceip":"10.0.0.0/8"}}`: policy.Allowed,
		`{"StringEquals":{"aws:username":"bob"},"IpAddress":{"aws:sourceip":"10.0.0.0/8"}}`: policy.Silent,
		`{"StringEquals":{"aws:username":"ann","aws:userid":"x"}}`:                          policy.Silent,
		`{}`: policy.Allowed,
	} {
		p := parse(t, policy.Identity, `{"Effect":"Allow","Action":"*","Resource":"*","Condition":`+condition+`}`)
		if got := policy.Evaluate(r, policy.Set{Identity: []*policy.Policy{p}}); got != want {
			t.Errorf("%s: %v, want %v", condition, got, want)
		}
	}
}

// TestSets: how the policies of a request come together.
func TestSets(t *testing.T) {
	const (
		allow   = `{"Effect":"Allow","Action":"lambda:*","Resource":"*"}`
		deny    = `{"Effect":"Deny","Action":"lambda:InvokeFunction","Resource":"*"}`
		foreign = `{"Effect":"Allow","Action":"lambda:ListFunctions","Resource":"*"}`
		none    = ""
	)
	of := func(effect, principal string) string {
		return `{"Effect":"` + effect + `",` + principal + `,"Action":"lambda:InvokeFunction","Resource":"` + fn + `"}`
	}
	aws := func(who string) string { return of("Allow", `"Principal":{"AWS":"`+who+`"}`) }
	for _, row := range []struct {
		name                      string
		by                        policy.Principal
		identity, resource, limit string
		want                      policy.Verdict
	}{
		{"nothing", ann, none, none, none, policy.Silent},
		{"identity", ann, allow, none, none, policy.Allowed},
		{"identity, of something else", ann, foreign, none, none, policy.Silent},
		{"identity denies", ann, deny, none, none, policy.DeniedByIdentity},
		{"allow, then deny", ann, allow + "," + deny, none, none, policy.DeniedByIdentity},
		{"deny, then allow", ann, deny + "," + allow, none, none, policy.DeniedByIdentity},
		{"resource, by ARN", ann, none, aws(user), none, policy.Allowed},
		{"resource, by another ARN", ann, none, aws(role), none, policy.Silent},
		{"resource, everybody", ann, none, of("Allow", `"Principal":"*"`), none, policy.Allowed},
		{"resource, every account", ann, none, aws("*"), none, policy.Allowed},
		{"resource, the account, which leaves it to identity", ann, none, aws(root), none, policy.Silent},
		{"resource, the account's digits", ann, none, aws(account), none, policy.Silent},
		{"resource, the account, with identity", ann, allow, aws(account), none, policy.Allowed},
		{"resource, a list", ann, none, of("Allow", `"Principal":{"AWS":["`+role+`","`+user+`"]}`), none, policy.Allowed},
		{"resource, a service", ann, none, of("Allow", `"Principal":{"Service":"s3.amazonaws.com"}`), none, policy.Silent},
		{"resource, a federated user", ann, none, of("Allow", `"Principal":{"Federated":"accounts.example.com"}`), none, policy.Silent},
		{"a denial's wildcard reaches over colons", ann, allow + `,{"Effect":"Deny","Action":"*","Resource":"arn:aws:lambda:*:function:f"}`, none, none, policy.DeniedByIdentity},
		{"resource denies, identity allows", ann, allow, of("Deny", `"Principal":"*"`), none, policy.DeniedByResource},
		{"resource denies by account", ann, allow, of("Deny", `"Principal":{"AWS":"`+account+`"}`), none, policy.DeniedByResource},
		{"resource denies another", ann, allow, of("Deny", `"Principal":{"AWS":"`+role+`"}`), none, policy.Allowed},
		{"identity denies, resource allows", ann, deny, aws(user), none, policy.DeniedByIdentity},
		{"resource denies all but", ann, allow, of("Deny", `"NotPrincipal":{"AWS":"`+user+`"}`), none, policy.Allowed},
		{"resource denies all but another", ann, allow, of("Deny", `"NotPrincipal":{"AWS":"`+role+`"}`), none, policy.DeniedByResource},
		{"resource denies all but the account's root", ann, allow, of("Deny", `"NotPrincipal":{"AWS":"`+root+`"}`), none, policy.DeniedByResource},
		{"session by its role", worker, none, aws(role), none, policy.Allowed},
		{"session by itself", worker, none, aws(session), none, policy.Allowed},
		{"session, another session's", worker, none, aws(session + "2"), none, policy.Silent},
		{"session, its role denied", worker, allow, of("Deny", `"Principal":{"AWS":"`+role+`"}`), none, policy.DeniedByResource},
		{"session, limited to it", worker, allow, none, allow, policy.Allowed},
		{"session, limited to something else", worker, allow, none, foreign, policy.LimitSilent},
		{"session, limit denies", worker, allow, none, allow + "," + deny, policy.DeniedByLimit},
		{"a limit grants nothing", worker, none, none, allow, policy.Silent},
		{"resource allows, limit does not", worker, none, aws(role), foreign, policy.LimitSilent},
		{"other account, neither", eve, none, none, none, policy.Silent},
		{"other account, identity only", eve, allow, none, none, policy.ResourceSilent},
		{"other account, resource only", eve, none, aws(eve.ARN), none, policy.Silent},
		{"other account, both", eve, allow, aws(eve.ARN), none, policy.Allowed},
		{"other account, both, by account", eve, allow, aws(other), none, policy.Allowed},
		{"other account, both, by root", eve, allow, aws("arn:aws:iam::222222222222:root"), none, policy.Allowed},
		{"other account, both, everybody", eve, allow, of("Allow", `"Principal":"*"`), none, policy.Allowed},
		{"other account, resource of a third", eve, allow, aws("333333333333"), none, policy.ResourceSilent},
		{"other account, identity denies", eve, deny, aws(other), none, policy.DeniedByIdentity},
		{"other account, resource denies", eve, allow, aws(other) + "," + of("Deny", `"Principal":{"AWS":"`+other+`"}`), none, policy.DeniedByResource},
		{"service", service, none, of("Allow", `"Principal":{"Service":"s3.amazonaws.com"}`), none, policy.Allowed},
		{"service, another", service, none, of("Allow", `"Principal":{"Service":"sqs.amazonaws.com"}`), none, policy.Silent},
		{"service, everybody", service, none, of("Allow", `"Principal":"*"`), none, policy.Allowed},
		{"service, an account", service, none, aws(account), none, policy.Silent},
		{"service, no policy", service, none, none, none, policy.Silent},
		{"service, identity does not count", service, allow, none, none, policy.Silent},
		{"service denied", service, none, of("Allow", `"Principal":"*"`) + "," + of("Deny", `"Principal":{"Service":"s3.amazonaws.com"}`), none, policy.DeniedByResource},
	} {
		t.Run(row.name, func(t *testing.T) {
			var set policy.Set
			if row.identity != none {
				set.Identity = []*policy.Policy{parse(t, policy.Identity, row.identity)}
			}
			if row.resource != none {
				set.Resource = parse(t, policy.Resource, row.resource)
			}
			if row.limit != none {
				set.Limits = []*policy.Policy{parse(t, policy.Identity, row.limit)}
			}
			if got := policy.Evaluate(invoke(row.by), set); got != row.want {
				t.Errorf("verdict %v, want %v", got, row.want)
			}
		})
	}
}

// TestTrust: who may assume a role.
func TestTrust(t *testing.T) {
	of := func(effect, principal string) string {
		return `{"Effect":"` + effect + `","Principal":` + principal + `,"Action":"sts:AssumeRole"}`
	}
	for _, row := range []struct {
		name, statements string
		by               policy.Principal
		allowed, want    bool
	}{
		{"the service", of("Allow", `{"Service":"lambda.amazonaws.com"}`), policy.Principal{Service: "lambda.amazonaws.com"}, false, true},
		{"another service", of("Allow", `{"Service":"ec2.amazonaws.com"}`), policy.Principal{Service: "lambda.amazonaws.com"}, false, false},
		{"the user", of("Allow", `{"AWS":"`+user+`"}`), ann, false, true},
		{"the account, allowed by it", of("Allow", `{"AWS":"`+root+`"}`), ann, true, true},
		{"the account, not allowed by it", of("Allow", `{"AWS":"`+root+`"}`), ann, false, false},
		{"another account", of("Allow", `{"AWS":"`+other+`"}`), ann, true, false},
		{"denied", of("Allow", `{"AWS":"`+user+`"}`) + "," + of("Deny", `{"AWS":"`+account+`"}`), ann, true, false},
	} {
		r := policy.Request{By: row.by, Action: "sts:AssumeRole", Resource: role, Account: account}
		if got := policy.Trusts(parse(t, policy.Trust, row.statements), r, row.allowed); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}
