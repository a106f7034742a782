package identity_test

import (
	"encoding/xml"
	"net/url"
	"slices"
	"strings"
	"testing"

	"thaw/internal/iam"
)

const listRoles = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ListRoles","Resource":"*"}]}`

// key reads the access key of an answer.
func (s *server) key(body string) (k iam.Key) {
	s.Helper()
	var answer struct {
		Result struct {
			AccessKey struct{ AccessKeyId, SecretAccessKey, UserName, Status string }
		} `xml:"CreateAccessKeyResult"`
	}
	if err := xml.Unmarshal([]byte(body), &answer); err != nil {
		s.Fatal(err)
	}
	made := answer.Result.AccessKey
	if made.Status != "Active" || made.SecretAccessKey == "" {
		s.Fatalf("key %+v", made)
	}
	return iam.Key{ID: made.AccessKeyId, Secret: made.SecretAccessKey, User: made.UserName}
}

// TestLifeOfAUser: a user is made, gets policies and a key, may what they say from
// then on and no longer than they last, and goes when nothing refers to him.
func TestLifeOfAUser(t *testing.T) {
	s := newServer(t)
	admin := func(what, form string, status int, contains ...string) {
		t.Helper()
		s.want(what, s.admin, "iam", form, status, contains...)
	}
	const arn = "arn:aws:iam::111111111111:user/ci/deployer"
	admin("create", "Action=CreateUser&UserName=deployer&Path=/ci/&Tags.member.1.Key=k&Tags.member.1.Value=v", 200,
		"<CreateUserResult><User><Path>/ci/</Path><UserName>deployer</UserName><UserId>AIDA", "<Arn>"+arn+"</Arn>", "<Tags><member><Key>k</Key><Value>v</Value></member></Tags>")
	admin("again", "Action=CreateUser&UserName=Deployer", 409, "<Code>EntityAlreadyExists</Code>")
	_, body := s.post(s.admin, "iam", "us-east-1", "Action=CreateAccessKey&UserName=deployer")
	key := s.key(body)
	s.want("who", key, "sts", "Action=GetCallerIdentity", 200, "<Arn>"+arn+"</Arn>")
	s.want("by default", key, "iam", "Action=ListRoles", 403, "User: "+arn+" is not authorized to perform: iam:ListRoles")
	admin("a policy", "Action=PutUserPolicy&UserName=deployer&PolicyName=p&PolicyDocument="+url.QueryEscape(listRoles), 200)
	s.want("with a policy", key, "iam", "Action=ListRoles", 200, "<ListRolesResult><Roles></Roles><IsTruncated>false</IsTruncated>")
	admin("a broken policy", "Action=PutUserPolicy&UserName=deployer&PolicyName=q&PolicyDocument={}", 400, "<Code>MalformedPolicyDocument</Code>")
	admin("show it", "Action=GetUserPolicy&UserName=deployer&PolicyName=p", 200, "<PolicyDocument>%7B%22Version%22%3A")
	admin("list it", "Action=ListUserPolicies&UserName=deployer", 200, "<PolicyNames><member>p</member></PolicyNames>")
	admin("away with it", "Action=DeleteUserPolicy&UserName=deployer&PolicyName=p", 200)
	admin("once more", "Action=DeleteUserPolicy&UserName=deployer&PolicyName=p", 404, "<Code>NoSuchEntity</Code>")
	s.want("without the policy", key, "iam", "Action=ListRoles", 403)

	const readOnly = "arn:aws:iam::aws:policy/AWSLambda_ReadOnlyAccess"
	admin("attach", "Action=AttachUserPolicy&UserName=deployer&PolicyArn="+readOnly, 200)
	admin("attach what is not there", "Action=AttachUserPolicy&UserName=deployer&PolicyArn="+readOnly+"x", 404, "<Code>NoSuchEntity</Code>")
	s.want("with the policy of the provider", key, "iam", "Action=ListRoles", 200)
	admin("list what is attached", "Action=ListAttachedUserPolicies&UserName=deployer", 200,
		"<AttachedPolicies><member><PolicyName>AWSLambda_ReadOnlyAccess</PolicyName><PolicyArn>"+readOnly+"</PolicyArn></member></AttachedPolicies>")
	admin("create a policy", "Action=CreatePolicy&PolicyName=m&PolicyDocument="+url.QueryEscape(listRoles), 200)
	const managed = "arn:aws:iam::111111111111:policy/m"
	admin("attach that", "Action=AttachUserPolicy&UserName=deployer&PolicyArn="+managed, 200)
	admin("who has it", "Action=ListEntitiesForPolicy&PolicyArn="+managed, 200,
		"<PolicyRoles></PolicyRoles><PolicyUsers><member><UserName>deployer</UserName><UserId>"+iam.UserID("deployer")+"</UserId></member></PolicyUsers>")
	admin("delete what is attached", "Action=DeletePolicy&PolicyArn="+managed, 409, "<Code>DeleteConflict</Code>")
	admin("delete a user with it", "Action=DeleteUser&UserName=deployer", 409, "must detach all policies first")
	for _, policy := range []string{managed, readOnly} {
		admin("detach", "Action=DetachUserPolicy&UserName=deployer&PolicyArn="+policy, 200)
		admin("detach again", "Action=DetachUserPolicy&UserName=deployer&PolicyArn="+policy, 404)
	}
	s.want("detached", key, "iam", "Action=ListRoles", 403)
	admin("delete a user with a key", "Action=DeleteUser&UserName=deployer", 409, "must delete access keys first")

	admin("rename", "Action=UpdateUser&UserName=deployer&NewUserName=release&NewPath=/", 200)
	s.want("renamed", key, "sts", "Action=GetCallerIdentity", 200, "<Arn>arn:aws:iam::111111111111:user/release</Arn>")
	admin("the old name", "Action=GetUser&UserName=deployer", 404, "<Code>NoSuchEntity</Code>")
	admin("tags", "Action=TagUser&UserName=release&Tags.member.1.Key=l&Tags.member.1.Value=w", 200)
	admin("fewer tags", "Action=UntagUser&UserName=release&TagKeys.member.1=k", 200)
	admin("list tags", "Action=ListUserTags&UserName=release", 200, "<Tags><member><Key>l</Key><Value>w</Value></member></Tags>")

	admin("no longer", "Action=UpdateAccessKey&UserName=release&Status=Inactive&AccessKeyId="+key.ID, 200)
	s.want("inactive", key, "sts", "Action=GetCallerIdentity", 403, "<Code>InvalidClientTokenId</Code>")
	admin("list keys", "Action=ListAccessKeys&UserName=release", 200, "<AccessKeyMetadata><member><UserName>release</UserName><AccessKeyId>"+key.ID+"</AccessKeyId><Status>Inactive</Status>")
	if _, body := s.post(s.admin, "iam", "us-east-1", "Action=ListAccessKeys&UserName=release"); strings.Contains(body, key.Secret) {
		t.Error("a list of keys tells secrets")
	}
	admin("a second key", "Action=CreateAccessKey&UserName=release", 200)
	admin("a third key", "Action=CreateAccessKey&UserName=release", 409, "<Code>LimitExceeded</Code>", "Cannot exceed quota for AccessKeysPerUser: 2")
	keys, err := s.directory.UserKeys("release")
	if err != nil || len(keys) != 2 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	admin("another's key", "Action=DeleteAccessKey&UserName=release&AccessKeyId="+s.ann.ID, 404, "The Access Key with id "+s.ann.ID+" cannot be found.")
	for _, k := range keys {
		admin("delete key", "Action=DeleteAccessKey&UserName=release&AccessKeyId="+k.ID, 200)
	}
	for _, list := range []string{"Groups", "MFADevices", "SSHPublicKeys", "Certificates", "ServiceSpecificCredentials"} {
		action := map[string]string{"Groups": "ListGroupsForUser", "Certificates": "ListSigningCertificates"}[list]
		if action == "" {
			action = "List" + list
		}
		admin(action, "Action="+action+"&UserName=release", 200, "<"+list+"></"+list+"><IsTruncated>false</IsTruncated>")
	}
	admin("login", "Action=GetLoginProfile&UserName=release", 404, "<Code>NoSuchEntity</Code>")
	admin("delete", "Action=DeleteUser&UserName=release", 200)
	admin("delete again", "Action=DeleteUser&UserName=release", 404)
}

