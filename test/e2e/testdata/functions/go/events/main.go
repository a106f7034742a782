// Command events tells in its log of each attempt of an event, and does what the
// event says.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/config"
	service "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

type event struct {
	Name    string `json:"name"`
	SleepMS int    `json:"sleepMS"`
	Fail    bool   `json:"fail"`
	Again   bool   `json:"again"` // sends itself the same event
}

func handle(ctx context.Context, e event) (string, error) {
	call, _ := lambdacontext.FromContext(ctx)
	fmt.Println("attempt", e.Name, os.Getenv("GREETING"), call.AwsRequestID)
	time.Sleep(time.Duration(e.SleepMS) * time.Millisecond)
	if e.Again {
		if err := send(ctx, e); err != nil {
			return "", err
		}
	}
	if e.Fail {
		return "", errors.New("intended")
	}
	return e.Name, nil
}

func send(ctx context.Context, e event) error {
	c, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	payload, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = service.NewFromConfig(c).Invoke(ctx, &service.InvokeInput{
		FunctionName: &lambdacontext.FunctionName, InvocationType: types.InvocationTypeEvent, Payload: payload,
	})
	return err
}

func main() { lambda.Start(handle) }
