package lambda_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"thaw/internal/control"
	"thaw/internal/iam"
	"thaw/internal/lambda"
	"thaw/internal/vault"
)

const s3Permission = `"Action":"lambda:InvokeFunction","Principal":"s3.amazonaws.com","SourceArn":"arn:aws:s3:::bucket"`

// s3Statement is what s3Permission becomes.
func s3Statement(sid, resource string) string {
	return `{"Sid":"` + sid + `","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction",` +
		`"Resource":"` + resource + `","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::bucket"}}}`
}

func policyOf(statements ...string) string {
	return `{"Version":"2012-10-17","Id":"default","Statement":[` + strings.Join(statements, ",") + `]}`
}

// TestLifeOfPolicies takes the steps of a recorded one: function, version and
// alias have policies of their own, with revisions of their own.
func TestLifeOfPolicies(t *testing.T) {
	s := newServer(t, setup{})
	s.create("f", nil)
	path := functions + "/f/policy"
	s.do("GET", path, "").want(t, "none yet", 404, "Message", "The resource you requested does not exist.", "Type", "User")
	s.do("POST", path, `{"StatementId":"s3",`+s3Permission+`}`).want(t, "add", 201, "Statement", s3Statement("s3", arn))
	first := s.do("GET", path, "")
	first.want(t, "get", 200, "Policy", policyOf(s3Statement("s3", arn)))
	if latest := s.await("f"); latest["RevisionId"] != first.json["RevisionId"] {
		t.Errorf("revision of the function %v, of its policy %v", latest["RevisionId"], first.json["RevisionId"])
	}
	s.do("POST", functions+"/f/versions", "").want(t, "publish", 201, "Version", "1")
	s.do("GET", path+"?Qualifier=1", "").want(t, "policy of the version", 404, "Message", "The resource you requested does not exist.")
	s.do("GET", path, "").want(t, "policy after publishing", 200, "RevisionId", first.json["RevisionId"])
	s.do("POST", path+"?Qualifier=1", `{"StatementId":"s3",`+s3Permission+`}`).want(t, "add to the version", 201, "Statement", s3Statement("s3", arn+":1"))
	s.do("POST", functions+"/f/aliases", `{"Name":"live","FunctionVersion":"1"}`).want(t, "alias", 201)
	stale := `{"StatementId":"s3","RevisionId":"` + first.json["RevisionId"].(string) + `",` + s3Permission + `}`
	s.do("POST", path+"?Qualifier=live", stale).want(t, "another's revision", 412, "Type", "User", "message",
		"The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id")
	alias := s.do("GET", functions+"/f/aliases/live", "")
	s.do("POST", path+"?Qualifier=live", strings.Replace(stale, first.json["RevisionId"].(string), alias.json["RevisionId"].(string), 1)).
		want(t, "the alias's revision", 201, "Statement", s3Statement("s3", arn+":live"))
	s.do("GET", functions+"/f:live/policy", "").want(t, "policy of the alias", 200, "Policy", policyOf(s3Statement("s3", arn+":live")))
	s.do("POST", path, `{"StatementId":"s3_2","RevisionId":"`+first.json["RevisionId"].(string)+`",`+s3Permission+`}`).
		want(t, "the policy's revision", 201, "Statement", s3Statement("s3_2", arn))
	s.do("GET", path, "").want(t, "two statements", 200, "Policy", policyOf(s3Statement("s3", arn), s3Statement("s3_2", arn)))
	s.do("DELETE", path+"/s3", "").want(t, "remove", 204)
	s.do("DELETE", path+"/s3", "").want(t, "remove again", 404, "Message", "Statement s3 is not found in resource policy.", "Type", "User")
	s.do("GET", path, "").want(t, "one left", 200, "Policy", policyOf(s3Statement("s3_2", arn)))
	s.do("DELETE", path+"/s3_2?RevisionId=x", "").want(t, "remove a stale one", 412)
	s.do("DELETE", path+"/s3_2", "").want(t, "remove the last", 204)
	s.do("GET", path, "").want(t, "none left", 404)
	s.do("DELETE", functions+"/f/aliases/live", "").want(t, "delete the alias", 204)
	s.do("POST", functions+"/f/aliases", `{"Name":"live","FunctionVersion":"1"}`).want(t, "alias again", 201)
	s.do("GET", path+"?Qualifier=live", "").want(t, "policy of a new alias", 404)
}

