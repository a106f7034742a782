package policy_test

import (
	"strings"
	"testing"

	"thaw/internal/iam/policy"
)

// TestRefusedDocuments: what cannot be meant is not taken.
func TestRefusedDocuments(t *testing.T) {
	const good = `"Effect":"Allow","Action":"lambda:*","Resource":"*"`
	for _, row := range []struct {
		document string
		kind     policy.Kind
		want     string
	}{
		{``, policy.Identity, "not a JSON object"},
		{`[]`, policy.Identity, "not a JSON object"},
		{`{`, policy.Identity, "not JSON"},
		{`{"Statement":[]} x`, policy.Identity, "something follows"},
		{"{\"Statement\":[],\"Id\":\"\x01\"}", policy.Identity, "control character"},
		{`{"Version":"2012-10-17"}`, policy.Identity, "Statement is missing"},
		{`{"Version":"2026-01-01","Statement":[]}`, policy.Identity, "Version must be"},
		{`{"version":"2012-10-17","Statement":[]}`, policy.Identity, `unknown member "version"`},
		{`{"Statement":[],"Statement":[]}`, policy.Identity, "is there twice"},
		{`{"Statement":[{"Effect":"Deny","Effect":"Allow"}]}`, policy.Identity, "is there twice"},
		{`{"Statement":[{"Sid":"a",` + good + `},{"Sid":"a",` + good + `}]}`, policy.Identity, `the Sid "a"`},
		{document(`{"Action":"lambda:*","Resource":"*"}`), policy.Identity, "Effect must be"},
		{document(`{"Effect":"allow","Action":"lambda:*","Resource":"*"}`), policy.Identity, "Effect must be"},
		{document(`{"Effect":"Allow","Resource":"*"}`), policy.Identity, "Action is missing"},
		{document(`{"Effect":"Allow","Action":[],"Resource":"*"}`), policy.Identity, "Action is empty"},
		{document(`{"Effect":"Allow","Action":"Invoke","Resource":"*"}`), policy.Identity, "has no service"},
		{document(`{` + good + `,"NotAction":"lambda:*"}`), policy.Identity, "exclude one another"},
		{document(`{"Effect":"Allow","Action":"lambda:*"}`), policy.Identity, "Resource is missing"},
		{document(`{"Effect":"Allow","Action":"lambda:*","Resource":{}}`), policy.Identity, "not a string"},
		{document(`{` + good + `,"Principal":"*"}`), policy.Identity, "has no Principal"},
		{document(`{` + good + `}`), policy.Resource, "Principal is missing"},
		{document(`{` + good + `,"Principal":"ann"}`), policy.Resource, `must be "*"`},
		{document(`{` + good + `,"Principal":{}}`), policy.Resource, "Principal is empty"},
		{document(`{` + good + `,"Principal":{"AWS":"ann"}}`), policy.Resource, "neither an account nor an ARN"},
		{document(`{` + good + `,"Principal":{"AWS":"arn:aws:iam::111111111111:user/*"}}`), policy.Resource, "has a wildcard"},
		{document(`{` + good + `,"Principal":{"Group":"x"}}`), policy.Resource, `unknown member "Group"`},
		{document(`{` + good + `,"NotPrincipal":"*"}`), policy.Resource, "NotPrincipal allows whoever may come"},
		{document(`{` + good + `,"Principal":"*"}`), policy.Trust, "has no Resource"},
		{document(`{` + good + `,"Condition":{"StringSame":{"a":"b"}}}`), policy.Identity, "is no operator"},
		{document(`{` + good + `,"Condition":{"Sometimes:StringEquals":{"a":"b"}}}`), policy.Identity, "is no set operator"},
		{document(`{` + good + `,"Condition":{"Bool":{"a":"maybe"}}}`), policy.Identity, "neither"},
		{document(`{` + good + `,"Condition":{"NumericEquals":{"a":"x"}}}`), policy.Identity, "is no number"},
		{document(`{` + good + `,"Condition":{"DateEquals":{"a":"soon"}}}`), policy.Identity, "is no date"},
		{document(`{` + good + `,"Condition":{"IpAddress":{"a":"here"}}}`), policy.Identity, "is no address"},
		{document(`{` + good + `,"Condition":{"StringEquals":{"a":"b","a":"c"}}}`), policy.Identity, "is there twice"},
	} {
		if _, err := policy.Parse(row.document, row.kind); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want an error that says %q", row.document, err, row.want)
		}
	}
}

// TestLike: a ? stands for one character, however many bytes it has.
func TestLike(t *testing.T) {
	for _, row := range []struct {
		text, pattern string
		want          bool
	}{
		{"é", "?", true}, {"é", "??", false}, {"é", "*??", false}, {"éx", "*??", true}, {"éx", "?x", true}, {"aéx", "*?x", true}, {"éé", "*??*", true},
		{"é", "*?*", true}, {"", "?", false}, {"", "*", true}, {"ab", "a?*", true}, {"a", "a?*", false}, {"日本", "日?", true}, {"日本", "*本", true},
		{"abcabd", "*ab?", true}, {"abcabd", "*abc", false}, {"a*b", "a\x01b", true}, {"axb", "a\x01b", false},
	} {
		if got := policy.Like(row.text, row.pattern); got != row.want {
			t.Errorf("%q is of %q: %v", row.text, row.pattern, got)
		}
	}
}

// TestCheckResources: what no ARN can be of is a mistake.
func TestCheckResources(t *testing.T) {
	for pattern, good := range map[string]bool{
		"*": true, fn: true, "arn:*": true, "arn:aws:s3:::b/*": true, "a*:function:f": true, "?rn:aws:x": true, "${aws:username}": true, "arn:${aws:username}": true,
		"f": false, "my-function": false, "f*": false, "ARN:aws:lambda:us-east-1:111111111111:function:f": false, "arn": false, "": false, "function:${aws:username}": false,
	} {
		for _, member := range []string{"Resource", "NotResource"} {
			p := parse(t, policy.Identity, `{"Effect":"Allow","Action":"*","Resource":"*"}`, `{"Effect":"Allow","Action":"*","`+member+`":["*","`+pattern+`"]}`)
			if err := p.CheckResources(); (err == nil) != good || err != nil && !strings.HasPrefix(err.Error(), "statement 2: Resource "+pattern+" must") {
				t.Errorf("%s %q: %v", member, pattern, err)
			}
		}
	}
}

// FuzzParse: a document that is taken can be evaluated, and a denial of
// everything that is added to it is never overruled.
func FuzzParse(f *testing.F) {
	f.Add(document(`{"Effect":"Allow","Action":"lambda:*","Resource":"${aws:username}*","Condition":{"ForAnyValue:StringLikeIfExists":{"aws:username":["a*"]}}}`))
	f.Add(document(`{"Effect":"Deny","NotAction":["a:b"],"NotResource":"*:*:*"}`))
	f.Add(`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
	deny, err := policy.Parse(document(`{"Effect":"Deny","Action":"*","Resource":"*"}`), policy.Identity)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := policy.Parse(text, policy.Identity)
		if err != nil {
			return
		}
		r := invoke(ann)
		r.Context = policy.Context{"aws:username": {"ann"}}
		if got := policy.Evaluate(r, policy.Set{Identity: []*policy.Policy{p, deny}}); got != policy.DeniedByIdentity {
			t.Errorf("verdict %v", got)
		}
		if got := policy.Evaluate(r, policy.Set{Limits: []*policy.Policy{p}}); got == policy.Allowed {
			t.Error("a limit grants")
		}
	})
}
