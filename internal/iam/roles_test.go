package iam_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"thaw/internal/catalog"
	"thaw/internal/iam"
	"thaw/internal/iam/policy"
	"thaw/internal/lambda"
	"thaw/internal/store/memory"
	"thaw/internal/vault"
)

const (
	trustService = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	trustAccount = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"sts:AssumeRole"}]}`
	trustAnn     = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:user/ann"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"x"}}}]}`
	everything   = iam.FullAccess
)

// office is a directory and who asks at it.
type office struct {
	*testing.T
	*iam.Directory
	keyring *iam.Keyring
	vault   *vault.Vault
	dir     string // of the keyring
	access  *iam.Access
}

func newOffice(t *testing.T, allowed ...string) *office {
	t.Helper()
	engine := memory.New()
	c, err := catalog.Open(t.Context(), engine.Metadata(), catalog.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		engine.Close()
	})
	o := &office{T: t, Directory: iam.NewDirectory(c, scope), vault: newVault(t), dir: t.TempDir()}
	o.keyring = open(t, o.dir, o.vault)
	o.access = o.newAccess(allowed...)
	return o
}

// newAccess is what a server has after it was started anew.
func (o *office) newAccess(allowed ...string) *iam.Access {
	a, err := iam.NewAccess(iam.AccessOptions{Keyring: o.keyring, Scope: scope, Roles: o.Directory, Vault: o.vault, Allowed: allowed})
	if err != nil {
		o.Fatal(err)
	}
	return a
}

func (o *office) role(name, trust string) *catalog.Role {
	o.Helper()
	r, err := o.CreateRole(o.Context(), catalog.Role{Name: name, Path: "/", Trust: trust, MaxSessionSeconds: 3600})
	if err != nil {
		o.Fatal(err)
	}
	return r
}

// do fails the test for an error, or for none.
func (o *office) do(what, want string, err error) {
	o.Helper()
	if got := code(err); got != want {
		o.Errorf("%s: %q, want %q (%v)", what, got, want, err)
	}
}

// TestFunctionsMayWhatTheirRolesSay, from the moment that they say it.
func TestFunctionsMayWhatTheirRolesSay(t *testing.T) {
	o := newOffice(t, "lambda:ListFunctions")
	key, _ := o.access.Open(iam.Session{ARN: sessionARN, Role: roleARN, Function: hello})
	c, err := o.access.Caller(key.ID)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(what, action, want string) {
		t.Helper()
		o.do(what, want, o.access.Authorise(c, iam.Question{Action: action, Resource: "*"}))
	}
	const denied = lambda.CodeAccessDenied
	ask("no such role", "lambda:GetFunction", denied)
	ask("what the operator allows", "lambda:ListFunctions", "")
	o.role("worker", trustAccount)
	o.do("give it", "", o.PutRolePolicy(t.Context(), "worker", catalog.Document{Name: "p", Text: everything}))
	ask("a role that does not trust the service", "lambda:GetFunction", denied)
	o.do("its trust", "", o.SetTrust(t.Context(), "worker", trustService))
	ask("a role that does", "lambda:GetFunction", "")
	o.do("deny", "", o.PutRolePolicy(t.Context(), "worker", catalog.Document{Name: "q", Text: strings.Replace(everything, "Allow", "Deny", 1)}))
	ask("a denial is above what the operator allows", "lambda:ListFunctions", denied)
	o.do("take it back", "", o.DeleteRolePolicy(t.Context(), "worker", "q"))
	o.do("and all", "", o.DeleteRolePolicy(t.Context(), "worker", "p"))
	ask("nothing is left", "lambda:GetFunction", denied)
	o.do("attach", "", o.Attach(t.Context(), "worker", "arn:aws:iam::aws:policy/service-role/AWSLambdaRole"))
	ask("what is attached", "lambda:InvokeFunction", "")
	ask("and no more", "lambda:GetFunction", denied)
	elsewhere := *c.Session
	elsewhere.Role = "arn:aws:iam::222222222222:role/worker"
	o.do("another account's role of that name", denied, o.access.Authorise(iam.Caller{Session: &elsewhere}, iam.Question{Action: "lambda:InvokeFunction", Resource: "*"}))
	elsewhere.Role = "arn:aws-cn:iam::111111111111:role/worker"
	o.do("another partition's", denied, o.access.Authorise(iam.Caller{Session: &elsewhere}, iam.Question{Action: "lambda:InvokeFunction", Resource: "*"}))
}

