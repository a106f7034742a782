package awsapi_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/cloudwatch"
	"thaw/internal/lambda"
)

func ptr[T any](v T) *T { return &v }

// dimension is used by all protocols' examples.
var dimension = model.Dimension{Name: ptr("FunctionName"), Value: ptr("a&b <ü>")}

var began = time.Date(2026, 1, 2, 3, 4, 5, 250e6, time.UTC)

// asked is what requests of all protocols say here.
var asked = &model.GetMetricStatisticsInput{
	Namespace: ptr("AWS/Lambda"), MetricName: ptr("Errors"), Dimensions: []model.Dimension{dimension},
	StartTime: &began, EndTime: ptr(began.Add(time.Hour)), Period: ptr(60), Statistics: []string{"Sum", "Average"}, ExtendedStatistics: []string{},
}

func cborOf(t *testing.T, v any) []byte {
	t.Helper()
	data, err := cbor.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// requests say the same in every protocol.
func requests(t *testing.T) map[awsapi.Protocol]*http.Request {
	t.Helper()
	post := func(path, kind string, body []byte) *http.Request {
		r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
		r.Header.Set("Content-Type", kind)
		return r
	}
	json := post("/", "application/x-amz-json-1.0", []byte(`{"Namespace":"AWS/Lambda","MetricName":"Errors","Dimensions":[{"Name":"FunctionName","Value":"a&b <ü>"}],
		"StartTime":1767323045.25,"EndTime":1767326645.25,"Period":60,"Statistics":["Sum","Average"],"ExtendedStatistics":[]}`))
	json.Header.Set("X-Amz-Target", "GraniteServiceVersion20100801.GetMetricStatistics")
	type m = map[string]any
	seconds := func(s float64) cbor.Tag { return cbor.Tag{Number: 1, Content: s} }
	packed := post("/service/GraniteServiceVersion20100801/operation/GetMetricStatistics", "application/cbor", cborOf(t, m{
		"Namespace": "AWS/Lambda", "MetricName": "Errors", "Dimensions": []m{{"Name": "FunctionName", "Value": "a&b <ü>"}}, "Unit": nil, "Unknown": 1,
		"StartTime": seconds(1767323045.25), "EndTime": seconds(1767326645.25), "Period": 60, "Statistics": []string{"Sum", "Average"}, "ExtendedStatistics": []string{},
	}))
	form := post("/", "application/x-www-form-urlencoded; charset=utf-8", []byte(url.Values{
		"Action": {"GetMetricStatistics"}, "Version": {"2010-08-01"}, "Namespace": {"AWS/Lambda"}, "MetricName": {"Errors"},
		"Dimensions.member.1.Name": {"FunctionName"}, "Dimensions.member.1.Value": {"a&b <ü>"}, "StartTime": {"2026-01-02T03:04:05.25Z"},
		"EndTime": {"2026-01-02T05:04:05.25+01:00"}, "Period": {"60"}, "Statistics.member.1": {"Sum"}, "Statistics.member.2": {"Average"}, "ExtendedStatistics": {""},
	}.Encode()))
	return map[awsapi.Protocol]*http.Request{awsapi.JSON: json, awsapi.CBOR: packed, awsapi.Form: form}
}

// TestProtocolsSayTheSame: one request in three protocols makes one input.
func TestProtocolsSayTheSame(t *testing.T) {
	service := model.Service()
	calls, codec := awsapi.NewCalls(service), awsapi.NewCodec(service)
	for want, r := range requests(t) {
		p, ok := calls.Of(r)
		if !ok || p != want {
			t.Errorf("protocol %d is taken for %d, %v", want, p, ok)
			continue
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		var query awsapi.Query
		if p == awsapi.Form {
			if query, err = awsapi.ParseQuery(body); err != nil {
				t.Fatal(err)
			}
		}
		op, ok := calls.Find(p, r, query)
		if !ok || op.Name != model.OpGetMetricStatistics {
			t.Fatalf("protocol %d: operation %v", p, op)
		}
		got, err := codec.DecodeAs(p, op, body, query)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(asked, got); diff != "" {
			t.Errorf("protocol %d (-want +got):\n%s", p, diff)
		}
	}
}

func TestFormsOfOthers(t *testing.T) {
	calls := awsapi.NewCalls(model.Service())
	for name, c := range map[string]struct {
		body, authorization string
		ours                bool
	}{
		"ours":                 {"Action=ListMetrics&Version=2010-08-01", "", true},
		"of IAM":               {"Action=ListRoles&Version=2010-05-08", "", false},
		"without a version":    {"Action=ListMetrics", "", false},
		"signed for us":        {"x", "AWS4-HMAC-SHA256 Credential=AK/20260101/us-east-1/monitoring/aws4_request, SignedHeaders=host, Signature=0", true},
		"signed for IAM":       {"Action=ListMetrics&Version=2010-08-01", "AWS4-HMAC-SHA256 Credential=AK/20260101/us-east-1/iam/aws4_request, SignedHeaders=host", false},
		"long before the name": {strings.Repeat("x", 5000) + "&Version=2010-08-01", "", false},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if c.authorization != "" {
			r.Header.Set("Authorization", c.authorization)
		}
		if _, ok := calls.Of(r); ok != c.ours {
			t.Errorf("%s: %v", name, ok)
		}
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != c.body {
			t.Errorf("%s: the body has become %d bytes, %v", name, len(body), err)
		}
	}
}

// TestAnswersOfProtocols compares bytes, and, of CBOR, what they say.
func TestAnswersOfProtocols(t *testing.T) {
	service := model.Service()
	calls, codec := awsapi.NewCalls(service), awsapi.NewCodec(service)
	op, _ := calls.Find(awsapi.CBOR, requests(t)[awsapi.CBOR], awsapi.Query{})
	output := &model.GetMetricStatisticsOutput{Label: ptr("<Errors>"), Datapoints: []model.Datapoint{
		{Timestamp: ptr(began.Truncate(time.Minute)), Sum: ptr(1.5), ExtendedStatistics: map[string]float64{"p99": 3}},
	}}
	form, err := codec.EncodeAs(awsapi.Form, op, output, "id-1")
	if err != nil {
		t.Fatal(err)
	}
	want := `<GetMetricStatisticsResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><GetMetricStatisticsResult><Label>&lt;Errors&gt;</Label>` +
		`<Datapoints><member><Timestamp>2026-01-02T03:04:00Z</Timestamp><Sum>1.5</Sum><ExtendedStatistics><entry><key>p99</key><value>3</value></entry>` +
		`</ExtendedStatistics></member></Datapoints></GetMetricStatisticsResult><ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></GetMetricStatisticsResponse>`
	if diff := cmp.Diff(want, string(form.Body)); diff != "" {
		t.Errorf("form (-want +got):\n%s", diff)
	}
	json, err := codec.EncodeAs(awsapi.JSON, op, output, "")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(json.Body), `{"Label":"<Errors>","Datapoints":[{"Timestamp":1767323040,"Sum":1.5,"ExtendedStatistics":{"p99":3}}]}`; got != want {
		t.Errorf("JSON: %s", got)
	}
	packed, err := codec.EncodeAs(awsapi.CBOR, op, output, "")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := cbor.Unmarshal(packed.Body, &got); err != nil {
		t.Fatal(err)
	}
	point := got["Datapoints"].([]any)[0].(map[any]any)
	if at := point["Timestamp"].(time.Time); !at.Equal(began.Truncate(time.Minute)) || point["Sum"] != 1.5 || got["Label"] != "<Errors>" {
		t.Errorf("CBOR: %v", got)
	}
	if packed.Header.Get("Smithy-Protocol") != "rpc-v2-cbor" || packed.Header.Get("Content-Type") != "application/cbor" {
		t.Errorf("CBOR: header %v", packed.Header)
	}
}

// TestErrorsOfProtocols: the code of awsQuery is told in all of them.
func TestErrorsOfProtocols(t *testing.T) {
	codec := awsapi.NewCodec(model.Service())
	err := lambda.Errorf("InvalidParameterValueException", "no <such> value")
	form := codec.EncodeErrorAs(awsapi.Form, err, "id-1")
	want := `<ErrorResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><Error><Type>Sender</Type><Code>InvalidParameterValue</Code>` +
		`<Message>no &lt;such&gt; value</Message></Error><RequestId>id-1</RequestId></ErrorResponse>`
	if string(form.Body) != want || form.Status != 400 {
		t.Errorf("form: %d %s", form.Status, form.Body)
	}
	json := codec.EncodeErrorAs(awsapi.JSON, err, "")
	if got := string(json.Body); got != `{"__type":"com.amazonaws.cloudwatch#InvalidParameterValueException","message":"no <such> value"}` {
		t.Errorf("JSON: %s", got)
	}
	packed := codec.EncodeErrorAs(awsapi.CBOR, err, "")
	var got map[string]string
	if err := cbor.Unmarshal(packed.Body, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"__type": "com.amazonaws.cloudwatch#InvalidParameterValueException", "message": "no <such> value"}, got); diff != "" {
		t.Errorf("CBOR (-want +got):\n%s", diff)
	}
	for name, h := range map[string]http.Header{"JSON": json.Header, "CBOR": packed.Header} {
		if got := h.Get("X-Amzn-Query-Error"); got != "InvalidParameterValue;Sender" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestBadCBOR: nothing that a client sends is more than his fault.
func TestBadCBOR(t *testing.T) {
	service := model.Service()
	calls, codec := awsapi.NewCalls(service), awsapi.NewCodec(service)
	op, _ := calls.Find(awsapi.CBOR, requests(t)[awsapi.CBOR], awsapi.Query{})
	type m = map[string]any
	for name, body := range map[string][]byte{
		"cut off":             cborOf(t, m{"Namespace": "x"})[:5],
		"too deep":            bytes.Repeat([]byte{0x81}, 100_000),
		"a long list of none": {0xa1, 0x61, 'x', 0x9a, 0xff, 0xff, 0xff, 0xff},
		"no structure":        cborOf(t, []string{"x"}),
		"a number for a text": cborOf(t, m{"Namespace": 1}),
		"a text for a number": cborOf(t, m{"Period": "60"}),
		"a fraction":          cborOf(t, m{"Period": 60.5}),
		"too large a number":  cborOf(t, m{"Period": 1 << 40}),
		"a time without tag":  cborOf(t, m{"StartTime": 5.0}),
		"null in a list":      cborOf(t, m{"Statistics": []any{nil}}),
		"a map for a list":    cborOf(t, m{"Statistics": m{"a": 1}}),
	} {
		_, err := codec.DecodeAs(awsapi.CBOR, op, body, awsapi.Query{})
		if told, ok := err.(*lambda.Error); !ok || told.Code != awsapi.CodeSerialization {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzCBOR(f *testing.F) {
	service := model.Service()
	calls, codec := awsapi.NewCalls(service), awsapi.NewCodec(service)
	r := httptest.NewRequest(http.MethodPost, "/service/GraniteServiceVersion20100801/operation/GetMetricData", nil)
	op, _ := calls.Find(awsapi.CBOR, r, awsapi.Query{})
	f.Add([]byte{0xa1, 0x69, 'S', 't', 'a', 'r', 't', 'T', 'i', 'm', 'e', 0xc1, 0xfb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := codec.DecodeAs(awsapi.CBOR, op, data, awsapi.Query{})
		if _, ok := err.(*lambda.Error); err != nil && !ok {
			t.Errorf("%T: %v", err, err)
		}
	})
}
