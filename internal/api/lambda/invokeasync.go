package lambda

import (
	"context"
	"net/http"

	"thaw/internal/async"
	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/invoke"
	"thaw/internal/telemetry/trace"
)

// Events takes asynchronous invocations. Package async implements it.
type Events interface {
	// Enqueue returns when the event will be run whatever happens.
	Enqueue(ctx context.Context, e async.Event) error
}

// serveInvokeAsync answers InvokeAsync, the old form of an invocation of the type
// Event.
func (h *Handler) serveInvokeAsync(w http.ResponseWriter, r *http.Request, id string, req *awsapi.Request) {
	traced := trace.Accept(header(r.Header, trace.HeaderName), h.now())
	w.Header()[trace.HeaderName] = []string{traced.Header}
	call, err := h.asyncRequest(req)
	if err != nil {
		h.fail(w, r, id, err)
		return
	}
	call.RequestID, call.Trace = id, traced
	h.serveEvent(w, r, id, call)
}

func (h *Handler) asyncRequest(req *awsapi.Request) (invoke.Request, error) {
	in := invocation{name: req.Route.Labels[0], kind: typeEvent}
	if len(req.Body) == 0 {
		req.Body = []byte("{}")
	}
	if !isBareName(in.name) {
		decoded, err := h.codec.Decode(req)
		if err != nil {
			return invoke.Request{}, err
		}
		if err := h.codec.Validate(req.Route.Operation, decoded); err != nil {
			return invoke.Request{}, err
		}
		in.name = *decoded.(*model.InvokeAsyncRequest).FunctionName
	}
	return h.invocationRequest(in, req)
}

// serveEvent enqueues what is valid, for a function that is there, and answers when
// that is durable.
func (h *Handler) serveEvent(w http.ResponseWriter, r *http.Request, id string, call invoke.Request) {
	if h.events == nil {
		h.fail(w, r, id, notBuilt("invocation type Event"))
		return
	}
	check := call
	check.DryRun = true
	if _, err := h.invoker.Invoke(r.Context(), check); err != nil {
		h.fail(w, r, id, err)
		return
	}
	err := h.events.Enqueue(r.Context(), async.Event{
		RequestID: id, Function: call.Ref.Name, Qualifier: call.Ref.Qualifier, Payload: call.Payload,
		ClientContext: call.ClientContext, Trace: call.Trace,
	})
	if err != nil {
		h.fail(w, r, id, err)
		return
	}
	w.Header()["X-Amzn-Remapped-Content-Length"] = []string{"0"}
	w.Header()["Content-Length"] = []string{"0"}
	awsapi.SetRequestID(w.Header(), id)
	w.WriteHeader(http.StatusAccepted)
}