// TestPrincipalsAndConditions: what the parts of a permission become.
func TestPrincipalsAndConditions(t *testing.T) {
	s := newServer(t, setup{})
	s.create("f", nil)
	for _, row := range []struct{ name, request, principal, condition string }{
		{"account", `"Principal":"111111111111"`, `{"AWS":"arn:aws:iam::111111111111:root"}`, ``},
		{"everybody", `"Principal":"*","SourceAccount":"111111111111"`, `"*"`, `{"StringEquals":{"AWS:SourceAccount":"111111111111"}}`},
		{"service", `"Principal":"lambda.amazonaws.com"`, `{"Service":"lambda.amazonaws.com"}`, ``},
		{"user", `"Principal":"arn:aws:iam::111111111111:user/u"`, `{"AWS":"arn:aws:iam::111111111111:user/u"}`, ``},
		{"token", `"Principal":"*","EventSourceToken":"amzn1.ask"`, `"*"`, `{"StringEquals":{"lambda:EventSourceToken":"amzn1.ask"}}`},
		{"all", `"Principal":"*","SourceAccount":"111111111111","SourceArn":"arn:aws:s3:::b","PrincipalOrgID":"o-1234567890","FunctionUrlAuthType":"NONE"`, `"*"`,
			`{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::b"},"StringEquals":{"AWS:SourceAccount":"111111111111","aws:PrincipalOrgID":"o-1234567890","lambda:FunctionUrlAuthType":"NONE"}}`},
	} {
		a := s.do("POST", functions+"/f/policy", `{"StatementId":"`+row.name+`","Action":"lambda:InvokeFunction",`+row.request+`}`)
		a.want(t, row.name, 201)
		var got struct{ Principal, Condition json.RawMessage }
		if err := json.Unmarshal([]byte(a.json["Statement"].(string)), &got); err != nil || string(got.Principal) != row.principal || string(got.Condition) != row.condition {
			t.Errorf("%s: %v", row.name, a.json["Statement"])
		}
	}
}

func TestPermissionsAreRefused(t *testing.T) {
	s := newServer(t, setup{})
	s.create("f", nil)
	s.do("POST", functions+"/f/policy", `{"StatementId":"s3",`+s3Permission+`}`).want(t, "add", 201)
	none := strings.TrimSuffix(arn, "f") + "none"
	for _, row := range []struct {
		what, method, path, body string
		status                   int
		key, text                string
	}{
		{"a statement's id again", "POST", "/f/policy", "s3", 409, "message",
			"The statement id (s3) provided already exists. Please provide a new statement id, or remove the existing statement."},
		{"$LATEST", "POST", "/f/policy?Qualifier=$LATEST", "x", 400, "message", "We currently do not support adding policies for $LATEST."},
		{"no version", "POST", "/f/policy?Qualifier=42", "x", 404, "Message", "Function not found: " + arn + ":42"},
		{"no alias", "POST", "/f/policy?Qualifier=none", "x", 404, "Message", "Cannot find alias arn: " + arn + ":none"},
		{"neither", "POST", "/f/policy?Qualifier=a-$-b", "x", 404, "Message", "Function not found: " + arn + ":a-$-b"},
		{"no function", "POST", "/none/policy", "x", 404, "Message", "Function not found: " + none},
		{"two qualifiers", "POST", "/f:a/policy?Qualifier=b", "x", 400, "message",
			"The derived qualifier from the function name does not match the specified qualifier."},
		{"remove, no function", "DELETE", "/none/policy/x", "", 404, "Message", "No policy found for: " + none},
		{"remove, no alias", "DELETE", "/f/policy/x?Qualifier=none", "", 404, "Message", "Cannot find alias arn: " + arn + ":none"},
		{"get, no function", "GET", "/none/policy", "", 404, "Message", "The resource you requested does not exist."},
	} {
		body := ""
		if row.body != "" {
			body = `{"StatementId":"` + row.body + `",` + s3Permission + `}`
		}
		s.do(row.method, functions+row.path, body).want(t, row.what, row.status, row.key, row.text, "Type", "User")
	}
	for _, principal := range []string{"invalid.nonaws.com", "ann", "arn:aws:s3:::b", "arn:aws:iam::111111111111:user/*", "1234", "*.amazonaws.com"} {
		body := `{"StatementId":"x","Action":"lambda:InvokeFunction","Principal":"` + principal + `"}`
		s.do("POST", functions+"/f/policy", body).want(t, principal, 400, "message",
			"The provided principal was invalid. Please check the principal and try again.")
	}
	s.create("g", nil)
	s.do("DELETE", functions+"/g/policy/x", "").want(t, "remove, no policy", 404, "Message", "No policy is associated with the given resource.")
	for i := 0; ; i++ {
		a := s.do("POST", functions+"/g/policy", `{"StatementId":"`+strings.Repeat("s", 90)+string(rune('a'+i/26))+string(rune('a'+i%26))+`",`+s3Permission+`}`)
		if a.status == 201 {
			continue
		}
		if a.status != 400 || a.header.Get("X-Amzn-ErrorType") != "PolicyLengthExceededException" || !strings.HasSuffix(a.json["message"].(string), "is bigger than the limit (20480).") {
			t.Errorf("statement %d: %d %s", i, a.status, a.body)
		}
		if i < 30 {
			t.Errorf("%d statements fill a policy", i)
		}
		break
	}
}

