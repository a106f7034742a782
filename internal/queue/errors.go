package queue

import "thaw/internal/lambda"

// Codes of the service's errors, by the names that its model has for them. The
// last ones are of its front end, and the model does not name them.
const (
	codeNoQueue             = "QueueDoesNotExist"
	codeQueueExists         = "QueueNameExists"
	codeAttributeName       = "InvalidAttributeName"
	codeAttributeValue      = "InvalidAttributeValue"
	codeContents            = "InvalidMessageContents"
	codeReceipt             = "ReceiptHandleIsInvalid"
	codeOverLimit           = "OverLimit"
	codeThrottled           = "RequestThrottled"
	codeUnsupported         = "UnsupportedOperation"
	codeEmptyBatch          = "EmptyBatchRequest"
	codeTooManyEntries      = "TooManyEntriesInBatchRequest"
	codeBatchTooLong        = "BatchRequestTooLong"
	codeEntryIDsNotDistinct = "BatchEntryIdsNotDistinct"
	codeEntryID             = "InvalidBatchEntryId"

	CodeInvalidValue = "InvalidParameterValueException"
	CodeMissing      = "MissingRequiredParameterException"
)

func errNoQueue() error {
	return lambda.Errorf(codeNoQueue, "The specified queue does not exist.")
}

func invalidValue(format string, args ...any) error {
	return lambda.Errorf(CodeInvalidValue, format, args...)
}

// outside is the error of a number that is not in its range.
func outside(parameter string, value, least, most int) error {
	return invalidValue("Value %d for parameter %s is invalid. Reason: Must be between %d and %d, if provided.", value, parameter, least, most)
}

// Missing is the error of a parameter that has to be there.
func Missing(parameter string) error {
	return lambda.Errorf(CodeMissing, "The request must contain the parameter %s.", parameter)
}
