package lambda

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strconv"
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
	// Authorise returns the error to be answered, if a caller may not do what a
	// question asks.
	Authorise(c iam.Caller, q iam.Question) error
}

// Roles knows which roles functions may have. Package iam implements it.
type Roles interface {
	// CheckPass refuses a role that the function of an ARN may not have.
	CheckPass(roleARN, functionARN string) error
}

// administration is the action of all that is this server's own: backups above
// all. No policy names it, but those that allow everything.
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
func (h *Handler) authorise(r *http.Request, accessKeyID string, route awsapi.Route, query string, body []byte) (iam.Caller, error) {
	c, err := h.callerOf(r, accessKeyID)
	if err != nil || c.Administrator() {
		return c, err
	}
	q := iam.Question{Action: "lambda:" + actionOf(route.Operation.Name), Context: map[string][]string{}}
	q.Resource, q.Policy = h.resourceOf(route, query, body)
	input := h.judged(r, route, query, body)
	h.tellTags(r, q, route.Operation.Name, input)
	h.tellSettings(r, q, route.Operation.Name, input)
	if functions := h.mappedFunctions(r, route, body); len(functions) > 0 {
		return c, h.askOfFunctions(r, c, q, functions)
	}
	return c, h.ask(r, c, q)
}

// ask asks about a caller who is not the administrator.
func (h *Handler) ask(r *http.Request, c iam.Caller, q iam.Question) error {
	if h.access == nil {
		return iam.Denied(c, q.Action, q.Resource)
	}
	own := iam.ContextOf(r)
	maps.Copy(own, q.Context)
	q.Context = own
	return h.access.Authorise(c, q)
}

// authoriseInput asks for what an input needs beside its operation: that its role
// may be passed on, its layers and the object with its code be read, and its code
// signing configuration be given.
func (h *Handler) authoriseInput(r *http.Request, c iam.Caller, input any) error {
	var role, function *string
	var layers []string
	switch in := input.(type) {
	case *model.CreateFunctionRequest:
		role, function, layers = in.Role, in.FunctionName, in.Layers
	case *model.UpdateFunctionConfigurationRequest:
		role, function, layers = in.Role, in.FunctionName, in.Layers
	}
	if role != nil {
		if err := h.authoriseRole(r, c, *role, *function); err != nil {
			return err
		}
	}
	if c.Administrator() {
		return nil
	}
	for _, layer := range layers {
		if err := h.ask(r, c, h.untagged(r, iam.Question{Action: "lambda:GetLayerVersion", Resource: h.layerARN(layer, "")})); err != nil {
			return err
		}
	}
	if err := h.authoriseObject(r, c, input); err != nil {
		return err
	}
	return h.authoriseSigning(r, c, input)
}

// authoriseRole lets a role be given to a function. The administrator may give any,
// there or not.
func (h *Handler) authoriseRole(r *http.Request, c iam.Caller, role, function string) error {
	if !c.Administrator() {
		q := iam.Question{Action: "iam:PassRole", Resource: role, Context: map[string][]string{"iam:passedtoservice": {"lambda.amazonaws.com"}}}
		q.Context.SetRequestTags(nil, nil)
		if err := h.ask(r, c, q); err != nil {
			return err
		}
	}
	if h.roles == nil {
		return nil
	}
	ref, _ := lambda.ParseRef(function) // what names no function is refused for that
	return h.roles.CheckPass(role, h.scope.FunctionARN(ref.Name, ""))
}

// functionNamed is the FunctionName of a body as the decoder will find it: members
// are named to the letter, where a structure of package json would take
// "functionname" too. ok is false for a body without one.
func functionNamed(body []byte) (name string, ok bool) {
	var in map[string]json.RawMessage
	ok = json.Unmarshal(body, &in) == nil && json.Unmarshal(in["FunctionName"], &name) == nil
	return name, ok
}

