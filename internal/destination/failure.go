package destination

import (
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"

	"thaw/internal/async"
	"thaw/internal/lambda"
)

// undeliverable is an error that no other try would mend.
func undeliverable(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{async.ErrUndeliverable}, args...)...)
}

// operators are codes of errors that are about the operator's credentials and not
// about the message: they end when the operator mends them.
var operators = []string{
	"ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId",
	"InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "IncompleteSignatureException", "MissingAuthenticationToken",
	"MissingAuthenticationTokenException", "RequestTimeTooSkewed", "AuthFailure", "InvalidToken",
}

// passing are codes of this server's own errors that are over with time; the last is
// of its queues.
var passing = []string{lambda.CodeTooManyRequests, lambda.CodeService, lambda.CodeResourceConflict, "RequestThrottled"}

// retryable is what the SDK would try again.
var retryable = retry.IsErrorRetryables(retry.DefaultRetryables)

// classified marks an error that is final: what a service has refused, and not
// what it, or the way to it, has failed at.
func classified(err error) error {
	if err == nil || errors.Is(err, async.ErrUndeliverable) {
		return err
	}
	if own, ok := errors.AsType[*lambda.Error](err); ok {
		if slices.Contains(passing, own.Code) {
			return err
		}
		return undeliverable("%w", err)
	}
	told, ok := errors.AsType[smithy.APIError](err)
	if !ok || told.ErrorFault() == smithy.FaultServer || slices.Contains(operators, told.ErrorCode()) || retryable.IsErrorRetryable(err) == aws.TrueTernary {
		return err
	}
	return undeliverable("%w", err)
}
