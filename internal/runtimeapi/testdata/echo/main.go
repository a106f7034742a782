// Command echo is a function for the tests: it answers with its event, or fails
// as the event says.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Fail   string `json:"fail"`
	Repeat int    `json:"repeat"`
	Trace  bool   `json:"trace"`
}

func handle(ctx context.Context, raw json.RawMessage) (any, error) {
	var e event
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, err
	}
	switch {
	case e.Fail != "":
		return nil, errors.New(e.Fail)
	case e.Repeat > 0:
		return strings.Repeat("x", e.Repeat), nil
	case e.Trace:
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		return map[string]any{"id": lc.AwsRequestID, "arn": lc.InvokedFunctionArn, "deadline": deadline.UnixMilli(), "client": lc.ClientContext.Client.AppTitle}, nil
	}
	return raw, nil
}

// With an argument, it asks to be told of its end.
func main() {
	if len(os.Args) > 1 {
		lambda.StartWithOptions(handle, lambda.WithEnableSIGTERM())
	}
	lambda.Start(handle)
}