// TestUsersOfTheOperator: users that the operator has made are users of the API, too.
func TestUsersOfTheOperator(t *testing.T) {
	s := newServer(t)
	s.want("all", s.admin, "iam", "Action=ListUsers", 200, "<UserName>administrator</UserName>", "<UserName>ann</UserName>", "<IsTruncated>false</IsTruncated>")
	s.want("one page", s.admin, "iam", "Action=ListUsers&MaxItems=1", 200, "<IsTruncated>true</IsTruncated><Marker>administrator</Marker>")
	s.want("below a path", s.admin, "iam", "Action=ListUsers&PathPrefix=/x/", 200, "<Users></Users>")
	s.want("herself", s.ann, "iam", "Action=GetUser", 200, "<Arn>arn:aws:iam::111111111111:user/ann</Arn>", "<CreateDate>20")
	s.want("her policies", s.ann, "iam", "Action=ListUserPolicies&UserName=ann", 200, "<member>p</member>")
	s.want("her keys", s.ann, "iam", "Action=ListAccessKeys", 200, "<AccessKeyId>"+s.ann.ID+"</AccessKeyId><Status>Active</Status>")
	s.want("the last key", s.admin, "iam", "Action=DeleteAccessKey&UserName=ann&AccessKeyId="+s.ann.ID, 200)
	s.want("her key", s.ann, "sts", "Action=GetCallerIdentity", 403)
	s.want("with her policy she is there", s.admin, "iam", "Action=GetUser&UserName=ann", 200)
	s.want("and goes with it", s.admin, "iam", "Action=DeleteUserPolicy&UserName=ann&PolicyName=p", 200)
	s.want("gone", s.admin, "iam", "Action=GetUser&UserName=ann", 404)
}

