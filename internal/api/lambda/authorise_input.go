package lambda

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/iam"
	"thaw/internal/lambda"
)

// authoriseObject asks whether a caller may read the object in S3 that an input has
// its code from. The server fetches it by credentials of its own, so that who may
// make a function could read whatever those reach.
func (h *Handler) authoriseObject(r *http.Request, c iam.Caller, input any) error {
	var bucket, key, version *string
	switch in := input.(type) {
	case *model.CreateFunctionRequest:
		if in.Code != nil {
			bucket, key, version = in.Code.S3Bucket, in.Code.S3Key, in.Code.S3ObjectVersion
		}
	case *model.UpdateFunctionCodeRequest:
		bucket, key, version = in.S3Bucket, in.S3Key, in.S3ObjectVersion
	case *model.PublishLayerVersionRequest:
		if in.Content != nil {
			bucket, key, version = in.Content.S3Bucket, in.Content.S3Key, in.Content.S3ObjectVersion
		}
	}
	if bucket == nil || key == nil { // it is refused for that
		return nil
	}
	action := "s3:GetObject"
	if version != nil {
		action = "s3:GetObjectVersion"
	}
	q := iam.Question{Action: action, Resource: "arn:" + h.scope.Partition + ":s3:::" + *bucket + "/" + *key}
	err := h.ask(r, c, q)
	if err == nil && leadsElsewhere(*key) {
		err = iam.Denied(c, q.Action, q.Resource)
	}
	denied, ok := errors.AsType[*lambda.Error](err)
	if !ok || denied.Code != lambda.CodeAccessDenied {
		return err
	}
	return lambda.Errorf(lambda.CodeAccessDenied,
		"Your access has been denied by S3, please make sure your request credentials have permission to GetObject for %s/%s. "+
			"S3 Error Code: AccessDenied. S3 Error Message: %s", *bucket, *key, denied.Message)
}

// leadsElsewhere tells a key that a service which keeps objects as files may take
// for another one, of another bucket even: no policy can be held against it.
func leadsElsewhere(key string) bool {
	return slices.ContainsFunc(strings.Split(key, "/"), func(part string) bool { return part == "." || part == ".." })
}

// authoriseSigning asks whether a caller may give a function the code signing
// configuration that an input names: it is asked for both of them.
func (h *Handler) authoriseSigning(r *http.Request, c iam.Caller, input any) error {
	var config *string
	switch in := input.(type) {
	case *model.CreateFunctionRequest:
		config = in.CodeSigningConfigArn
	case *model.PutFunctionCodeSigningConfigRequest:
		config = in.CodeSigningConfigArn
	}
	if config == nil {
		return nil
	}
	q := h.untagged(r, iam.Question{Action: "lambda:" + model.OpPutFunctionCodeSigningConfig, Resource: *config})
	q.Context[keySigningConfig] = []string{*config}
	return h.ask(r, c, q)
}
