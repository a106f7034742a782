package lambda_test

import (
	"context"

	"thaw/internal/invoke"
	"thaw/internal/lambda"
)

type benchInvoker struct{}

func (benchInvoker) Invoke(_ context.Context, req invoke.Request) (lambda.Result, error) {
	return lambda.Result{Payload: req.Payload, ExecutedVersion: "$LATEST"}, nil
}
