package identity_test

import (
	"crypto/sha256"
	"encoding/hex"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"thaw/internal/api/identity"
	"thaw/internal/catalog"
	"thaw/internal/iam"
	"thaw/internal/lambda"
	"thaw/internal/store/memory"
	"thaw/internal/vault"
)

var scope = lambda.Scope{Partition: "aws", Region: "eu-west-1", Account: "111111111111"}

const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"sts:AssumeRole"}]}`

// server is the APIs with the key of the administrator and that of ann, who may
// read roles.
type server struct {
	*testing.T
	handler    *identity.Handler
	directory  *iam.Directory
	admin, ann iam.Key
}

func newServer(t *testing.T) *server {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, vault.FileName)
	if err := vault.Create(path); err != nil {
		t.Fatal(err)
	}
	v, err := vault.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{T: t, admin: iam.NewKey(iam.Administrator), ann: iam.NewKey("ann")}
	err = iam.Edit(dir, v, func(c *iam.Contents) error {
		c.Keys = []iam.Key{s.admin, s.ann}
		c.Set("ann", iam.NamedPolicy{Name: "p", Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:Get*","iam:List*"],"Resource":"*"}]}`})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := iam.Open(dir, v)
	if err != nil {
		t.Fatal(err)
	}
	engine := memory.New()
	c, err := catalog.Open(t.Context(), engine.Metadata(), catalog.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		engine.Close()
	})
	directory := iam.NewDirectory(c, scope).WithUsers(ring)
	s.directory = directory
	access, err := iam.NewAccess(iam.AccessOptions{Keyring: ring, Scope: scope, Roles: directory, Vault: v})
	if err != nil {
		t.Fatal(err)
	}
	s.handler = identity.New(identity.Options{Access: access, Directory: directory, Scope: scope, Keys: access, Logger: slog.New(slog.DiscardHandler)})
	return s
}

