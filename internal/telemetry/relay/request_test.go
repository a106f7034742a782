package relay_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/telemetry"
	"thaw/internal/telemetry/relay"
)

// TestValidation: the two texts in the service's documentation are its own, the
// others are ours.
func TestValidation(t *testing.T) {
	const destination = `"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:8080"}`
	const head = `"schemaVersion":"2022-12-13","types":["platform"],`
	for name, c := range map[string]struct{ api, body, want string }{
		"least":             {relay.TelemetryAPI, `{` + head + destination + `}`, ""},
		"host sandbox":      {relay.TelemetryAPI, `{` + head + `"destination":{"protocol":"HTTP","URI":"http://sandbox:1/a/b"}}`, ""},
		"TCP":               {relay.TelemetryAPI, `{` + head + `"destination":{"protocol":"TCP","port":65535}}`, ""},
		"oldest schema":     {relay.TelemetryAPI, `{"schemaVersion":"2022-07-01","types":["function","extension"],` + destination + `}`, ""},
		"newest schema":     {relay.TelemetryAPI, `{"schemaVersion":"2025-01-29","types":["platform"],` + destination + `}`, ""},
		"Logs API":          {relay.LogsAPI, `{"types":["platform"],` + destination + `}`, ""},
		"Logs API, PUT":     {relay.LogsAPI, `{"schemaVersion":"2021-03-18","types":["platform"],"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:8080","method":"PUT","encoding":"JSON"}}`, ""},
		"least buffering":   {relay.TelemetryAPI, `{` + head + destination + `,"buffering":{"maxItems":1000,"maxBytes":262144,"timeoutMs":25}}`, ""},
		"most buffering":    {relay.TelemetryAPI, `{` + head + destination + `,"buffering":{"maxItems":10000,"maxBytes":1048576,"timeoutMs":30000}}`, ""},
		"as documented":     {relay.TelemetryAPI, `{"schemaVersion":"2022-12-13","types":[],"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain"}}`, "URI port is not provided; types should not be empty"},
		"no JSON":           {relay.TelemetryAPI, `{`, "request body is not valid: unexpected end of JSON input"},
		"no object":         {relay.TelemetryAPI, `[]`, "request body is not valid: json: cannot unmarshal array into Go value of type relay.request"},
		"no schema":         {relay.TelemetryAPI, `{"types":["platform"],` + destination + `}`, "schemaVersion should be one of 2022-07-01, 2022-12-13, 2025-01-29"},
		"the other schema":  {relay.LogsAPI, `{` + head + destination + `}`, "schemaVersion should be one of 2020-08-15, 2021-03-18"},
		"no destination":    {relay.TelemetryAPI, `{` + head[:len(head)-1] + `}`, "destination is not provided"},
		"protocol":          {relay.TelemetryAPI, `{` + head + `"destination":{"protocol":"UDP","port":1}}`, "destination protocol should be HTTP or TCP"},
		"host":              {relay.TelemetryAPI, `{` + head + `"destination":{"protocol":"HTTP","URI":"http://example.com:80"}}`, "destination URI should have the host sandbox.localdomain"},
		"HTTPS":             {relay.TelemetryAPI, `{` + head + `"destination":{"protocol":"HTTP","URI":"https://sandbox:80"}}`, "destination URI is not valid"},
		"URI":               {relay.TelemetryAPI, `{` + head + `"destination":{"protocol":"HTTP","URI":"http://a:b@sandbox:80/%zz"}}`, "destination URI is not valid"},
		"port 0":            {relay.TelemetryAPI, `{` + head + `"destination":{"protocol":"HTTP","URI":"http://sandbox:0"}}`, "destination port is not valid"},
		"port out of range": {relay.TelemetryAPI, `{` + head + `"destination":{"protocol":"HTTP","URI":"http://sandbox:65536"}}`, "destination port is not valid"},
		"reserved port":     {relay.TelemetryAPI, `{` + head + `"destination":{"protocol":"TCP","port":9001}}`, "destination port 9001 is reserved"},
		"no TCP port":       {relay.TelemetryAPI, `{` + head + `"destination":{"protocol":"TCP"}}`, "destination port is not valid"},
		"method":            {relay.LogsAPI, `{"types":["platform"],"destination":{"protocol":"HTTP","URI":"http://sandbox:80","method":"GET"}}`, "destination method should be POST or PUT"},
		"encoding":          {relay.LogsAPI, `{"types":["platform"],"destination":{"protocol":"HTTP","URI":"http://sandbox:80","encoding":"XML"}}`, "destination encoding should be JSON"},
		"type":              {relay.TelemetryAPI, `{"schemaVersion":"2022-12-13","types":["platform","traces"],` + destination + `}`, "types should be of platform, function and extension"},
		"maxItems":          {relay.TelemetryAPI, `{` + head + destination + `,"buffering":{"maxItems":999}}`, "maxItems should be between 1000 and 10000"},
		"maxBytes":          {relay.TelemetryAPI, `{` + head + destination + `,"buffering":{"maxBytes":1048577}}`, "maxBytes should be between 262144 and 1048576"},
		"timeoutMs":         {relay.TelemetryAPI, `{` + head + destination + `,"buffering":{"timeoutMs":24}}`, "timeoutMs should be between 25 and 30000"},
		"too large":         {relay.TelemetryAPI, `"` + strings.Repeat("x", 64<<10) + `"`, "request body is too large"},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, &network{})
			got := ""
			if err := r.Subscribe("ext", c.api, []byte(c.body)); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("refused with %q, want %q", got, c.want)
			}
		})
	}
}

