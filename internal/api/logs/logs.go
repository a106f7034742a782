// Package logs serves what functions have logged to the command line: GET
// /_thaw/logs/FUNCTION?since=SEQ&wait=SECONDS answers a page of events and the
// number to go on with. With wait, a request without news is held that long.
//
// It is Thaw's own endpoint. Whoever mounts it sees to it that requests are
// signed like those to the Lambda API.
package logs

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/telemetry/logs"
)

// Path is the prefix of the endpoint; the function's name follows.
const Path = "/_thaw/logs/"

const (
	// pageEvents bounds one answer.
	pageEvents = 1000
	maxWait    = 60 * time.Second
)

// Options is what the handler works with.
type Options struct {
	Store *logs.Store
	// Group finds the log group of a function.
	Group func(function string) (group string, ok bool)
}

// New makes the handler of Path.
func New(opts Options) http.Handler { return &handler{opts: opts} }

type handler struct {
	opts Options
}

type page struct {
	Events []logs.Event `json:"events"`
	Next   uint64       `json:"next"`
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, err := h.read(r)
	if err != nil {
		refuse(w, err)
		return
	}
	if p.Events == nil {
		p.Events = []logs.Event{}
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(p) // a client that hung up is not our error
}

func (h *handler) read(r *http.Request) (page, error) {
	if r.Method != http.MethodGet {
		return page{}, &lambda.Error{Code: "UnknownOperationException", Message: "Only GET is served here."}
	}
	name := strings.TrimPrefix(r.URL.Path, Path)
	group, ok := h.opts.Group(name)
	if !ok {
		return page{}, lambda.Errorf(lambda.CodeResourceNotFound, "Function not found: %s", name)
	}
	query := r.URL.Query()
	since, err := number(query.Get("since"))
	if err != nil {
		return page{}, lambda.Errorf(lambda.CodeInvalidParameterValue, "since must be a whole number, not %q", query.Get("since"))
	}
	wait, err := number(query.Get("wait"))
	if err != nil {
		return page{}, lambda.Errorf(lambda.CodeInvalidParameterValue, "wait must be a number of seconds, not %q", query.Get("wait"))
	}
	var p page
	if wait == 0 {
		p.Events, p.Next = h.opts.Store.Read(group, since, pageEvents)
		return p, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), min(time.Duration(min(wait, 3600))*time.Second, maxWait))
	defer cancel()
	p.Events, p.Next = h.opts.Store.Wait(ctx, group, since, pageEvents)
	return p, nil
}

func number(s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	return strconv.ParseUint(s, 10, 64)
}

// refuse renders an error as the Lambda API does.
func refuse(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	told := &lambda.Error{Code: lambda.CodeService, Message: "An internal error occurred."}
	if errors.As(err, &told) {
		status = http.StatusNotFound
		if told.Code == lambda.CodeInvalidParameterValue {
			status = http.StatusBadRequest
		}
	}
	w.Header().Set("X-Amzn-ErrorType", told.Code)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"Type": "User", "message": told.Message})
}
