package lambda

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/invoke"
	"thaw/internal/lambda"
	"thaw/internal/telemetry/trace"
)

const (
	typeRequestResponse = "RequestResponse"
	typeEvent           = "Event"
	typeDryRun          = "DryRun"
	logTail             = "Tail"
)

const (
	// maxEventPayload is the largest payload of an asynchronous invocation.
	maxEventPayload = 1 << 20
	// maxClientContext bounds the header, in characters of base64.
	maxClientContext = 3583
)

// invocation is a decoded Invoke request.
type invocation struct {
	name, qualifier string
	kind            string // InvocationType
	tail            bool
	clientContext   string // base64
	tenant, durable bool
}

// serveInvoke answers Invoke.
func (h *Handler) serveInvoke(w http.ResponseWriter, r *http.Request, id string, req *awsapi.Request) {
	traced := trace.Accept(header(r.Header, trace.HeaderName), h.now())
	w.Header()[trace.HeaderName] = []string{traced.Header}
	in, err := h.decodeInvoke(req)
	if err != nil {
		h.fail(w, r, id, err)
		return
	}
	call, err := h.invocationRequest(in, req)
	if err != nil {
		h.fail(w, r, id, err)
		return
	}
	call.RequestID, call.Trace = id, traced
	if in.kind == typeEvent {
		h.serveEvent(w, r, id, call)
		return
	}
	result, err := h.invoker.Invoke(r.Context(), call)
	if err != nil {
		h.fail(w, r, id, err)
		return
	}
	if call.DryRun {
		awsapi.SetRequestID(w.Header(), id)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	writeResult(w, id, &result)
}

// decodeInvoke decodes an ordinary request by hand: a bare name, a qualifier, and
// headers that are as clients send them. Anything else, wrong or rare, goes by the tables.
func (h *Handler) decodeInvoke(req *awsapi.Request) (invocation, error) {
	in := invocation{name: req.Route.Labels[0], kind: typeRequestResponse}
	if value := header(req.Header, "X-Amz-Invocation-Type"); value != "" {
		in.kind = value
	}
	kindKnown := in.kind == typeRequestResponse || in.kind == typeEvent || in.kind == typeDryRun
	log := header(req.Header, "X-Amz-Log-Type")
	in.tail = log == logTail
	in.clientContext = header(req.Header, "X-Amz-Client-Context")
	qualifier, qualified := strings.CutPrefix(req.Query, "Qualifier=")
	plain := req.Query == "" || qualified && isBareName(qualifier)
	ordinary := kindKnown && (log == "" || log == logTail || log == "None") && plain && isBareName(in.name) &&
		req.Header["X-Amz-Tenant-Id"] == nil && req.Header["X-Amz-Durable-Execution-Name"] == nil
	if ordinary {
		in.qualifier = qualifier
		return in, nil
	}
	return h.decodeByTables(req)
}

func (h *Handler) decodeByTables(req *awsapi.Request) (invocation, error) {
	decoded, err := h.codec.Decode(req)
	if err != nil {
		return invocation{}, err
	}
	if err := h.codec.Validate(req.Route.Operation, decoded); err != nil {
		return invocation{}, err
	}
	m := decoded.(*model.InvocationRequest)
	in := invocation{
		name: *m.FunctionName, qualifier: text(m.Qualifier), kind: typeRequestResponse, tail: text(m.LogType) == logTail,
		clientContext: text(m.ClientContext), tenant: m.TenantId != nil, durable: m.DurableExecutionName != nil,
	}
	if m.InvocationType != nil {
		in.kind = *m.InvocationType
	}
	return in, nil
}

// header is the first value of a header; name must be in canonical form.
func header(h http.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// isBareName tells a plain function name or qualifier, which needs no pattern to be
// valid.
func isBareName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return s != "" && len(s) <= lambda.MaxFunctionName
}

// invocationRequest checks what the service checks before it looks for the
// function.
func (h *Handler) invocationRequest(in invocation, req *awsapi.Request) (invoke.Request, error) {
	ref, err := h.ref(req.Route.Operation, in.name, in.qualifier)
	if err != nil {
		return invoke.Request{}, err
	}
	if err := h.reachable(ref); err != nil {
		return invoke.Request{}, err
	}
	if err := checkKind(in, len(req.Body)); err != nil {
		return invoke.Request{}, err
	}
	clientContext, err := decodeClientContext(in.clientContext)
	if err != nil {
		return invoke.Request{}, err
	}
	payload := req.Body
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	if err := checkJSON(payload); err != nil {
		return invoke.Request{}, err
	}
	return invoke.Request{Ref: ref, Payload: payload, ContentType: "application/json", ClientContext: clientContext,
		LogTail: in.tail, DryRun: in.kind == typeDryRun}, nil
}

// reachable refuses functions of other regions and accounts.
func (h *Handler) reachable(ref lambda.Ref) error {
	if ref.Region != "" && ref.Region != h.scope.Region {
		return lambda.Errorf(lambda.CodeResourceNotFound,
			"Functions from '%s' are not reachable in this region ('%s')", ref.Region, h.scope.Region)
	}
	if ref.Account != "" && ref.Account != h.scope.Account {
		other := h.scope
		other.Account = ref.Account
		return lambda.Errorf(lambda.CodeAccessDenied,
			"User: arn:%s:iam::%s:root is not authorized to perform: lambda:InvokeFunction on resource: %s",
			h.scope.Partition, h.scope.Account, other.FunctionARN(ref.Name, ref.Qualifier))
	}
	return nil
}

func checkKind(in invocation, size int) error {
	switch {
	case in.tenant:
		return lambda.Errorf(lambda.CodeInvalidParameterValue,
			"The function has no tenant isolation. Remove the tenant ID from the request and try again.")
	case in.durable:
		return lambda.Errorf(lambda.CodeInvalidParameterValue,
			"The function is not a durable function. Remove the durable execution name from the request and try again.")
	case in.kind == typeEvent && size > maxEventPayload:
		return payloadTooLarge(int64(size), typeEvent, maxEventPayload)
	default:
		return nil
	}
}

// decodeClientContext returns the JSON of the header. The texts are this
// server's: the service's are not on record.
func decodeClientContext(encoded string) (string, error) {
	if encoded == "" {
		return "", nil
	}
	if len(encoded) > maxClientContext {
		return "", lambda.Errorf(lambda.CodeInvalidRequestContent,
			"Client context must be at most %d characters in base64, but has %d.", maxClientContext, len(encoded))
	}
	plain, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || !json.Valid(plain) {
		return "", lambda.Errorf(lambda.CodeInvalidRequestContent, "Client context must be a valid Base64-encoded JSON object.")
	}
	return string(plain), nil
}

// writeResult sends a function's answer: status 200, whether it failed or not.
func writeResult(w http.ResponseWriter, id string, result *lambda.Result) {
	h := w.Header()
	h["Content-Type"] = []string{"application/json"}
	h["X-Amz-Executed-Version"] = []string{result.ExecutedVersion}
	h["X-Amzn-Remapped-Content-Length"] = []string{"0"}
	if result.TraceID != "" {
		h[trace.HeaderName] = []string{result.TraceID}
	}
	if result.FunctionError != "" {
		h["X-Amz-Function-Error"] = []string{result.FunctionError}
	}
	if len(result.LogTail) > 0 {
		h["X-Amz-Log-Result"] = []string{base64.StdEncoding.EncodeToString(result.LogTail)}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(result.Payload))}
	awsapi.SetRequestID(h, id)
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(result.Payload) // a caller that went away has no use for it
}
