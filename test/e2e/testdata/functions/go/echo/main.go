// Command echo answers with its event and what it knows of its invocation.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Value   json.RawMessage `json:"value"`
	Print   *string         `json:"print"`
	SleepMS int             `json:"sleepMS"`
	Raise   *string         `json:"raise"`
}

type answer struct {
	Language    string          `json:"language"`
	Value       json.RawMessage `json:"value"`
	RequestID   string          `json:"requestId"`
	ARN         string          `json:"arn"`
	Function    string          `json:"function"`
	MemoryMB    string          `json:"memoryMB"`
	RemainingMS int64           `json:"remainingMS"`
	Client      string          `json:"client"`
	Greeting    string          `json:"greeting"`
	Count       int             `json:"count"`
}

func main() {
	count := 0
	lambda.Start(func(ctx context.Context, e event) (answer, error) {
		count++
		return run(ctx, e, count)
	})
}

func run(ctx context.Context, e event, count int) (answer, error) {
	if e.Print != nil {
		fmt.Println(*e.Print)
	}
	time.Sleep(time.Duration(e.SleepMS) * time.Millisecond)
	if e.Raise != nil {
		return answer{}, errors.New(*e.Raise)
	}
	lc, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	return answer{
		Language: "go", Value: e.Value, RequestID: lc.AwsRequestID, ARN: lc.InvokedFunctionArn,
		Function: lambdacontext.FunctionName, MemoryMB: strconv.Itoa(lambdacontext.MemoryLimitInMB),
		RemainingMS: time.Until(deadline).Milliseconds(), Client: lc.ClientContext.Custom["who"],
		Greeting: os.Getenv("GREETING"), Count: count,
	}, nil
}
