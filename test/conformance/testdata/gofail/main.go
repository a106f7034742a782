// Command gofail is a function whose handler fails with what its event says.
package main

import (
	"errors"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(event map[string]string) error { return errors.New("Error: " + event["error_msg"]) })
}
