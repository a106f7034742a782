// Command gauge answers with how its environment came to be and when its
// invocation ran.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct {
	SleepMS int  `json:"sleepMS"`
	Exit    bool `json:"exit"`
}

type answer struct {
	InitType string `json:"initType"`
	Version  string `json:"version"`
	Count    int    `json:"count"` // invocations of this environment
	Began    int64  `json:"began"` // nanoseconds since 1970
	Ended    int64  `json:"ended"`
}

func main() {
	if os.Getenv("FAIL_INIT") != "" {
		os.Exit(7)
	}
	count := 0
	lambda.Start(func(_ context.Context, e event) (answer, error) {
		count++
		if e.Exit {
			os.Exit(8)
		}
		began := time.Now()
		time.Sleep(time.Duration(e.SleepMS) * time.Millisecond)
		return answer{os.Getenv("AWS_LAMBDA_INITIALIZATION_TYPE"), os.Getenv("AWS_LAMBDA_FUNCTION_VERSION"), count, began.UnixNano(), time.Now().UnixNano()}, nil
	})
}
