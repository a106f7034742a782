package lambda

import (
	"fmt"
	"time"
)

// Error is the only kind of error that a user sees. Code is the exception's
// shape name ("ResourceNotFoundException"); awsapi knows the status and the
// body members that go with it.
type Error struct {
	Code    string
	Message string

	// Reason is the ThrottleReason of a TooManyRequestsException.
	Reason string
	// RetryAfter, if not zero, becomes the Retry-After header, in whole
	// seconds, rounded up.
	RetryAfter time.Duration
	// Untyped is set for the few service errors whose body has no Type member.
	Untyped bool
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Errorf makes an Error from its code and a formatted message.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Codes that more than one package answers with.
const (
	CodeInvalidParameterValue     = "InvalidParameterValueException"
	CodeInvalidRequestContent     = "InvalidRequestContentException"
	CodeRequestEntityTooLarge     = "RequestEntityTooLargeException"
	CodeResourceConflict          = "ResourceConflictException"
	CodeResourceNotFound          = "ResourceNotFoundException"
	CodePreconditionFailed        = "PreconditionFailedException"
	CodeTooManyRequests           = "TooManyRequestsException"
	CodeRecursiveInvocation       = "RecursiveInvocationException"
	CodeService                   = "ServiceException"
	CodeValidation                = "ValidationException"
	CodeAccessDenied              = "AccessDeniedException"
	CodeInvalidRuntime            = "InvalidRuntimeException"
	CodeCodeSigningConfigNotFound = "CodeSigningConfigNotFoundException"
	CodeCodeVerificationFailed    = "CodeVerificationFailedException"
	CodeInvalidCodeSignature      = "InvalidCodeSignatureException"
	CodeCodeStorageExceeded       = "CodeStorageExceededException"
	CodeUnrecognizedClient        = "UnrecognizedClientException"
	CodeInvalidSignature          = "InvalidSignatureException"
	CodeMissingAuthenticationTkn  = "MissingAuthenticationTokenException"
)