// TestAssumedRoles: who gets credentials, what they may, and until when.
func TestAssumedRoles(t *testing.T) {
	o := newOffice(t, "lambda:DeleteFunction")
	admin, ann := iam.Caller{User: iam.Administrator}, iam.Caller{User: "ann"}
	o.role("service", trustService)
	open := o.role("open", trustAccount)
	o.role("ann", trustAnn)
	o.do("policy", "", o.PutRolePolicy(t.Context(), "open", catalog.Document{Name: "p", Text: listing}))
	input := func(role string, change func(*iam.AssumeInput)) iam.AssumeInput {
		in := iam.AssumeInput{RoleARN: "arn:aws:iam::111111111111:role/" + role, SessionName: "s", Lifetime: time.Hour}
		if change != nil {
			change(&in)
		}
		return in
	}
	external := func(in *iam.AssumeInput) { in.Context = map[string][]string{"sts:externalid": {"x"}} }
	session := iam.Caller{Session: &iam.Session{ARN: sessionARN, Role: roleARN}}
	for _, row := range []struct {
		name string
		by   iam.Caller
		in   iam.AssumeInput
		want string
	}{
		{"the administrator, by account", admin, input("open", nil), ""},
		{"a user without permission, by account", ann, input("open", nil), lambda.CodeAccessDenied},
		{"a user, by name", ann, input("ann", external), ""},
		{"a user, by name, condition not met", ann, input("ann", nil), lambda.CodeAccessDenied},
		{"the administrator, not named", admin, input("ann", external), lambda.CodeAccessDenied},
		{"a role of the service", admin, input("service", nil), lambda.CodeAccessDenied},
		{"no role", admin, input("none", nil), lambda.CodeAccessDenied},
		{"a session without permission", session, input("open", nil), lambda.CodeAccessDenied},
		{"too long", admin, input("open", func(in *iam.AssumeInput) { in.Lifetime += time.Second }), iam.CodeValidationError},
		{"a broken policy", admin, input("open", func(in *iam.AssumeInput) { in.Policy = "{}" }), iam.CodeMalformedPolicyDocument},
		{"a large policy", admin, input("open", func(in *iam.AssumeInput) { in.Policy = strings.Repeat(" ", 3000) }), "PackedPolicyTooLarge"},
	} {
		_, err := o.access.Assume(row.by, o.Directory, row.in)
		o.do(row.name, row.want, err)
	}

	given, err := o.access.Assume(admin, o.Directory, input("open", nil))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for name, row := range map[string]struct {
		id, token string
		at        time.Time
		want      string
	}{
		"good":          {given.Key.ID, given.Token, now, ""},
		"late":          {given.Key.ID, given.Token, now.Add(time.Hour), "ExpiredTokenException"},
		"no token":      {given.Key.ID, "", now, lambda.CodeUnrecognizedClient},
		"another's":     {"ASIAOTHER", given.Token, now, lambda.CodeUnrecognizedClient},
		"forged":        {given.Key.ID, given.Token[:len(given.Token)-8] + "AAAAAAA=", now, lambda.CodeUnrecognizedClient},
		"not base64":    {given.Key.ID, "%", now, lambda.CodeUnrecognizedClient},
		"of the ground": {given.Key.ID, "AAAA", now, lambda.CodeUnrecognizedClient},
	} {
		for _, a := range []*iam.Access{o.access, o.newAccess()} {
			secret, err := a.Secret(row.id, row.token, row.at)
			o.do(name, row.want, err)
			if err == nil && secret != given.Key.Secret {
				t.Errorf("%s: another secret", name)
			}
		}
	}
	c, err := o.access.Caller(given.Key.ID)
	if err != nil || c.Session == nil || c.Session.ARN != "arn:aws:sts::111111111111:assumed-role/open/s" || c.Session.ID != open.ID+":s" {
		t.Fatalf("caller %+v, %v", c.Session, err)
	}
	ask := func(what, action, want string) {
		t.Helper()
		o.do(what, want, o.access.Authorise(c, iam.Question{Action: action, Resource: "*"}))
	}
	ask("what the role may", "lambda:ListFunctions", "")
	ask("what functions may", "lambda:DeleteFunction", lambda.CodeAccessDenied)
	o.do("delete its policy", "", o.DeleteRolePolicy(t.Context(), "open", "p"))
	o.do("delete it", "", o.DeleteRole(t.Context(), "open"))
	o.role("open", trustAccount)
	o.do("policy", "", o.PutRolePolicy(t.Context(), "open", catalog.Document{Name: "p", Text: everything}))
	ask("a later role of that name", "lambda:ListFunctions", lambda.CodeAccessDenied)
}

// TestManySessions: those of assumed roles are bounded, and none is lost.
func TestManySessions(t *testing.T) {
	o := newOffice(t)
	o.role("open", trustAccount)
	var first iam.Assumed
	for i := range 10_100 {
		given, err := o.access.Assume(iam.Caller{}, o.Directory, iam.AssumeInput{
			RoleARN: "arn:aws:iam::111111111111:role/open", SessionName: fmt.Sprint("s", i), Lifetime: time.Hour})
		if err == nil {
			_, err = o.access.Secret(given.Key.ID, given.Token, time.Now())
		}
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = given
		}
	}
	if _, err := o.access.Secret(first.Key.ID, first.Token, time.Now()); err != nil {
		t.Error(err)
	}
	if c, err := o.access.Caller(first.Key.ID); err != nil || c.Session == nil {
		t.Error(err)
	}
}

