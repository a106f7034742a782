package lambda

import (
	"net/http"
	"strings"

	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/iam"
	"thaw/internal/iam/policy"
	"thaw/internal/lambda"
)

// givesTags tells whether an operation gives its resource tags, in its body.
func givesTags(operation string) bool {
	switch operation {
	case model.OpCreateFunction, model.OpCreateEventSourceMapping, model.OpCreateCodeSigningConfig, model.OpTagResource:
		return true
	default:
		return false
	}
}

// tellTags puts what conditions may ask of tags into a question: those that the
// resource has, and those that the request names. Of a request that cannot be read
// the latter stay untold.
func (h *Handler) tellTags(r *http.Request, q iam.Question, operation string, input any) {
	context := policy.Context(q.Context)
	context.SetResourceTags(h.tagsOf(r, q.Resource))
	if !givesTags(operation) && operation != model.OpUntagResource {
		context.SetRequestTags(nil, nil)
		return
	}
	switch in := input.(type) {
	case *model.CreateFunctionRequest:
		context.SetRequestTags(in.Tags, nil)
	case *model.CreateEventSourceMappingRequest:
		context.SetRequestTags(in.Tags, nil)
	case *model.CreateCodeSigningConfigRequest:
		context.SetRequestTags(in.Tags, nil)
	case *model.TagResourceRequest:
		context.SetRequestTags(in.Tags, nil)
	case *model.UntagResourceRequest:
		context.SetRequestTags(nil, in.TagKeys)
	}
}

// untagged is a question about something that a request refers to, which gives it
// no tags.
func (h *Handler) untagged(r *http.Request, q iam.Question) iam.Question {
	context := policy.Context{}
	context.SetResourceTags(h.tagsOf(r, q.Resource))
	context.SetRequestTags(nil, nil)
	q.Context = context
	return q
}

// tagsOf are the tags of a resource; none if it is not there. The versions and
// aliases of a function have the function's.
func (h *Handler) tagsOf(r *http.Request, arn string) map[string]string {
	if strings.Contains(arn, ":function:") {
		if ref, ok := lambda.ParseRef(arn); ok {
			arn = h.scope.FunctionARN(ref.Name, "")
		}
	}
	tags, err := h.control.ListTags(r.Context(), arn)
	if err != nil {
		return nil
	}
	return tags
}
