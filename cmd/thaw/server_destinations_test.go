package main

import (
	"errors"
	"strings"
	"testing"

	"thaw/internal/async"
	"thaw/internal/destination"
	"thaw/internal/environment"
	"thaw/internal/iam"
	"thaw/internal/lambda"
)

func TestEndpointsOfDestinations(t *testing.T) {
	for endpoint, ok := range map[string]bool{
		"": true, destination.Amazon: true, "http://localhost:9324": true, "https://sqs.eu-west-1.amazonaws.com": true,
		"localhost:9324": false, "http://": false, "http://user@localhost": false, "http://localhost?x": false,
	} {
		for _, c := range []delivering{
			{destination.Endpoints{SQS: endpoint}}, {destination.Endpoints{SNS: endpoint}}, {destination.Endpoints{Events: endpoint}},
		} {
			if err := c.check(); (err == nil) != ok {
				t.Errorf("%+v: error %v, want ok=%v", c.Endpoints, err, ok)
			}
		}
	}
}

// TestMayDeliver has a function whose role is not here: it may what all may.
func TestMayDeliver(t *testing.T) {
	scope := lambda.DefaultScope
	access, err := iam.NewAccess(iam.AccessOptions{Scope: scope, Allowed: []string{"sqs:SendMessage"}})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{config: Config{Scope: scope}}
	s.guests = &guests{server: s, access: access}
	d := async.Delivery{Function: lambda.Ref{Name: "hello"}, Role: "arn:aws:iam::000000000000:role/r"}
	if err := s.mayDeliver(d, "sqs:SendMessage", "arn:aws:sqs:eu-west-1:000000000000:q"); err != nil {
		t.Errorf("error %v", err)
	}
	err = s.mayDeliver(d, "sns:Publish", "arn:aws:sns:us-east-1:000000000000:t")
	told, ok := errors.AsType[*lambda.Error](err)
	if !ok || told.Code != lambda.CodeAccessDenied || !strings.Contains(told.Message, "arn:aws:sts::000000000000:assumed-role/r/hello is not authorized") ||
		!strings.Contains(err.Error(), "--function-allow sns:Publish") {
		t.Errorf("error %v", err)
	}
}

// TestSessionName: the names of sessions have two letters at least.
func TestSessionName(t *testing.T) {
	s := &server{config: Config{Scope: lambda.DefaultScope}}
	g := &guests{server: s}
	for function, want := range map[string]string{"a": "a@lambda_function", "ab": "ab", "hello": "hello"} {
		session := g.session(environment.Resident{Function: function, Version: &lambda.Version{Role: "arn:aws:iam::000000000000:role/path/r"}})
		if session.ARN != "arn:aws:sts::000000000000:assumed-role/r/"+want {
			t.Errorf("%s: %s", function, session.ARN)
		}
	}
}
