package lambda

import (
	"maps"
	"net/http"

	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/iam"
)

// functionKey is the condition key by which policies name the function of an event
// source mapping, whose own ARN tells nothing of it.
const functionKey = "lambda:functionarn"

// namesFunction tells whether a mapping's function is named in an operation's body.
func namesFunction(operation string) bool {
	return operation == model.OpCreateEventSourceMapping || operation == model.OpUpdateEventSourceMapping
}

// askOfFunctions asks about each function that an operation is about. All of them
// have to be allowed.
func (h *Handler) askOfFunctions(r *http.Request, c iam.Caller, q iam.Question, functions []string) error {
	for _, arn := range functions {
		of := q
		of.Context = map[string][]string{functionKey: {arn}}
		maps.Copy(of.Context, q.Context)
		if err := h.ask(r, c, of); err != nil {
			return err
		}
	}
	return nil
}

// mappedFunctions are the ARNs of the functions that an operation on event source
// mappings is about: the one that a mapping has, and the one that it is to get.
func (h *Handler) mappedFunctions(r *http.Request, route awsapi.Route, body []byte) (arns []string) {
	switch route.Operation.Name {
	case model.OpGetEventSourceMapping, model.OpDeleteEventSourceMapping, model.OpUpdateEventSourceMapping:
		if view, err := h.control.GetMapping(r.Context(), route.Labels[0]); err == nil {
			arns = append(arns, view.FunctionARN)
		}
	}
	if !namesFunction(route.Operation.Name) {
		return arns
	}
	if name, ok := functionNamed(body); ok {
		arn, _ := h.functionARN(name, "")
		arns = append(arns, arn)
	}
	return arns
}