// TestRulesOfTheDirectory: what refers to another is never left behind by it.
func TestRulesOfTheDirectory(t *testing.T) {
	o, ctx := newOffice(t), t.Context()
	o.role("worker", trustService)
	_, err := o.CreateRole(ctx, catalog.Role{Name: "WORKER", Path: "/x/", Trust: trustService})
	o.do("a name in other letters", iam.CodeEntityAlreadyExists, err)
	_, err = o.CreateRole(ctx, catalog.Role{Name: "b", Path: "/", Trust: everything})
	o.do("no trust policy", iam.CodeMalformedPolicyDocument, err)
	_, err = o.CreateRole(ctx, catalog.Role{Name: "b", Path: "/", Trust: strings.Repeat(" ", 5000)})
	o.do("a large trust policy", iam.CodeLimitExceeded, err)
	o.do("a policy of a function's name", iam.CodeMalformedPolicyDocument, o.PutRolePolicy(ctx, "worker",
		catalog.Document{Name: "p", Text: `{"Statement":[{"Effect":"Allow","Action":"lambda:*","Resource":"f"}]}`}))
	o.do("a policy without statements", iam.CodeMalformedPolicyDocument, o.PutRolePolicy(ctx, "worker", catalog.Document{Name: "p", Text: `{"Statement":[]}`}))
	o.do("a policy of no role", iam.CodeNoSuchEntity, o.PutRolePolicy(ctx, "none", catalog.Document{Name: "p", Text: everything}))
	long := strings.Replace(listing, `"*"`, `"arn:aws:s3:::`+strings.Repeat("x", 6000)+`"`, 1)
	o.do("long", "", o.PutRolePolicy(ctx, "worker", catalog.Document{Name: "a", Text: long}))
	o.do("too long together", iam.CodeLimitExceeded, o.PutRolePolicy(ctx, "worker", catalog.Document{Name: "b", Text: long}))
	o.do("in its place", "", o.PutRolePolicy(ctx, "worker", catalog.Document{Name: "a", Text: listing}))
	p, err := o.CreatePolicy(ctx, catalog.ManagedPolicy{Name: "m", Path: "/"}, listing)
	o.do("policy", "", err)
	arn := o.PolicyARN(p)
	_, err = o.CreatePolicy(ctx, catalog.ManagedPolicy{Name: "M", Path: "/"}, listing)
	o.do("the same policy", iam.CodeEntityAlreadyExists, err)
	o.do("attach", "", o.Attach(ctx, "worker", arn))
	o.do("attach again", "", o.Attach(ctx, "worker", arn))
	o.do("attach none", iam.CodeNoSuchEntity, o.Attach(ctx, "worker", arn+"x"))
	o.do("delete what is attached", iam.CodeDeleteConflict, o.DeletePolicy(ctx, arn))
	o.do("delete a role that has", iam.CodeDeleteConflict, o.DeleteRole(ctx, "worker"))
	o.do("detach", "", o.Detach(ctx, "worker", arn))
	o.do("detach again", iam.CodeNoSuchEntity, o.Detach(ctx, "worker", arn))
	o.do("delete a role with its own", iam.CodeDeleteConflict, o.DeleteRole(ctx, "worker"))
	for range 4 {
		_, err = o.AddVersion(ctx, arn, everything, true)
		o.do("version", "", err)
	}
	_, err = o.AddVersion(ctx, arn, everything, true)
	o.do("a sixth version", iam.CodeLimitExceeded, err)
	o.do("delete with versions", iam.CodeDeleteConflict, o.DeletePolicy(ctx, arn))
	o.do("delete the default", iam.CodeDeleteConflict, o.DeleteVersion(ctx, arn, "v5"))
	o.do("no such version", iam.CodeNoSuchEntity, o.SetDefault(ctx, arn, "v9"))
	for _, id := range []string{"v1", "v2", "v3", "v4"} {
		o.do("delete "+id, "", o.DeleteVersion(ctx, arn, id))
	}
	o.do("delete", "", o.DeletePolicy(ctx, arn))
	for i := range 10 {
		p, err := o.CreatePolicy(ctx, catalog.ManagedPolicy{Name: fmt.Sprint("p", i), Path: "/x/"}, listing)
		o.do("policy", "", err)
		o.do("attach", "", o.Attach(ctx, "worker", o.PolicyARN(p)))
	}
	o.do("too many", iam.CodeLimitExceeded, o.Attach(ctx, "worker", "arn:aws:iam::aws:policy/AdministratorAccess"))
	o.do("a role that is not here", "", o.CheckPass("arn:aws:iam::111111111111:role/none", calling))
	o.role("other", trustAccount)
	o.do("one that trusts others", lambda.CodeInvalidParameterValue, o.CheckPass("arn:aws:iam::111111111111:role/other", calling))
	o.do("one that trusts", "", o.CheckPass("arn:aws:iam::111111111111:role/worker", calling))
}