// TestTheAdministratorStays: nobody can lock all out, or become the administrator.
func TestTheAdministratorStays(t *testing.T) {
	s := newServer(t)
	full := url.QueryEscape(iam.FullAccess)
	for _, form := range []string{"Action=DeleteUser&UserName=administrator", "Action=UpdateUser&UserName=administrator&NewUserName=x",
		"Action=UpdateUser&UserName=ann&NewUserName=administrator", "Action=PutUserPolicy&UserName=administrator&PolicyName=p&PolicyDocument=" + full,
		"Action=AttachUserPolicy&UserName=administrator&PolicyArn=arn:aws:iam::aws:policy/AdministratorAccess", "Action=TagUser&UserName=administrator"} {
		s.want(form, s.admin, "iam", form, 400, "<Code>UnmodifiableEntity</Code>")
	}
	s.want("everything", s.admin, "iam", "Action=PutUserPolicy&UserName=ann&PolicyName=all&PolicyDocument="+full, 200)
	for _, form := range []string{"Action=CreateAccessKey&UserName=administrator", "Action=DeleteAccessKey&UserName=administrator&AccessKeyId=" + s.admin.ID,
		"Action=UpdateAccessKey&UserName=administrator&Status=Inactive&AccessKeyId=" + s.admin.ID} {
		s.want(form, s.ann, "iam", form, 403, "<Code>AccessDenied</Code>")
	}
	s.want("ann's own", s.ann, "iam", "Action=DeleteAccessKey&AccessKeyId="+s.ann.ID, 200)
	for _, form := range []string{"Action=DeleteAccessKey&AccessKeyId=", "Action=UpdateAccessKey&Status=Inactive&AccessKeyId="} {
		s.want("the last key of all", s.admin, "iam", form+s.admin.ID, 409, "<Code>DeleteConflict</Code>")
	}
	_, body := s.post(s.admin, "iam", "us-east-1", "Action=CreateAccessKey")
	if k := s.key(body); k.User != iam.Administrator {
		t.Errorf("his own key is %s's", k.User)
	}
}