// TestResourcePolicies: whole documents.
func TestResourcePolicies(t *testing.T) {
	s := newServer(t, setup{})
	s.create("f", nil)
	const resource = "/2026-07-09/resource-policy/"
	document := `{"Version":"2012-10-17","Statement":{"Sid":"one","Effect":"Deny","Principal":"*","Action":"lambda:*","Resource":"` + arn + `"}}`
	put := func(document string) string {
		body, err := json.Marshal(map[string]string{"Policy": document})
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	a := s.do("PUT", resource+arn, put(document))
	a.want(t, "put", 200, "Policy", document)
	s.do("GET", resource+arn, "").want(t, "get", 200, "Policy", document, "RevisionId", a.json["RevisionId"])
	s.do("GET", functions+"/f/policy", "").want(t, "get by the other operation", 200, "Policy", document)
	s.do("POST", functions+"/f/policy", `{"StatementId":"s3",`+s3Permission+`}`).want(t, "add to it", 201)
	s.do("DELETE", functions+"/f/policy/one", "").want(t, "remove from it", 204)
	s.do("GET", resource+arn, "").want(t, "what is left", 200, "Policy", policyOf(s3Statement("s3", arn)))
	s.do("DELETE", resource+arn+"?RevisionId="+a.json["RevisionId"].(string), "").want(t, "delete a stale one", 412)
	s.do("DELETE", resource+arn, "").want(t, "delete", 204)
	s.do("DELETE", resource+arn, "").want(t, "delete again", 404)
	for _, wrong := range []string{"{}", `{"Statement":[]}`, strings.Replace(document, `"Principal":"*",`, "", 1), strings.Replace(document, arn, arn+"2", 1), strings.Replace(document, arn, "*", 1)} {
		a := s.do("PUT", resource+arn, put(wrong))
		if text, _ := a.json["message"].(string); a.status != 400 || !strings.HasPrefix(text, "The policy is invalid: ") {
			t.Errorf("%s: %d %s", wrong, a.status, a.body)
		}
	}
	s.do("GET", resource+"f", "").want(t, "no ARN", 400)
	s.do("PUT", resource+arn+":9", put(strings.Replace(document, arn, arn+":9", 1))).want(t, "no version", 404)
}

// guest is a client of a user who has one policy, or none.
func guest(t *testing.T, name, document string) (*server, *sdk.Client) {
	t.Helper()
	path := t.TempDir() + "/master.key"
	if err := vault.Create(path); err != nil {
		t.Fatal(err)
	}
	v, err := vault.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	key := iam.NewKey(name)
	err = iam.Edit(dir, v, func(c *iam.Contents) error {
		c.Keys = []iam.Key{iam.NewKey(iam.Administrator), key}
		if document != "" {
			c.Set(name, iam.NamedPolicy{Name: "p", Document: document})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := iam.Open(dir, v)
	if err != nil {
		t.Fatal(err)
	}
	access, err := iam.NewAccess(iam.AccessOptions{Keyring: ring, Scope: scope})
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, setup{keys: access, access: access, now: time.Now})
	front := httptest.NewServer(s.handler)
	t.Cleanup(front.Close)
	return s, sdk.New(sdk.Options{Region: scope.Region, BaseEndpoint: &front.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key.ID, key.Secret, "")})
}

func allow(actions, resources string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":` + actions + `,"Resource":` + resources + `}]}`
}

// TestUsersMayWhatTheirPoliciesSay, and nothing by default.
func TestUsersMayWhatTheirPoliciesSay(t *testing.T) {
	const ann = "arn:aws:iam::111111111111:user/ann"
	deny := func(action, resource string) string {
		return "User: " + ann + " is not authorized to perform: " + action + " on resource: " + resource +
			" because no identity-based policy allows the " + action + " action"
	}
	_, client := guest(t, "ann", "")
	_, err := client.ListFunctions(t.Context(), &sdk.ListFunctionsInput{})
	wantAPIError(t, err, "AccessDeniedException", deny("lambda:ListFunctions", "*"))

	_, client = guest(t, "ann", allow(`["lambda:GetFunction","lambda:CreateFunction","lambda:InvokeFunction"]`, `["`+functionARN+`f","`+functionARN+`f:dev"]`))
	refused := func(what string, err error, action, resource string) {
		t.Helper()
		t.Run(what, func(t *testing.T) { wantAPIError(t, err, "AccessDeniedException", deny(action, resource)) })
	}
	_, err = client.GetFunction(t.Context(), &sdk.GetFunctionInput{FunctionName: aws.String("f")})
	wantAPIError(t, err, "ResourceNotFoundException", "Function not found: "+functionARN+"f")
	_, err = client.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("f"), Qualifier: aws.String("prod")})
	refused("the qualifier of the query counts", err, "lambda:InvokeFunction", functionARN+"f:prod")
	_, err = client.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("f"), Qualifier: aws.String("dev")})
	if err != nil {
		t.Errorf("what is allowed: %v", err)
	}
	_, err = client.GetFunction(t.Context(), &sdk.GetFunctionInput{FunctionName: aws.String("arn:aws-cn:lambda:us-east-1:111111111111:function:g")})
	refused("another spelling", err, "lambda:GetFunction", functionARN+"g")
	_, err = client.CreateFunction(t.Context(), createInput(t, "f"))
	refused("the role is not passed on", err, "iam:PassRole", "arn:aws:iam::111111111111:role/r")
}