// post sends a form, "Action=X&…", signed for a service and a region.
func (s *server) post(key iam.Key, service, region, form string) (status int, body string) {
	s.Helper()
	version := map[string]string{"sts": "2011-06-15", "iam": "2010-05-08"}[service]
	if !strings.Contains(form, "Version=") {
		form += "&Version=" + version
	}
	r := httptest.NewRequest(http.MethodPost, "http://localhost:4566/", strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sum := sha256.Sum256([]byte(form))
	if key.ID != "" {
		err := v4.NewSigner().SignHTTP(s.Context(), aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret}, r, hex.EncodeToString(sum[:]), service, region, time.Now())
		if err != nil {
			s.Fatal(err)
		}
	}
	r.RequestURI = "/"
	if !s.handler.Ours(r) {
		s.Fatal("the request is not taken for one of these APIs")
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	out, err := io.ReadAll(w.Result().Body)
	if err != nil {
		s.Fatal(err)
	}
	if w.Code >= 500 && w.Code != http.StatusNotImplemented {
		s.Errorf("%s: %d %s", form, w.Code, out)
	}
	return w.Code, string(out)
}

func (s *server) want(what string, key iam.Key, service, form string, status int, contains ...string) {
	s.Helper()
	got, body := s.post(key, service, "us-east-1", form)
	if got != status {
		s.Errorf("%s: status %d, want %d: %s", what, got, status, body)
	}
	for _, text := range contains {
		if !strings.Contains(body, text) && !strings.Contains(html.UnescapeString(body), text) {
			s.Errorf("%s: no %q in %s", what, text, body)
		}
	}
}

// TestWhoCalls: signatures of either region are taken, and none is not.
func TestWhoCalls(t *testing.T) {
	s := newServer(t)
	const who = "Action=GetCallerIdentity"
	for _, region := range []string{"us-east-1", "eu-west-1"} {
		if status, body := s.post(s.ann, "sts", region, who); status != 200 || !strings.Contains(body,
			`<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><UserId>`+iam.UserID("ann")+
				`</UserId><Account>111111111111</Account><Arn>arn:aws:iam::111111111111:user/ann</Arn></GetCallerIdentityResult><ResponseMetadata><RequestId>`) {
			t.Errorf("%s: %d %s", region, status, body)
		}
	}
	s.want("no signature", iam.Key{}, "sts", who, 403, "<Type>Sender</Type><Code>MissingAuthenticationToken</Code>")
	stranger := iam.NewKey("x")
	s.want("nobody's key", stranger, "sts", who, 403, "<Code>InvalidClientTokenId</Code>")
	wrong := s.ann
	wrong.Secret = stranger.Secret
	s.want("another secret", wrong, "sts", who, 403, "<Code>SignatureDoesNotMatch</Code>")
	s.want("signed for the other service", s.ann, "sts", "Action=ListRoles&Version=2010-05-08", 403, "<Code>SignatureDoesNotMatch</Code>")
	s.want("no operation", s.admin, "iam", "Action=Nothing", 400, "<Code>InvalidAction</Code>")
	s.want("no version", s.admin, "iam", "Action=ListRoles&Version=1", 400, "<Code>InvalidAction</Code>")
	s.want("not a form", s.admin, "iam", "Action=%zz", 400)
	s.want("too large", s.admin, "iam", "Action=GetRole&x="+strings.Repeat("y", 300<<10), 413)
}

// TestEachOperationNeedsPermission: of every operation that changes something, or
// gives credentials, ann is refused, who may read.
func TestEachOperationNeedsPermission(t *testing.T) {
	s := newServer(t)
	role := "&UserName=u&RoleName=r&PolicyName=p&PolicyArn=arn:aws:iam::111111111111:policy/p&VersionId=v1&AssumeRolePolicyDocument=x&PolicyDocument=x"
	for _, action := range []string{"CreateRole", "UpdateRole", "DeleteRole", "UpdateAssumeRolePolicy", "PutRolePolicy", "DeleteRolePolicy", "AttachRolePolicy", "DetachRolePolicy",
		"CreatePolicy", "DeletePolicy", "CreatePolicyVersion", "DeletePolicyVersion", "SetDefaultPolicyVersion", "UpdateRoleDescription",
		"CreateUser", "UpdateUser", "DeleteUser", "PutUserPolicy", "DeleteUserPolicy", "AttachUserPolicy", "DetachUserPolicy", "CreateAccessKey", "UpdateAccessKey",
		"DeleteAccessKey", "TagRole", "UntagRole", "TagUser", "UntagUser", "TagPolicy", "UntagPolicy"} {
		s.want(action, s.ann, "iam", "Action="+action+role, 403, "<Code>AccessDenied</Code>",
			"User: arn:aws:iam::111111111111:user/ann is not authorized to perform: iam:"+action+" on resource: arn:aws:iam::111111111111:")
	}
	s.want("AssumeRole", s.ann, "sts", "Action=AssumeRole&RoleArn=arn:aws:iam::111111111111:role/r&RoleSessionName=ss", 403, "<Code>AccessDenied</Code>")
	for _, action := range []string{"GetRole", "GetRolePolicy", "ListRolePolicies", "ListAttachedRolePolicies", "ListInstanceProfilesForRole", "GetPolicy", "GetPolicyVersion", "ListPolicyVersions",
		"GetUser", "GetUserPolicy", "ListUserPolicies", "ListAttachedUserPolicies", "ListAccessKeys", "ListGroupsForUser", "ListRoleTags", "ListUserTags", "ListPolicyTags", "ListEntitiesForPolicy"} {
		s.want(action, s.ann, "iam", "Action="+action+role, 404, "<Code>NoSuchEntity</Code>")
	}
	for _, action := range []string{"ListRoles", "ListPolicies", "ListUsers", "ListAccountAliases"} {
		s.want(action, s.ann, "iam", "Action="+action, 200, "<IsTruncated>false</IsTruncated>")
	}
}

// TestMembers: what a member may not be, and what it is not here yet.
func TestMembers(t *testing.T) {
	s := newServer(t)
	create := "Action=CreateRole&RoleName=r&AssumeRolePolicyDocument=" + url.QueryEscape(trust)
	for _, row := range []struct{ what, service, form, want string }{
		{"no name", "iam", "Action=GetRole", "Value null at 'roleName' failed to satisfy constraint: Member must not be null"},
		{"a long name", "iam", "Action=GetRole&RoleName=" + strings.Repeat("r", 65), "Member must have length less than or equal to 64"},
		{"a bad name", "iam", "Action=GetRole&RoleName=a/b", "The specified value for roleName is invalid"},
		{"a bad path", "iam", create + "&Path=x", "The specified value for path is invalid"},
		{"a short session", "iam", create + "&MaxSessionDuration=60", "'60' at 'maxSessionDuration'"},
		{"a tag without a value", "iam", create + "&Tags.member.1.Key=k", "Tags must have a Key and a Value each"},
		{"a short lifetime", "sts", "Action=AssumeRole&RoleArn=arn:aws:iam::111111111111:role/r&RoleSessionName=ss&DurationSeconds=899", "'899' at 'durationSeconds'"},
		{"a bad session", "sts", "Action=AssumeRole&RoleArn=arn:aws:iam::111111111111:role/r&RoleSessionName=a/b", "roleSessionName is invalid"},
	} {
		s.want(row.what, s.admin, row.service, row.form, 400, row.want)
	}
	for _, form := range []string{create + "&PermissionsBoundary=arn:aws:iam::aws:policy/x",
		"Action=AssumeRole&RoleArn=arn:aws:iam::111111111111:role/r&RoleSessionName=ss&PolicyArns.member.1.arn=arn:aws:iam::aws:policy/x"} {
		service := "iam"
		if strings.Contains(form, "AssumeRole&") {
			service = "sts"
		}
		s.want("what is not kept", s.admin, service, form, 501, "<Code>NotImplemented</Code>")
	}
	s.want("create", s.admin, "iam", create+"&Path=/a/&Tags.member.1.Key=k&Tags.member.1.Value=%3Cv%3E", 200,
		"<Arn>arn:aws:iam::111111111111:role/a/r</Arn>", "<Tags><member><Key>k</Key><Value>&lt;v&gt;</Value></member></Tags>",
		"<AssumeRolePolicyDocument>%7B%22Version%22%3A%222012-10-17%22%2C")
	s.want("its session", s.admin, "sts", "Action=AssumeRole&RoleArn=arn:aws:iam::111111111111:role/a/r&RoleSessionName=ss", 200,
		"<Arn>arn:aws:sts::111111111111:assumed-role/r/ss</Arn>", "<SessionToken>")
	s.want("a role at another path", s.admin, "sts", "Action=AssumeRole&RoleArn=arn:aws:iam::111111111111:role/r&RoleSessionName=ss", 403, "<Code>AccessDenied</Code>")
}

// TestOtherRequestsAreLeftAlone.
func TestOtherRequestsAreLeftAlone(t *testing.T) {
	s := newServer(t)
	for _, row := range []struct{ method, path, kind string }{
		{"GET", "/", "application/x-www-form-urlencoded"}, {"POST", "/2015-03-31/functions", "application/x-www-form-urlencoded"},
		{"POST", "/", "application/x-amz-json-1.1"}, {"POST", "/", ""},
	} {
		r := httptest.NewRequest(row.method, row.path, nil)
		r.Header.Set("Content-Type", row.kind)
		if s.handler.Ours(r) {
			t.Errorf("%v is taken", row)
		}
	}
}
