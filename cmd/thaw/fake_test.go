package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"thaw/internal/lambda"
)

// fakeServer answers the part of the Lambda API that the verbs use. A function
// echoes its event; the event "fail" makes it fail.
type fakeServer struct {
	mu        sync.Mutex
	functions map[string]*fakeFunction
	accessKey string
	dataDir   string // where its keys are
}

type fakeFunction struct {
	config map[string]any
	// pending is the number of times that the function is yet to be shown as not
	// ready.
	pending int
}

// newFakeServer starts the server; it refuses requests not signed with the key.
func newFakeServer(t *testing.T, accessKey, dataDir string) *httptest.Server {
	t.Helper()
	f := &fakeServer{functions: make(map[string]*fakeFunction), accessKey: accessKey, dataDir: dataDir}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions", f.create)
	mux.HandleFunc("GET /2015-03-31/functions", f.list)
	mux.HandleFunc("GET /2015-03-31/functions/{name}/configuration", f.configuration)
	mux.HandleFunc("PUT /2015-03-31/functions/{name}/configuration", f.updateConfiguration)
	mux.HandleFunc("PUT /2015-03-31/functions/{name}/code", f.updateCode)
	mux.HandleFunc("DELETE /2015-03-31/functions/{name}", f.remove)
	mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", f.invoke)
	queues, measured := newFakeQueues(t), newFakeMetrics(t)
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		if queues.Ours(r) {
			queues.ServeHTTP(w, r)
			return
		}
		f.logs(w, r)
	})
	mux.Handle("POST /service/", measured)
	new(fakeLayers).handle(mux)
	mux.HandleFunc("GET /_thaw/backup", f.backup)
	mux.HandleFunc("GET /_thaw/usage", f.usage)
	mux.HandleFunc(signersPath, f.signers)
	mux.HandleFunc(asyncPath, f.async)
	server := httptest.NewServer(f.authorised(mux))
	t.Cleanup(server.Close)
	return server
}