// TestPoliciesOfFunctionsDecideToo: a resource's own policy allows, and denies.
func TestPoliciesOfFunctionsDecideToo(t *testing.T) {
	const ann = "arn:aws:iam::111111111111:user/ann"
	s, client := guest(t, "ann", allow(`"lambda:GetFunction"`, `"*"`))
	ctx := t.Context()
	admin := func(resource, effect, action string) {
		t.Helper()
		view := `{"Version":"2012-10-17","Statement":[{"Effect":"` + effect + `","Principal":{"AWS":"` + ann + `"},"Action":"` + action + `","Resource":"` + resource + `"}]}`
		if _, err := s.control.PutResourcePolicy(ctx, lambda.Ref{Name: "f"}, view, ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.control.CreateFunction(ctx, control.CreateFunctionInput{Name: "f", Zip: zipBytes(t), Settings: control.Settings{
		Role: aws.String("arn:aws:iam::111111111111:role/r"), Runtime: aws.String("python3.12"), Handler: aws.String("index.handler"),
	}}); err != nil {
		t.Fatal(err)
	}
	invoke := func(qualifier *string) error {
		_, err := client.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("f"), Qualifier: qualifier})
		return err
	}
	text := func(resource string) string {
		return "User: " + ann + " is not authorized to perform: lambda:InvokeFunction on resource: " + resource +
			" because no identity-based policy allows the lambda:InvokeFunction action"
	}
	wantAPIError(t, invoke(nil), "AccessDeniedException", text(arn))
	admin(arn, "Allow", "lambda:InvokeFunction")
	if err := invoke(nil); err != nil {
		t.Errorf("what the function's policy allows: %v", err)
	}
	wantAPIError(t, invoke(aws.String("$LATEST")), "AccessDeniedException", text(arn+":$LATEST"))
	admin(arn, "Deny", "lambda:GetFunction")
	_, err := client.GetFunction(ctx, &sdk.GetFunctionInput{FunctionName: aws.String("f")})
	wantAPIError(t, err, "AccessDeniedException", "User: "+ann+" is not authorized to perform: lambda:GetFunction on resource: "+arn+
		" with an explicit deny in a resource-based policy")
}

func zipBytes(t *testing.T) []byte {
	t.Helper()
	zip, err := base64.StdEncoding.DecodeString(zipFile("hello"))
	if err != nil {
		t.Fatal(err)
	}
	return zip
}

func createInput(t *testing.T, name string) *sdk.CreateFunctionInput {
	return &sdk.CreateFunctionInput{FunctionName: &name, Role: aws.String("arn:aws:iam::111111111111:role/r"),
		Runtime: types.RuntimePython312, Handler: aws.String("index.handler"), Code: &types.FunctionCode{ZipFile: zipBytes(t)}}
}