func TestSubscriptionsAreBounded(t *testing.T) {
	r := open(t, &network{})
	for i := range 11 {
		if err := r.Subscribe(fmt.Sprint("ext", i), relay.TelemetryAPI, []byte(httpBody)); (err != nil) != (i == 10) {
			t.Errorf("subscription %d: %v", i+1, err)
		}
	}
}

// everything is one event of each type.
func everything() []telemetry.Record {
	metrics := telemetry.NewReportMetrics(3*time.Millisecond, 0, 0, 128, 36<<20)
	trace := telemetry.NewTracing("Root=1-a-b;Parent=c;Sampled=1")
	return []telemetry.Record{
		telemetry.InitStart{InitializationType: "on-demand", Phase: "init", FunctionName: "f", FunctionVersion: "7"},
		telemetry.TelemetrySubscription{Name: "a", State: "Subscribed", Types: []string{"platform"}},
		telemetry.LogsSubscription{Name: "b", State: "Subscribed", Types: []string{"platform"}},
		telemetry.Extension{Name: "a", State: "Ready", Events: []string{"INVOKE"}},
		telemetry.InitRuntimeDone{InitializationType: "on-demand", Phase: "init", Status: "success"},
		telemetry.InitReport{InitializationType: "on-demand", Phase: "init", Status: "success"},
		telemetry.RestoreStart{FunctionName: "f", FunctionVersion: "7"},
		telemetry.RestoreRuntimeDone{Status: "success"},
		telemetry.RestoreReport{Status: "success"},
		telemetry.Start{RequestID: "id", Version: "7", FunctionARN: "arn", Tracing: trace},
		telemetry.Line{Text: "text\n"},
		telemetry.Line{Text: `{"level": "INFO"}` + "\n", Level: "INFO", Object: true},
		telemetry.Line{Text: "from an extension\n", Extension: true},
		telemetry.RuntimeDone{RequestID: "id", Status: "success", Metrics: telemetry.RuntimeDoneMetrics{DurationMs: 1}, Tracing: trace},
		telemetry.Fault{RequestID: "id", Message: "exit status 1", ErrorType: "Runtime.ExitError"},
		telemetry.LogsDropped{Reason: "slow", DroppedRecords: 1, DroppedBytes: 2},
		telemetry.End{RequestID: "id"},
		telemetry.Report{RequestID: "id", Status: "success", Metrics: metrics, Tracing: trace},
	}
}

