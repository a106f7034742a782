package lambda_test

import "testing"

func layerStatement(sid, principal, condition string) string {
	return `{"Sid":"` + sid + `","Effect":"Allow","Principal":` + principal + `,"Action":"lambda:GetLayerVersion",` +
		`"Resource":"arn:aws:lambda:us-east-1:111111111111:layer:l:1"` + condition + `}`
}

// TestLayerPolicies takes a layer version's policy through its life.
func TestLayerPolicies(t *testing.T) {
	s := newServer(t, setup{})
	s.publish("l", "content", nil)
	const (
		path   = layers + "/l/versions/1/policy"
		public = `"Action":"lambda:GetLayerVersion","Principal":"*"`
		stale  = "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id"
	)
	everyone, org := layerStatement("s1", `"*"`, ""), layerStatement("s2", `{"AWS":"arn:aws:iam::111111111111:root"}`,
		`,"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1234567890"}}`)
	s.do("GET", path, "").want(t, "none yet", 404, "Message", "No policy is associated with the given resource.")
	first := s.do("POST", path, `{"StatementId":"s1",`+public+`}`)
	first.want(t, "add", 201, "Statement", everyone)
	s.do("GET", path, "").want(t, "get", 200, "Policy", policyOf(everyone), "RevisionId", first.json["RevisionId"])
	s.do("POST", path, `{"StatementId":"s1",`+public+`}`).want(t, "again", 409, "message",
		"The statement id (s1) provided already exists. Please provide a new statement id, or remove the existing statement.")
	s.do("POST", path+"?RevisionId=wrong", `{"StatementId":"s2",`+public+`}`).want(t, "wrong revision", 412, "message", stale)
	second := s.do("POST", path+"?RevisionId="+first.json["RevisionId"].(string),
		`{"StatementId":"s2","Action":"lambda:GetLayerVersion","Principal":"111111111111","OrganizationId":"o-1234567890"}`)
	second.want(t, "an organization", 201, "Statement", org)
	s.do("GET", path, "").want(t, "two", 200, "Policy", policyOf(everyone, org), "RevisionId", second.json["RevisionId"])
	s.do("DELETE", path+"/s1?RevisionId="+first.json["RevisionId"].(string), "").want(t, "remove with a stale revision", 412, "message", stale)
	s.do("DELETE", path+"/none", "").want(t, "no such statement", 404, "Message", "Statement none is not found in resource policy.")
	s.do("DELETE", path+"/s1", "").want(t, "remove", 204)
	s.do("DELETE", path+"/s2", "").want(t, "remove the last", 204)
	s.do("GET", path, "").want(t, "none any more", 404, "Message", "No policy is associated with the given resource.")
	const missing = "Layer version arn:aws:lambda:us-east-1:111111111111:layer:l:2 does not exist."
	other := layers + "/l/versions/2/policy"
	s.do("GET", other, "").want(t, "no version", 404, "Message", missing)
	s.do("POST", other, `{"StatementId":"s1",`+public+`}`).want(t, "add to no version", 404, "Message", missing)
	s.do("DELETE", other+"/s1", "").want(t, "remove from no version", 404, "Message", missing)
}