// calling is the ARN of a function.
const calling = "arn:aws:lambda:us-east-1:111111111111:function:calling"

// TestTrustWithConditions: roles are kept from other accounts' functions, or for some
// functions, as the service's advice is.
func TestTrustWithConditions(t *testing.T) {
	o := newOffice(t)
	for i, row := range []struct {
		condition string
		trusted   bool
	}{
		{`{"StringEquals":{"aws:SourceAccount":"111111111111"}}`, true},
		{`{"StringEquals":{"aws:SourceAccount":"222222222222"}}`, false},
		{`{"ArnLike":{"aws:SourceArn":"arn:aws:lambda:us-east-1:111111111111:function:call*"}}`, true},
		{`{"ArnLike":{"aws:SourceArn":"arn:aws:lambda:us-east-1:111111111111:function:other"}}`, false},
		{`{"StringEquals":{"sts:ExternalId":"x"}}`, false},
	} {
		role := catalog.Role{Name: fmt.Sprint("r", i), Path: "/", MaxSessionSeconds: 3600, Trust: strings.Replace(trustService, `"Effect"`, `"Condition":`+row.condition+`,"Effect"`, 1)}
		if _, err := o.CreateRole(t.Context(), role); err != nil {
			t.Fatal(err)
		}
		err := o.PutRolePolicy(t.Context(), role.Name, catalog.Document{Name: "all", Text: everything})
		if err != nil {
			t.Fatal(err)
		}
		arn := "arn:aws:iam::111111111111:role/" + role.Name
		if err := o.CheckPass(arn, calling); (err == nil) != row.trusted {
			t.Errorf("%s: %v", row.condition, err)
		}
		if policies := o.PoliciesOf(&iam.Session{Role: arn, Function: calling}); (len(policies) > 0) != row.trusted {
			t.Errorf("%s: a function has %d policies", row.condition, len(policies))
		}
	}
}

// TestBuiltInPolicies: those that deployment tools attach to functions' roles can be
// attached, and say what they are for.
func TestBuiltInPolicies(t *testing.T) {
	for name, action := range map[string]string{
		"AdministratorAccess": "lambda:DeleteFunction", "AWSLambda_FullAccess": "lambda:DeleteFunction", "AWSLambda_ReadOnlyAccess": "lambda:GetFunction",
		"AWSXRayDaemonWriteAccess": "xray:PutTraceSegments", "AmazonS3FullAccess": "s3:PutObject", "AmazonS3ReadOnlyAccess": "s3:GetObject",
		"AmazonSNSFullAccess": "sns:Publish", "AmazonSQSFullAccess": "sqs:SendMessage", "CloudWatchLambdaInsightsExecutionRolePolicy": "logs:PutLogEvents",
		"CloudWatchLogsFullAccess": "logs:DeleteLogGroup", "CloudWatchLogsReadOnlyAccess": "logs:FilterLogEvents",
		"service-role/AWSLambdaBasicExecutionRole":    "logs:PutLogEvents",
		"service-role/AWSLambdaDynamoDBExecutionRole": "dynamodb:GetRecords", "service-role/AWSLambdaKinesisExecutionRole": "kinesis:GetRecords",
		"service-role/AWSLambdaMSKExecutionRole": "kafka:GetBootstrapBrokers", "service-role/AWSLambdaRole": "lambda:InvokeFunction",
		"service-role/AWSLambdaSQSQueueExecutionRole": "sqs:ReceiveMessage", "service-role/AWSLambdaVPCAccessExecutionRole": "logs:PutLogEvents",
	} {
		document, ok := iam.BuiltIn("arn:aws:iam::aws:policy/"+name, "aws")
		if !ok {
			t.Errorf("%s is not there", name)
			continue
		}
		p, err := policy.Parse(document.Text, policy.Identity)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r := policy.Request{By: policy.Principal{Account: "1"}, Account: "1", Action: action, Resource: "arn:aws:any"}
		verdict := policy.Evaluate(r, policy.Set{Identity: []*policy.Policy{p}})
		r.Action = "sts:AssumeRole"
		other := policy.Evaluate(r, policy.Set{Identity: []*policy.Policy{p}})
		if verdict != policy.Allowed || (other == policy.Allowed) != (name == "AdministratorAccess") {
			t.Errorf("%s: verdict %v on %s, %v on another action", name, verdict, action, other)
		}
	}
}
