package async

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/store"
	"thaw/internal/telemetry/trace"
)

var (
	wholeEvent = Event{
		RequestID: "id", Function: "f", Qualifier: "live", Payload: []byte(`{"a":1}`), ClientContext: `{"b":2}`,
		Trace:      trace.Accepted{Header: "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0", Undecided: true, Fresh: true},
		EnqueuedAt: time.Unix(1_700_000_000, 123_456_789),
	}
	wholeProgress = progress{
		Attempts: 1, Refusals: 2, LastError: "Rate Exceeded.", LastStatus: 429,
		Outcome: &lambda.Result{ExecutedVersion: "3", FunctionError: lambda.Unhandled, Payload: []byte(`{"errorMessage":"m"}`)},
	}
)

func TestEventRoundTrip(t *testing.T) {
	for _, p := range []progress{{}, wholeProgress} {
		body, err := encodeEvent(&wholeEvent, &p)
		if err != nil {
			t.Fatal(err)
		}
		e, got, err := decodeEvent(body)
		if err != nil || !reflect.DeepEqual(e, wholeEvent) || !reflect.DeepEqual(got, p) {
			t.Errorf("%+v, %+v, %v; want %+v, %+v", e, got, err, wholeEvent, p)
		}
	}
}

func TestDeliveryRoundTrip(t *testing.T) {
	want := Delivery{
		Kind: DeadLetter, Target: "arn:aws:sqs:us-east-1:000000000000:q", Function: lambda.Ref{Name: "f", Qualifier: "1"},
		FunctionARN: "arn:aws:lambda:us-east-1:000000000000:function:f:1", Role: "arn:aws:iam::000000000000:role/r", ID: "id/DeadLetter",
		Body: []byte("1"), Attributes: map[string]Attribute{"ErrorCode": {"Number", "200"}}, Trace: "Root=1", At: time.Unix(1_700_000_000, 0).UTC(), Success: true,
	}
	body, err := encodeDelivery(&want, 7)
	if err != nil {
		t.Fatal(err)
	}
	got, tries, err := decodeDelivery(body)
	if err != nil || tries != 7 || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %d, %v; want %+v", got, tries, err, want)
	}
}

// TestFits: an event fits into the store whatever is kept with it.
func TestFits(t *testing.T) {
	const largest = 1 << 20
	e, p := wholeEvent, wholeProgress
	e.Payload = []byte(strings.Repeat("x", largest))
	e.ClientContext = strings.Repeat("\x01", 2700)
	e.Trace.Header = strings.Repeat("é", 600)
	e.Function, e.Qualifier = strings.Repeat("f", lambda.MaxFunctionName), strings.Repeat("q", 128)
	p.LastError = strings.Repeat("\x01", 1<<20)
	p.Outcome.Payload = []byte(strings.Repeat("y", lambda.MaxResponsePayload))
	body, err := encodeEvent(&e, &p)
	if err != nil || len(body) > store.MaxEvent {
		t.Fatalf("%d bytes, %v", len(body), err)
	}
	if _, got, err := decodeEvent(body); err != nil || got.Outcome == nil || len(got.Outcome.Payload) != 0 || got.Outcome.ExecutedVersion != "3" {
		t.Errorf("%+v, %v", got.Outcome, err)
	}
}

// FuzzDecode: whatever is stored, decoding neither panics nor takes what it would
// not write.
func FuzzDecode(f *testing.F) {
	body, err := encodeEvent(&wholeEvent, &wholeProgress)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte{formEvent, 2, '{', '}', 0, 0})
	f.Add([]byte{formEvent, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, body []byte) {
		if e, p, err := decodeEvent(body); err == nil {
			again, err := encodeEvent(&e, &p)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := decodeEvent(again); err != nil {
				t.Fatal(err)
			}
		}
		_, _, _ = decodeDelivery(body)
	})
}
