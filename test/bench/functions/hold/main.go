// Command hold is a function that takes its time: it waits as long as its event
// says and answers with it.
package main

import (
	"context"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct {
	Milliseconds int `json:"ms"`
}

func main() {
	lambda.Start(func(_ context.Context, e event) (event, error) {
		time.Sleep(time.Duration(e.Milliseconds) * time.Millisecond)
		return e, nil
	})
}