// TestSchemas: which types each API and schema knows, and in what shape.
func TestSchemas(t *testing.T) {
	const (
		lines      = "function \"text\\n\"\nfunction %s\nextension \"from an extension\\n\"\n"
		start      = `platform.start {"requestId":"id","version":"7"`
		trace      = `"tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1-a-b;Parent=c;Sampled=1"}`
		extension  = "platform.extension {\"name\":\"a\",\"state\":\"Ready\",\"events\":[\"INVOKE\"]}\n"
		dropped    = "platform.logsDropped {\"reason\":\"slow\",\"droppedRecords\":1,\"droppedBytes\":2}\n"
		metrics    = `"metrics":{"durationMs":3,"billedDurationMs":3,"memorySizeMB":128,"maxMemoryUsedMB":36}`
		logsBefore = "platform.logsSubscription {\"name\":\"b\",\"state\":\"Subscribed\",\"types\":[\"platform\"]}\n" + extension + start + "}\n"
		logsAfter  = "platform.fault \"RequestId: id Error: exit status 1\\nRuntime.ExitError\\n\"\n" + dropped +
			"platform.end {\"requestId\":\"id\"}\nplatform.report {\"requestId\":\"id\"," + metrics + "," + trace + "}\n"
		telemetryBefore = `platform.initStart {"initializationType":"on-demand","phase":"init","functionName":"f","functionVersion":"7"}
platform.telemetrySubscription {"name":"a","state":"Subscribed","types":["platform"]}
` + extension + `platform.initRuntimeDone {"initializationType":"on-demand","phase":"init","status":"success"}
platform.initReport {"initializationType":"on-demand","phase":"init","status":"success","metrics":{"durationMs":0}}
platform.restoreStart {"functionName":"f","functionVersion":"7"}
platform.restoreRuntimeDone {"status":"success"}
platform.restoreReport {"status":"success","metrics":{"durationMs":0}}
` + start + `,"functionArn":"arn",` + trace + "}\n"
		telemetryAfter = `platform.runtimeDone {"requestId":"id","status":"success","metrics":{"durationMs":0.000001},` + trace + "}\n" + dropped +
			`platform.report {"requestId":"id","status":"success",` + metrics + "," + trace + "}\n"
	)
	text, object := fmt.Sprintf(lines, `"{\"level\": \"INFO\"}\n"`), fmt.Sprintf(lines, `{"level":"INFO"}`)
	for _, c := range []struct{ api, schema, want string }{
		{relay.LogsAPI, "2020-08-15", logsBefore + text + logsAfter},
		{relay.LogsAPI, "2021-03-18", logsBefore + text + "platform.runtimeDone {\"requestId\":\"id\",\"status\":\"success\"}\n" + logsAfter},
		{relay.TelemetryAPI, "2022-07-01", telemetryBefore + text + telemetryAfter},
		{relay.TelemetryAPI, "2022-12-13", telemetryBefore + object + telemetryAfter},
		{relay.TelemetryAPI, "2025-01-29", telemetryBefore + object + telemetryAfter},
	} {
		t.Run(c.schema, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n network
				s := &subscriber{status: 200}
				s.serve(t, n.listen())
				r := open(t, &n)
				if err := r.Subscribe("ext", c.api, []byte(strings.Replace(httpBody, "2022-12-13", c.schema, 1))); err != nil {
					t.Fatal(err)
				}
				for _, record := range everything() {
					r.Publish(telemetry.Event{Time: time.Now(), Record: record})
				}
				r.Flush(t.Context())
				want := strings.ReplaceAll(c.want, "0.000001", "0")
				if diff := cmp.Diff(want, strings.Join(s.events(t), "\n")+"\n"); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// FuzzSubscribe: no request is taken that is not JSON, and none has the relay
// connect to anything but the sandbox.
func FuzzSubscribe(f *testing.F) {
	f.Add(httpBody, true)
	f.Add(tcpBody, true)
	f.Add(strings.Replace(httpBody, "2022-12-13", "2021-03-18", 1), false)
	f.Add(`{"schemaVersion":"2022-12-13","types":["platform"],"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:8080@example.com:80/"}}`, true)
	f.Fuzz(func(t *testing.T, body string, byTelemetry bool) {
		api := relay.LogsAPI
		if byTelemetry {
			api = relay.TelemetryAPI
		}
		dialled := make(chan string, 1)
		r := relay.New(relay.Options{Dial: dialOnce(dialled), Logger: slog.New(slog.DiscardHandler)})
		defer r.Close(t.Context())
		if r.Subscribe("ext", api, []byte(body)) != nil {
			return
		}
		if !json.Valid([]byte(body)) {
			t.Errorf("taken: %q", body)
		}
		r.Publish(line("one\n"))
		r.Publish(telemetry.Event{Time: time.Now(), Record: telemetry.Start{RequestID: "id"}})
		r.Publish(telemetry.Event{Time: time.Now(), Record: telemetry.Line{Text: "two\n", Extension: true}})
		r.Flush(t.Context())
		if to := <-dialled; !strings.HasPrefix(to, "169.254.100.1:") {
			t.Errorf("%q makes the relay connect to %s", body, to)
		}
	})
}
