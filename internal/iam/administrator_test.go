package iam_test

import (
	"testing"

	"thaw/internal/iam"
	"thaw/internal/iam/policy"
)

// TestTheAdministratorStays: others' keys do not stand in for his, for whom a server
// is made.
func TestTheAdministratorStays(t *testing.T) {
	o := newOffice(t)
	d := o.Directory.WithUsers(o.keyring)
	first := o.keyring.First()
	if first.User != iam.Administrator {
		t.Fatalf("the first key is %s's", first.User)
	}
	if _, err := d.CreateUser(iam.User{Name: "ann", Path: "/"}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.CreateKey("ann"); err != nil {
		t.Fatal(err)
	}
	o.do("delete his only key", iam.CodeDeleteConflict, d.DeleteKey(iam.Administrator, first.ID))
	o.do("disable it", iam.CodeDeleteConflict, d.SetKey(iam.Administrator, first.ID, false))
	second, err := d.CreateKey(iam.Administrator)
	if err != nil {
		t.Fatal(err)
	}
	o.do("delete one of two", "", d.DeleteKey(iam.Administrator, first.ID))
	if got := o.keyring.First(); got.ID != second.ID {
		t.Errorf("the first key is %s's, not the administrator's younger one", got.User)
	}
}

// TestReadOnly: whoever may only read reads everything but messages, which he would
// take, and changes nothing.
func TestReadOnly(t *testing.T) {
	p, err := policy.Parse(iam.ReadOnly, policy.Identity)
	if err != nil {
		t.Fatal(err)
	}
	for action, want := range map[string]bool{
		"lambda:GetFunction": true, "lambda:ListTags": true, "logs:FilterLogEvents": true, "iam:GetRole": true, "cloudwatch:GetMetricData": true,
		"cloudwatch:ListMetrics": true, "sqs:ListQueues": true, "sqs:GetQueueAttributes": true,
		"lambda:InvokeFunction": false, "lambda:UpdateFunctionCode": false, "logs:PutLogEvents": false, "iam:CreateRole": false,
		"sqs:ReceiveMessage": false, "sqs:SendMessage": false, "sts:AssumeRole": false, "s3:GetObject": false,
	} {
		r := policy.Request{By: policy.Principal{Account: "1"}, Account: "1", Action: action, Resource: "arn:aws:any"}
		if got := policy.Evaluate(r, policy.Set{Identity: []*policy.Policy{p}}); (got == policy.Allowed) != want {
			t.Errorf("%s: verdict %v", action, got)
		}
	}
}
