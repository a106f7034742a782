package lambda

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/iam"
	"thaw/internal/lambda"
)

// Access is the one point at which it is decided what callers may do. Package iam
// implements it.
type Access interface {
	// Caller tells whose key has signed a request.
	Caller(accessKeyID string) (iam.Caller, error)
	// Authorise returns the error to be answered, if a caller may not take an
	// action on a resource.
	Authorise(c iam.Caller, action, resource string) error
}

// administration is the action of all that only users may do.
const administration = "thaw:Administer"

// anyResource is the resource of actions on no one thing.
const anyResource = "*"

// callerOf tells who has sent a request: whose key has signed it, or, where
// nobody signs, whose connection it came by.
func (h *Handler) callerOf(r *http.Request, accessKeyID string) (iam.Caller, error) {
	if h.verifier != nil && h.access != nil {
		return h.access.Caller(accessKeyID)
	}
	c, _ := iam.CallerOf(r.Context())
	return c, nil
}

// authorise lets a request pass, or not, whose signature is good.
func (h *Handler) authorise(r *http.Request, accessKeyID string, route awsapi.Route, body []byte) error {
	c, err := h.callerOf(r, accessKeyID)
	if err != nil || c.Session == nil {
		return err
	}
	action, resource := "lambda:"+actionOf(route.Operation.Name), h.resourceOf(r, route, body)
	if h.access == nil {
		return iam.Denied(c, action, resource)
	}
	return h.access.Authorise(c, action, resource)
}

// actionOf is the name that policies have for an operation.
func actionOf(operation string) string {
	switch operation {
	case model.OpInvoke, model.OpInvokeWithResponseStream:
		return "InvokeFunction"
	case model.OpGetLayerVersionByArn:
		return "GetLayerVersion"
	default:
		return operation
	}
}

// resourceOf is the ARN of what an operation is about, as far as its path and its
// qualifier tell; a function that is to be made is named in the body.
func (h *Handler) resourceOf(r *http.Request, route awsapi.Route, body []byte) string {
	if route.Operation.Name == model.OpCreateFunction {
		var in struct{ FunctionName string }
		if json.Unmarshal(body, &in) != nil {
			return anyResource // what is wrong with it is not told to who may not know
		}
		return h.functionARN(in.FunctionName, "")
	}
	_, label, _ := strings.Cut(route.Operation.Path, "{")
	label, _, _ = strings.Cut(label, "}")
	switch label {
	case "FunctionName":
		return h.functionARN(route.Labels[0], qualifierOf(r))
	case "LayerName":
		return h.arn("layer", route.Labels[0])
	case "UUID":
		return h.arn("event-source-mapping", route.Labels[0])
	default:
		return anyResource
	}
}

// qualifierOf is the qualifier that is written apart from the function's name.
func qualifierOf(r *http.Request) string {
	_, query := requestTarget(r)
	values, err := url.ParseQuery(query)
	if err != nil {
		return "" // nor will the operation read it
	}
	return values.Get("Qualifier")
}

func (h *Handler) functionARN(name, qualifier string) string {
	ref, ok := lambda.ParseRef(name)
	if !ok {
		return anyResource
	}
	if ref.Qualifier == "" {
		ref.Qualifier = qualifier
	}
	return h.scope.FunctionARN(ref.Name, ref.Qualifier)
}

func (h *Handler) arn(kind, name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return "arn:" + h.scope.Partition + ":lambda:" + h.scope.Region + ":" + h.scope.Account + ":" + kind + ":" + name
}
