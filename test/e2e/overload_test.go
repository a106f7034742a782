package e2e_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// overloadAnswer is what a request under overload came to.
type overloadAnswer struct {
	status int
	took   time.Duration // since it was due
	ran    gauged
	text   string
}

// TestOverload asks for ten times what the environments can do, by a schedule that does
// not wait for answers. What is refused is refused as a throttle and quickly, never
// more runs than may, a good part of what can be done is done, and all is well
// after it.
func TestOverload(t *testing.T) {
	const places, hold, times = 8, 50 * time.Millisecond, 10
	const capacity = float64(places) / float64(hold) * float64(time.Second)
	s := start(t, "--max-environments", fmt.Sprint(places))
	s.deployKeeping(t, "gauge", gauge(t))
	s.volley(t, places, "") // all environments have started
	event := fmt.Appendf(nil, `{"sleepMS":%d}`, hold.Milliseconds())
	s.isWell(t, event, capacity/4)
	loaded := s.byTheClock(t, event, capacity*times, 4*time.Second)
	s.isWell(t, event, capacity/4)

	var ran []gauged
	var admitted, refused []time.Duration
	for _, a := range loaded {
		switch a.status {
		case http.StatusOK:
			ran, admitted = append(ran, a.ran), append(admitted, a.took)
		case http.StatusTooManyRequests:
			refused = append(refused, a.took)
			if want := `{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}`; a.text != want {
				t.Fatalf("refused with %s, want %s", a.text, want)
			}
		default:
			t.Fatalf("answered with %d: %s", a.status, a.text)
		}
	}
	if n := most(ran); n > places {
		t.Errorf("%d ran at one time, and %d may", n, places)
	}
	if len(refused) < len(loaded)/2 {
		t.Errorf("%d of %d were refused: that was no overload", len(refused), len(loaded))
	}
	// The machine that runs tests does other things, too.
	if done := float64(len(admitted)) / 4; done < capacity/3 {
		t.Errorf("%.0f invocations a second under load, of %.0f that can be done", done, capacity)
	}
	slices.Sort(refused)
	slices.Sort(admitted)
	t.Logf("admitted %d, median %v; refused %d, median %v", len(admitted), median(admitted), len(refused), median(refused))
	// Who waits, waits a second at most; most do not.
	if m := median(refused); m > time.Second/2 {
		t.Errorf("a refusal took %v in the median", m)
	}
}

// isWell waits until nobody is refused for a second in which a part is asked for of
// what can be done. On a machine that stands still for a moment some may be.
func (s *server) isWell(t *testing.T, event []byte, rate float64) {
	t.Helper()
	err := eventually(20*time.Second, func() error {
		for _, a := range s.byTheClock(t, event, rate, time.Second) {
			if a.status != http.StatusOK {
				return fmt.Errorf("answered with %d: %s", a.status, a.text)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func median(sorted []time.Duration) time.Duration { return sorted[len(sorted)/2] }

// byTheClock invokes gauge at a rate per second for a time, whether others have been
// answered or not.
func (s *server) byTheClock(t *testing.T, event []byte, rate float64, d time.Duration) []overloadAnswer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	path := "http://" + s.address + functionsPath + "/gauge/invocations"
	signed, err := http.NewRequestWithContext(ctx, http.MethodPost, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(event)
	creds := aws.Credentials{AccessKeyID: s.accessID, SecretAccessKey: s.secret}
	if err := v4.NewSigner().SignHTTP(ctx, creds, signed, hex.EncodeToString(sum[:]), "lambda", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 512, MaxConnsPerHost: 512}
	defer transport.CloseIdleConnections()
	answers := make([]overloadAnswer, int(rate*d.Seconds()))
	errs := make([]error, len(answers))
	began := time.Now()
	var calls sync.WaitGroup
	for i := range answers {
		due := began.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		time.Sleep(time.Until(due)) // the schedule
		calls.Go(func() {
			r := signed.Clone(ctx)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(event)), int64(len(event))
			answers[i], errs[i] = overloadCall(transport, r)
			answers[i].took = time.Since(due)
		})
	}
	calls.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	return answers
}

func overloadCall(transport http.RoundTripper, r *http.Request) (a overloadAnswer, err error) {
	res, err := transport.RoundTrip(r)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return a, err
	}
	a.status, a.text = res.StatusCode, string(text)
	switch a.status {
	case http.StatusOK:
		if res.Header.Get("X-Amz-Function-Error") != "" {
			return a, fmt.Errorf("the function failed: %s", text)
		}
		return a, json.Unmarshal(text, &a.ran)
	case http.StatusTooManyRequests:
		if res.Header.Get("Retry-After") == "" {
			return a, fmt.Errorf("429 without Retry-After: %v", res.Header)
		}
	}
	return a, nil
}
