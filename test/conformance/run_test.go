package conformance_test

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

const (
	pollPause   = 30 * time.Millisecond
	settleLimit = 30 * time.Second // of what the server does after its answer
)

// m is the input of a call or a part of an answer.
type m = map[string]any

// run is one run of a derived case.
type run struct {
	t      *testing.T
	driver *driver
	sites  *sites
	site   site   // of its calls
	param  string // of the case: what its name has in brackets
	fn     string // a name for the case's function
	role   string
	limit  time.Duration

	answers map[string]any // by the recording's names
	bound   map[string]string
	cleanup []func()
}

// stop ends a run that cannot go on.
type stop struct{ reason string }

func (r *run) stopf(format string, args ...any) { panic(stop{fmt.Sprintf(format, args...)}) }

// call issues a call whose answer is compared as name; with an empty name it is
// a step on the way, which must succeed.
func (r *run) call(name, operation string, input m) m {
	return r.take(name, call{Operation: operation, Input: input})
}

// unchecked issues a call whose input boto3 would refuse by itself; the recorded
// answer is the service's.
func (r *run) unchecked(name, operation string, input m) m {
	return r.take(name, call{Operation: operation, Input: input, Unchecked: true})
}

func (r *run) take(name string, line call) m {
	answer := r.issue(line)
	got, _ := answer.(m)
	if name != "" {
		r.answers[name] = answer
	} else if got == nil || got["Error"] != nil {
		r.stopf("%s: %s", line.Operation, brief(answer))
	}
	return got
}

// try issues a call on the way that may fail.
func (r *run) try(operation string, input m) m {
	got, _ := r.issue(call{Operation: operation, Input: input}).(m)
	return got
}

// other issues a call of another service, whose answer is not compared and must
// be a success.
func (r *run) other(service, operation string, input m) m {
	return r.take("", call{Service: service, Operation: operation, Input: input})
}

func (r *run) issue(line call) any {
	line.Service, line.site = cmp.Or(line.Service, "lambda"), r.site
	answer, err := r.driver.issue(line)
	if err != nil {
		r.stopf("%s: %v", line.Operation, err)
	}
	if line.Operation == "CreateFunction" {
		name := fmt.Sprint(line.Input["FunctionName"])
		r.cleanup = append(r.cleanup, func() { r.try("DeleteFunction", m{"FunctionName": name}) })
	}
	return answer
}

// set is for what a recording made out of several answers.
func (r *run) set(name string, value any) { r.answers[name] = value }

// bind says what a token of the recording stands for.
func (r *run) bind(token, value string) { r.bound[token] = value }

// create makes a function from the least input, changed by over, and waits until
// it is active. The answer is compared unless name is empty.
func (r *run) create(name string, over m) m {
	answer := r.call(name, "CreateFunction", r.least(over))
	r.settle(r.fn)
	return answer
}

// least is what a function cannot be made without.
func (r *run) least(over m) m {
	input := m{
		"FunctionName": r.fn, "Role": r.role, "Runtime": "python3.12", "Handler": "index.handler",
		"Code": m{"ZipFile": pack("index.py", echoPython)},
	}
	return with(input, over)
}

// usual is the function that most recordings have: besides what it needs, half a
// minute of time and an empty environment.
func (r *run) usual(over m) m {
	return r.least(with(m{
		"Handler": "handler.handler", "Code": m{"ZipFile": pack("handler.py", echoPython)},
		"Timeout": 30, "Environment": m{"Variables": m{}},
	}, over))
}

// createUsual makes it. Recordings of it hold both answers that a tool of
// theirs gave; the other is always null.
func (r *run) createUsual(name string, over m) m {
	answer := r.call("", "CreateFunction", r.usual(over))
	if name != "" {
		r.answers[name] = m{"CreateFunctionResponse": answer, "CreateEventSourceMappingResponse": nil}
	}
	r.settle(r.fn)
	return answer
}

// with is an input with some members changed; nil takes one away.
func with(input, over m) m {
	merged := maps.Clone(input)
	for key, value := range over {
		if value == nil {
			delete(merged, key)
		} else {
			merged[key] = value
		}
	}
	return merged
}

// settle waits as the waiters of the SDKs do, until a function or version is
// active and its last update is over.
func (r *run) settle(name string, qualifier ...string) m {
	input := m{"FunctionName": name}
	if len(qualifier) > 0 {
		input["Qualifier"] = qualifier[0]
	}
	for begin := newWait(settleLimit); ; begin.pause(r, name) {
		got := r.call("", "GetFunctionConfiguration", input)
		if got["State"] != "Pending" && got["LastUpdateStatus"] != "InProgress" {
			return got
		}
	}
}

// wait bounds how long a case waits for something.
type wait struct{ end time.Time }

func newWait(limit time.Duration) wait { return wait{time.Now().Add(limit)} }

// pause goes before the next look.
func (w wait) pause(r *run, what string) {
	if time.Now().After(w.end) {
		r.stopf("%s: it took too long", what)
	}
	time.Sleep(pollPause)
}

// arn is of the case's function.
func (r *run) arn(qualifier ...string) string { return functionARN(r.fn, qualifier...) }

func functionARN(name string, qualifier ...string) string {
	return strings.Join(append([]string{"arn:aws:lambda", region, account, "function", name}, qualifier...), ":")
}

const echoPython = "def handler(event, context):\n    return event\n"

// pack makes a zip of pairs of names and contents.
func pack(files ...string) m { return blob(zipped(0, files...)) }

func blob(content []byte) m { return m{"$bytes": base64.StdEncoding.EncodeToString(content)} }

// zipped makes a zip of exactly so many bytes, unless that is zero.
func zipped(size int, files ...string) []byte {
	content := archive("", files...)
	if fill := size - len(content); fill > 0 {
		content = archive(strings.Repeat(" ", fill), files...)
	}
	return content
}

func archive(comment string, files ...string) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	// Writes to memory do not fail.
	w.SetComment(comment)
	for i := 0; i+1 < len(files); i += 2 {
		header := &zip.FileHeader{Name: files[i], Method: zip.Deflate}
		header.SetMode(0o755)
		f, _ := w.CreateHeader(header)
		f.Write([]byte(files[i+1]))
	}
	w.Close()
	return out.Bytes()
}
