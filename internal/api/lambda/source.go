package lambda

import "thaw/internal/lambda"

// codeSource is where a request has the code of a function or the content of a
// layer.
type codeSource struct {
	zip                                      []byte
	image, bucket, key, version, storageMode *string
}

// storageReference is the storage mode in which code stays in its bucket.
const storageReference = "REFERENCE"

// check accepts a zip in the request or an object. Images are known to the API
// and not to this server; nothing at all is the caller's mistake, and none is the
// text for that.
func (s *codeSource) check(none string) error {
	stored := s.bucket != nil || s.key != nil || s.version != nil
	switch {
	case s.image != nil:
		return lambda.Errorf(lambda.CodeInvalidParameterValue,
			"Container images are not supported by this server yet. Please provide the code as ZipFile instead of ImageUri.")
	case s.zip != nil && stored:
		return lambda.Errorf(lambda.CodeInvalidParameterValue, "Please do not provide other FunctionCode parameters when providing a ZipFile.")
	case text(s.storageMode) == storageReference:
		return lambda.Errorf(lambda.CodeInvalidParameterValue,
			"The storage mode REFERENCE is not supported by this server: it keeps a copy of the object.")
	case stored && (s.bucket == nil || s.key == nil):
		return lambda.Errorf(lambda.CodeInvalidParameterValue, "Please provide both S3Bucket and S3Key.")
	case s.zip == nil && !stored:
		return &lambda.Error{Code: lambda.CodeInvalidParameterValue, Message: none}
	default:
		return nil
	}
}

// object is the object that a checked source names, if it names one.
func (s *codeSource) object() lambda.S3Object {
	return lambda.S3Object{Bucket: text(s.bucket), Key: text(s.key), Version: text(s.version)}
}
