// Command go is a function in Go: it greets, and tells what it was given.
//
// It is an ordinary program with AWS's own library, built to a file named
// bootstrap and deployed for the runtime provided.al2023.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type answer struct {
	Message   string          `json:"message"`
	RequestID string          `json:"requestId"`
	Cold      bool            `json:"cold"` // the first invocation of this environment
	Event     json.RawMessage `json:"event"`
}

// function keeps what lives as long as its execution environment.
type function struct {
	invocations int
}

func (f *function) handle(ctx context.Context, event json.RawMessage) (answer, error) {
	f.invocations++
	log.Printf("invocation %d of this environment", f.invocations)

	var who struct{ Name string }
	// An event of another shape is no mistake: it is greeted all the same.
	_ = json.Unmarshal(event, &who)
	if who.Name == "" {
		who.Name = "world"
	}
	a := answer{
		Message: fmt.Sprintf("Hello, %s, from Go", who.Name),
		Cold:    f.invocations == 1,
		Event:   event,
	}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		a.RequestID = lc.AwsRequestID
	}
	return a, nil
}

func main() {
	lambda.Start((&function{}).handle)
}