// qualifiedOperations are those whose Qualifier is in the query: of others it says
// nothing.
func qualifiedOperations(s *awsapi.Service) map[string]bool {
	names := map[string]bool{}
	for i := range s.Operations {
		for _, m := range s.Shapes[s.Operations[i].Input].Members {
			if m.In == awsapi.InQuery && m.WireName() == qualifierParameter {
				names[s.Operations[i].Name] = true
			}
		}
	}
	return names
}

const qualifierParameter = "Qualifier"

// actionOf is the name that policies have for an operation.
func actionOf(operation string) string {
	switch operation {
	case model.OpInvoke, model.OpInvokeWithResponseStream, model.OpInvokeAsync:
		return "InvokeFunction"
	case model.OpGetLayerVersionByArn:
		return "GetLayerVersion"
	default:
		return operation
	}
}

// resourceOf is the ARN of what an operation is about, as far as path and query
// tell, with the resource's own policy; a function that is to be made is named in
// the body.
func (h *Handler) resourceOf(route awsapi.Route, query string, body []byte) (arn, policy string) {
	if route.Operation.Name == model.OpCreateFunction {
		name, ok := functionNamed(body)
		if !ok {
			return anyResource, "" // what is wrong with it is not told to who may not know
		}
		return h.functionARN(name, "")
	}
	parameters, _ := url.ParseQuery(query) // what it makes of a broken one is refused when it is decoded
	_, label, _ := strings.Cut(route.Operation.Path, "{")
	label, _, _ = strings.Cut(label, "}")
	switch label {
	case "FunctionName":
		qualifier := ""
		if h.qualified[route.Operation.Name] {
			qualifier = parameters.Get(qualifierParameter)
		}
		return h.functionARN(route.Labels[0], qualifier)
	case "LayerName":
		return h.layerARN(route.Labels[0], route.Labels[1]), ""
	case "UUID":
		return h.arn("event-source-mapping", route.Labels[0]), ""
	case "CodeSigningConfigArn", "CapacityProviderName", "DurableExecutionArn", "Resource", "ResourceArn":
		return h.named(route.Labels[0])
	}
	if route.Operation.Name == model.OpGetLayerVersionByArn && strings.HasPrefix(parameters.Get("Arn"), "arn:") {
		return h.layerARN(parameters.Get("Arn"), ""), ""
	}
	return anyResource, ""
}

// functionARN is the ARN of a function with the qualifier that its name or the
// query has, and the policy of what it names. It is in the one form that policies
// have for it, however the caller has written it.
func (h *Handler) functionARN(name, qualifier string) (arn, policy string) {
	ref, ok := lambda.ParseRef(name)
	if !ok {
		return anyResource, ""
	}
	if ref.Qualifier == "" {
		ref.Qualifier = qualifier
	}
	return h.scope.FunctionARN(ref.Name, ref.Qualifier), h.control.PolicyOf(ref)
}

// named is a resource that is named by its ARN, in the one form that policies have
// for it.
func (h *Handler) named(arn string) (string, string) {
	if strings.Contains(arn, ":function:") {
		return h.functionARN(arn, "")
	}
	if _, uuid, ok := strings.Cut(arn, ":event-source-mapping:"); ok {
		return h.scope.MappingARN(strings.ToLower(uuid)), "" // its digits may be written in either case
	}
	return h.layerARN(arn, ""), ""
}

// layerARN is the ARN of a layer, or of the version that it or the path names, in
// the one form that policies have for it. What is no layer is left as it stands.
func (h *Handler) layerARN(name, version string) string {
	ref, ok := lambda.ParseLayerRef(name)
	if !ok {
		return name
	}
	if number, err := strconv.ParseInt(version, 10, 64); err == nil {
		ref.Version = number
	}
	if ref.Version == 0 {
		return h.scope.LayerARN(ref.Name)
	}
	return h.scope.LayerVersionARN(ref.Name, ref.Version)
}

func (h *Handler) arn(kind, name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return "arn:" + h.scope.Partition + ":lambda:" + h.scope.Region + ":" + h.scope.Account + ":" + kind + ":" + name
}