// TestTagsOfRolesAndPolicies, and conditions on them.
func TestTagsOfRolesAndPolicies(t *testing.T) {
	s := newServer(t)
	admin := func(what, form string, status int, contains ...string) {
		t.Helper()
		s.want(what, s.admin, "iam", form, status, contains...)
	}
	const mine = `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"iam:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"red"}}},
		{"Effect":"Allow","Action":"iam:CreateRole","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/team":"red"}}},
		{"Effect":"Deny","Action":"iam:UntagRole","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"aws:TagKeys":"team"}}}]}`
	admin("ann's", "Action=PutUserPolicy&UserName=ann&PolicyName=q&PolicyDocument="+url.QueryEscape(mine), 200)
	role := "&AssumeRolePolicyDocument=" + url.QueryEscape(trust)
	s.want("a role for nobody", s.ann, "iam", "Action=CreateRole&RoleName=r"+role, 403)
	s.want("a role for the team", s.ann, "iam", "Action=CreateRole&RoleName=r&Tags.member.1.Key=team&Tags.member.1.Value=red"+role, 200)
	admin("another", "Action=CreateRole&RoleName=other"+role, 200)
	s.want("change it", s.ann, "iam", "Action=UpdateRoleDescription&RoleName=r&Description=d", 200, "<Description>d</Description>")
	s.want("change another", s.ann, "iam", "Action=UpdateRoleDescription&RoleName=other&Description=d", 403)
	s.want("tag it", s.ann, "iam", "Action=TagRole&RoleName=r&Tags.member.1.Key=k&Tags.member.1.Value=v", 200)
	s.want("give it away", s.ann, "iam", "Action=UntagRole&RoleName=r&TagKeys.member.1=team", 403)
	s.want("untag it", s.ann, "iam", "Action=UntagRole&RoleName=r&TagKeys.member.1=k", 200)
	s.want("its tags", s.ann, "iam", "Action=ListRoleTags&RoleName=r", 200, "<Tags><member><Key>team</Key><Value>red</Value></member></Tags>")
	admin("a policy", "Action=CreatePolicy&PolicyName=m&PolicyDocument="+url.QueryEscape(listRoles), 200)
	admin("tag it", "Action=TagPolicy&PolicyArn=arn:aws:iam::111111111111:policy/m&Tags.member.1.Key=k&Tags.member.1.Value=v", 200)
	admin("its tags", "Action=ListPolicyTags&PolicyArn=arn:aws:iam::111111111111:policy/m", 200, "<Key>k</Key><Value>v</Value>")
	admin("with its tags", "Action=GetPolicy&PolicyArn=arn:aws:iam::111111111111:policy/m", 200, "<Key>k</Key><Value>v</Value>")
	admin("a tag twice", "Action=TagRole&RoleName=r&Tags.member.1.Key=k&Tags.member.1.Value=v&Tags.member.2.Key=k&Tags.member.2.Value=w", 400, "<Code>InvalidInput</Code>")
	admin("no aliases", "Action=ListAccountAliases", 200, "<AccountAliases></AccountAliases>")
}

// TestListPolicies: those of the provider are listed beside the account's, whatever
// they are called.
func TestListPolicies(t *testing.T) {
	s := newServer(t)
	s.want("create", s.admin, "iam", "Action=CreatePolicy&PolicyName=AmazonS3FullAccess&Path=/own/&PolicyDocument="+url.QueryEscape(listRoles), 200)
	list := func(form string) (arns []string) {
		t.Helper()
		for marker := ""; ; {
			status, body := s.post(s.ann, "iam", "us-east-1", "Action=ListPolicies"+form+marker)
			var page struct {
				Result struct {
					Policies    []struct{ Arn string } `xml:"Policies>member"`
					IsTruncated bool
					Marker      string
				} `xml:"ListPoliciesResult"`
			}
			if err := xml.Unmarshal([]byte(body), &page); err != nil || status != 200 {
				t.Fatal(status, err, body)
			}
			for _, p := range page.Result.Policies {
				arns = append(arns, p.Arn)
			}
			if !page.Result.IsTruncated {
				return arns
			}
			marker = "&Marker=" + url.QueryEscape(page.Result.Marker)
		}
	}
	const own, provided = "arn:aws:iam::111111111111:policy/own/AmazonS3FullAccess", "arn:aws:iam::aws:policy/AmazonS3FullAccess"
	all := list("")
	if paged := list("&MaxItems=1"); !slices.Equal(all, paged) || len(all) != len(iam.BuiltInARNs("aws"))+1 {
		t.Errorf("all %q, page by page %q", all, paged)
	}
	if !slices.Contains(all, own) || !slices.Contains(all, provided) {
		t.Errorf("all are %q", all)
	}
	if got := list("&Scope=Local"); !slices.Equal(got, []string{own}) {
		t.Errorf("the account's are %q", got)
	}
	if got := list("&Scope=AWS&PathPrefix=/service-role/"); len(got) == 0 || slices.ContainsFunc(got, func(arn string) bool {
		return !strings.HasPrefix(arn, "arn:aws:iam::aws:policy/service-role/")
	}) {
		t.Errorf("the provider's below a path are %q", got)
	}
	if got := list("&OnlyAttached=true"); len(got) != 0 {
		t.Errorf("attached are %q", got)
	}
}