func (f *fakeServer) authorised(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authorization := r.Header.Get("Authorization")
		service := "lambda"
		switch target := r.Header.Get("X-Amz-Target"); {
		case strings.HasPrefix(r.URL.Path, "/service/"):
			service = "monitoring"
		case strings.HasPrefix(target, "AmazonSQS."):
			service = "sqs"
		case target != "":
			service = "logs"
		}
		if !strings.Contains(authorization, "Credential="+f.accessKey+"/") || !strings.Contains(authorization, "/us-east-1/"+service+"/aws4_request") {
			refuse(w, http.StatusForbidden, "UnrecognizedClientException", "message", "The security token included in the request is invalid.")
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

func refuse(w http.ResponseWriter, status int, code, member, text string) {
	w.Header().Set("X-Amzn-ErrorType", code)
	answer(w, status, map[string]string{"Type": "User", member: text})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("x-amzn-RequestId", "00000000-0000-4000-8000-000000000000")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// find answers for itself when there is no such function.
func (f *fakeServer) find(w http.ResponseWriter, r *http.Request) *fakeFunction {
	name := r.PathValue("name")
	function := f.functions[name]
	if function == nil {
		refuse(w, http.StatusNotFound, "ResourceNotFoundException", "Message", "Function not found: arn:aws:lambda:us-east-1:000000000000:function:"+name)
	}
	return function
}

func decode(r *http.Request) map[string]any {
	var body map[string]any
	json.NewDecoder(r.Body).Decode(&body)
	return body
}

func (f *fakeFunction) setCode(zipFile string) {
	code, _ := base64.StdEncoding.DecodeString(zipFile)
	digest := sha256.Sum256(code)
	f.config["CodeSha256"] = base64.StdEncoding.EncodeToString(digest[:])
	f.config["CodeSize"] = len(code)
	f.pending = 1
}

func (f *fakeServer) create(w http.ResponseWriter, r *http.Request) {
	body := decode(r)
	name := body["FunctionName"].(string)
	function := &fakeFunction{config: map[string]any{
		"FunctionName": name, "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:" + name,
		"MemorySize": 128, "Timeout": 3, "LastModified": "2026-01-02T03:04:05.000+0000",
	}}
	code := body["Code"].(map[string]any)["ZipFile"].(string)
	delete(body, "Code")
	function.apply(body)
	function.setCode(code)
	f.functions[name] = function
	answer(w, http.StatusCreated, function.config)
}

func (f *fakeFunction) apply(settings map[string]any) {
	for member, value := range settings {
		if member == "Environment" {
			continue // Its answer has another shape.
		}
		if member == "Layers" {
			value = attachedLayers(value)
		}
		f.config[member] = value
	}
}

func (f *fakeServer) configuration(w http.ResponseWriter, r *http.Request) {
	function := f.find(w, r)
	if function == nil {
		return
	}
	function.config["State"], function.config["LastUpdateStatus"] = "Active", "Successful"
	if function.pending > 0 {
		function.pending--
		function.config["State"], function.config["LastUpdateStatus"] = "Pending", "InProgress"
	}
	answer(w, http.StatusOK, function.config)
}

func (f *fakeServer) updateConfiguration(w http.ResponseWriter, r *http.Request) {
	if function := f.find(w, r); function != nil {
		function.apply(decode(r))
		function.pending = 1
		answer(w, http.StatusOK, function.config)
	}
}

func (f *fakeServer) updateCode(w http.ResponseWriter, r *http.Request) {
	if function := f.find(w, r); function != nil {
		body := decode(r)
		function.setCode(body["ZipFile"].(string))
		function.config["Architectures"] = body["Architectures"]
		answer(w, http.StatusOK, function.config)
	}
}

func (f *fakeServer) remove(w http.ResponseWriter, r *http.Request) {
	if f.find(w, r) != nil {
		delete(f.functions, r.PathValue("name"))
		w.WriteHeader(http.StatusNoContent)
	}
}

// list answers one function per page, so that paging is needed.
func (f *fakeServer) list(w http.ResponseWriter, r *http.Request) {
	var names []string
	for name := range f.functions {
		names = append(names, name)
	}
	slices.Sort(names)
	at, _ := strconv.Atoi(r.URL.Query().Get("Marker"))
	page := map[string]any{"Functions": []any{}}
	if at < len(names) {
		page["Functions"] = []any{f.functions[names[at]].config}
	}
	if at+1 < len(names) {
		page["NextMarker"] = strconv.Itoa(at + 1)
	}
	answer(w, http.StatusOK, page)
}

func (f *fakeServer) invoke(w http.ResponseWriter, r *http.Request) {
	if f.find(w, r) == nil {
		return
	}
	event, _ := io.ReadAll(r.Body)
	if r.Header.Get("X-Amz-Invocation-Type") == "Event" {
		w.Header().Set("x-amzn-RequestId", "00000000-0000-4000-8000-000000000000")
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.Header().Set("X-Amz-Executed-Version", "$LATEST")
	if r.Header.Get("X-Amz-Log-Type") == "Tail" {
		log := "START RequestId: 1 Version: $LATEST\nEND RequestId: 1\n"
		w.Header().Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString([]byte(log)))
	}
	if string(event) == `"fail"` {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		answer(w, http.StatusOK, map[string]string{"errorType": "Runtime.ExitError"})
		return
	}
	w.Header().Set("x-amzn-RequestId", "00000000-0000-4000-8000-000000000000")
	w.Write(event)
}

// logs has three lines of every function that there is, and gives two at a time.
func (f *fakeServer) logs(w http.ResponseWriter, r *http.Request) {
	in := decode(r)
	name, _ := strings.CutPrefix(in["logGroupName"].(string), "/aws/lambda/")
	if r.Header.Get("X-Amz-Target") != "Logs_20140328.FilterLogEvents" || f.functions[name] == nil {
		answer(w, http.StatusBadRequest, map[string]string{"__type": "ResourceNotFoundException", "message": "The specified log group does not exist."})
		return
	}
	token, _ := in["nextToken"].(string)
	since, _ := strconv.Atoi(token)
	lines := []string{"START RequestId: 1 Version: $LATEST\n", "hello\n", "END RequestId: 1\n"}
	page := map[string]any{"events": []any{}, "searchedLogStreams": []any{}}
	for n := since; n < min(since+2, len(lines)); n++ {
		page["events"] = append(page["events"].([]any), logLine(n+1, lines[n]))
	}
	if since+2 < len(lines) {
		page["nextToken"] = strconv.Itoa(since + 2)
	}
	answer(w, http.StatusOK, page)
}

// logLine is an event of FilterLogEvents, some milliseconds after a fixed time.
func logLine(ms int, message string) map[string]any {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixMilli() + int64(ms)
	return map[string]any{
		"eventId": fmt.Sprint(at), "timestamp": at, "ingestionTime": at, "logStreamName": "s", "message": message,
	}
}

// signers answers as a server with one signing profile.
func (f *fakeServer) signers(w http.ResponseWriter, r *http.Request) {
	arn := lambda.DefaultScope.SignerARN("release", "abcdefghij")
	switch r.Method {
	case http.MethodGet:
		json.NewEncoder(w).Encode([]shownSigner{{Name: "release", Version: "abcdefghij", ARN: arn, Status: "Active"}})
	case http.MethodPost:
		json.NewEncoder(w).Encode(map[string]string{"arn": arn})
	default:
		if r.URL.Query().Get("version") != "abcdefghij" {
			refuseOwn(w, http.StatusNotFound, lambda.CodeResourceNotFound, "There is no signing profile release with this version.")
			return
		}
		io.WriteString(w, "{}")
	}
}

// async answers as a server with events of one function and deliveries to one queue.
func (f *fakeServer) async(w http.ResponseWriter, r *http.Request) {
	function := r.URL.Query().Get("function")
	ours := function == "" || function == "hello"
	if r.Method == http.MethodDelete {
		n := 0
		if ours {
			n = 14
		}
		json.NewEncoder(w).Encode(map[string]int{"purged": n})
		return
	}
	answer := waitingEvents{Functions: []waitingCount{}, Deliveries: []waitingCount{}}
	if ours {
		answer.Functions = append(answer.Functions, waitingCount{"hello", 10, 3, 1})
	}
	if function == "" {
		answer.Deliveries = append(answer.Deliveries, waitingCount{"arn:aws:sqs:us-east-1:000000000000:failed", 0, 1, 2})
	}
	json.NewEncoder(w).Encode(answer)
}
