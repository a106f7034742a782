package lambda

import (
	"net/http"

	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/iam"
	"thaw/internal/iam/policy"
	"thaw/internal/lambda"
)

// The condition keys by which policies ask what a request sets, in lower case.
const (
	keyLayer            = "lambda:layer"
	keySubnets          = "lambda:subnetids"
	keySecurityGroups   = "lambda:securitygroupids"
	keyVPC              = "lambda:vpcids"
	keySigningConfig    = "lambda:codesigningconfigarn"
	keyURLAuthType      = "lambda:functionurlauthtype"
	keyPrincipal        = "lambda:principal"
	keyEventSourceToken = "lambda:eventsourcetoken"
)

// givesSettings tells whether policies may ask what an operation sets, in its body.
func givesSettings(operation string) bool {
	switch operation {
	case model.OpCreateFunction, model.OpUpdateFunctionConfiguration, model.OpPutFunctionCodeSigningConfig,
		model.OpCreateFunctionUrlConfig, model.OpUpdateFunctionUrlConfig, model.OpAddPermission:
		return true
	default:
		return false
	}
}

// judged is a request as its operation will have it, if policies may ask for
// anything in it and it can be read; otherwise nil.
func (h *Handler) judged(r *http.Request, route awsapi.Route, query string, body []byte) any {
	if name := route.Operation.Name; !givesTags(name) && !givesSettings(name) && name != model.OpUntagResource {
		return nil
	}
	input, err := h.codec.Decode(&awsapi.Request{Route: route, Query: query, Header: r.Header, Body: body})
	if err != nil { // it will be refused for that
		return nil
	}
	return input
}

// tellSettings puts what a request sets into a question, by the keys that policies
// have for it. Which VPC a subnet is of is not known here.
func (h *Handler) tellSettings(r *http.Request, q iam.Question, operation string, input any) {
	q.Context[keyVPC] = nil
	switch in := input.(type) {
	case *model.CreateFunctionRequest:
		q.Context[keyLayer], q.Context[keySigningConfig] = in.Layers, one(in.CodeSigningConfigArn)
		tellVPC(q.Context, in.VpcConfig)
	case *model.UpdateFunctionConfigurationRequest:
		q.Context[keyLayer] = in.Layers
		tellVPC(q.Context, in.VpcConfig)
	case *model.PutFunctionCodeSigningConfigRequest:
		q.Context[keySigningConfig] = one(in.CodeSigningConfigArn)
	case *model.AddPermissionRequest:
		q.Context[keyPrincipal], q.Context[keyURLAuthType] = one(in.Principal), one(in.FunctionUrlAuthType)
		q.Context[keyEventSourceToken] = one(in.EventSourceToken)
	case *model.CreateFunctionUrlConfigRequest:
		q.Context[keyURLAuthType] = one(in.AuthType)
	case *model.UpdateFunctionUrlConfigRequest:
		if q.Context[keyURLAuthType] = one(in.AuthType); in.AuthType == nil {
			q.Context[keyURLAuthType] = h.urlAuthType(r, q.Resource)
		}
	}
	if operation == model.OpGetFunctionUrlConfig || operation == model.OpDeleteFunctionUrlConfig {
		q.Context[keyURLAuthType] = h.urlAuthType(r, q.Resource)
	}
}

func tellVPC(context policy.Context, vpc *model.VpcConfig) {
	if vpc == nil {
		return
	}
	context[keySubnets], context[keySecurityGroups] = vpc.SubnetIds, vpc.SecurityGroupIds
	if len(vpc.SubnetIds)+len(vpc.SecurityGroupIds) > 0 {
		delete(context, keyVPC)
	}
}

// urlAuthType is that of the URL that a function or alias has; none without one.
func (h *Handler) urlAuthType(r *http.Request, arn string) []string {
	ref, ok := lambda.ParseRef(arn)
	if !ok {
		return nil
	}
	view, err := h.control.GetURL(r.Context(), ref)
	if err != nil {
		return nil
	}
	return []string{view.AuthType}
}

// one is the values of a key that has one at most.
func one(text *string) []string {
	if text == nil {
		return nil
	}
	return []string{*text}
}
