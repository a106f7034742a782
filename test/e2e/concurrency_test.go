package e2e_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// gauged is what the function gauge answers.
type gauged struct {
	InitType string
	Version  string
	Count    int
	Began    int64
	Ended    int64
}

func gauge(t testing.TB) spec {
	return spec{runtime: "provided.al2023", handler: "bootstrap", zip: bootstrap(t, "gauge"), timeout: 20}
}

// gauge invokes the function by a qualifier.
func (s *server) gauge(t testing.TB, name, qualifier string, event map[string]any) (gauged, error) {
	t.Helper()
	var got gauged
	payload, err := json.Marshal(event)
	if err != nil {
		return got, err
	}
	in := &lambda.InvokeInput{FunctionName: &name, Payload: payload}
	if qualifier != "" {
		in.Qualifier = &qualifier
	}
	out, err := s.client.Invoke(t.Context(), in)
	if err != nil {
		return got, err
	}
	if out.FunctionError != nil {
		return got, errors.New(string(out.Payload))
	}
	return got, json.Unmarshal(out.Payload, &got)
}

// most is how many of the invocations ran at one time.
func most(ran []gauged) (most int) {
	type step struct {
		at int64
		n  int
	}
	var steps []step
	for _, g := range ran {
		steps = append(steps, step{g.Began, 1}, step{g.Ended, -1})
	}
	slices.SortFunc(steps, func(a, b step) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.n, b.n)) })
	now := 0
	for _, st := range steps {
		now += st.n
		most = max(most, now)
	}
	return most
}

// TestFiveHundred runs as many invocations at one time as the account may, for a
// second each: all are answered. Then a part of that is reserved, and what comes
// beside it is refused.
func TestFiveHundred(t *testing.T) {
	const limit, reserved = 500, 40
	s := start(t, "--account-concurrency", fmt.Sprint(limit), "--max-environments", fmt.Sprint(limit)) // a small machine has room for fewer
	s.deployKeeping(t, "gauge", gauge(t))
	began := time.Now()
	ran, refused := s.volley(t, limit, "")
	if n := most(ran); n > limit || len(ran) != limit {
		t.Errorf("%d answered, %d at one time, %v; want all of %d", len(ran), n, refused, limit)
	}
	t.Logf("%d invocations of a second, %d at one time, in %v", len(ran), most(ran), time.Since(began))
	s.reserve(t, "gauge", reserved)
	ran, refused = s.volley(t, 3*reserved, "")
	if n := most(ran); n > reserved || len(ran) < reserved || len(ran)+refused["ReservedFunctionConcurrentInvocationLimitExceeded"] != 3*reserved {
		t.Errorf("%d answered, %d at one time, %v; want %d", len(ran), n, refused, reserved)
	}
}

// volley runs invocations of a second at one time, and counts those that are
// refused by reason.
func (s *server) volley(t *testing.T, n int, qualifier string) (ran []gauged, refused map[string]int) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	refused = map[string]int{}
	for range n {
		all.Go(func() {
			g, err := s.gauge(t, "gauge", qualifier, map[string]any{"sleepMS": 1000})
			mu.Lock()
			defer mu.Unlock()
			throttled := new(types.TooManyRequestsException)
			switch {
			case errors.As(err, &throttled):
				refused[string(throttled.Reason)]++
			case err != nil:
				t.Error(err)
			default:
				ran = append(ran, g)
			}
		})
	}
	all.Wait()
	return ran, refused
}

func (s *server) reserve(t *testing.T, name string, n int32) {
	t.Helper()
	if _, err := s.client.PutFunctionConcurrency(t.Context(), &lambda.PutFunctionConcurrencyInput{
		FunctionName: &name, ReservedConcurrentExecutions: &n,
	}); err != nil {
		t.Fatal(err)
	}
}

// TestThrottle looks at refusals byte by byte, and as boto3 does.
func TestThrottle(t *testing.T) {
	s := shared(t)
	s.deploy(t, "throttled", gauge(t))
	const body = `{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}`
	refused := func(retryAfter string) {
		t.Helper()
		r := s.send(t, "POST", "/2015-03-31/functions/throttled/invocations", []byte("{}"), time.Now())
		if r.status != 429 || strings.TrimSpace(r.body) != body || r.header.Get("X-Amzn-ErrorType") != "TooManyRequestsException" || r.header.Get("Retry-After") != retryAfter {
			t.Errorf("%d %q %s", r.status, r.header, r.body)
		}
	}
	s.reserve(t, "throttled", 0)
	refused("")
	s.reserve(t, "throttled", 1)
	for range 8 { // one after the other is not more than one
		if _, err := s.gauge(t, "throttled", "", map[string]any{}); err != nil {
			t.Fatal(err)
		}
	}
	busy := make(chan error, 1)
	go func() {
		_, err := s.gauge(t, "throttled", "", map[string]any{"sleepMS": 4000})
		busy <- err
	}()
	time.Sleep(1200 * time.Millisecond) // it runs; and a second has filled what may be begun in one
	refused("1")
	script := `
import boto3, botocore, json, sys
c = boto3.client("lambda", config=botocore.config.Config(retries={"total_max_attempts": 1}))
try:
    c.invoke(FunctionName="throttled")
except c.exceptions.TooManyRequestsException as e:
    r = e.response
    print(json.dumps([r["Error"]["Code"], r["Error"]["Message"], r["Reason"], r["Type"], r["ResponseMetadata"]["HTTPHeaders"]["retry-after"]]))
`
	out := string(s.run(t, t.TempDir(), client(t, "python"), "-c", script))
	if want := `["TooManyRequestsException", "Rate Exceeded.", "ReservedFunctionConcurrentInvocationLimitExceeded", "User", "1"]`; strings.TrimSpace(out) != want {
		t.Errorf("boto3 saw %s, want %s", out, want)
	}
	if err := <-busy; err != nil {
		t.Error(err)
	}
	began, begun := time.Now(), 0
	var err error
	for ; err == nil && begun < 12; begun++ {
		_, err = s.gauge(t, "throttled", "", map[string]any{})
	}
	throttled := new(types.TooManyRequestsException)
	if errors.As(err, &throttled) && throttled.Reason == types.ThrottleReasonReservedFunctionInvocationRateLimitExceeded {
		return
	}
	if took := time.Since(began); err != nil || took < 200*time.Millisecond {
		t.Errorf("%d invocations begun within %v, where ten a second may be: %v", begun, took, err)
	}
}

// TestProvisionedConcurrency: environments are ready ahead, for the callers of an
// alias, follow it to another version, spill over, are replaced, and are there
// again after a restart.
func TestProvisionedConcurrency(t *testing.T) {
	dir := t.TempDir()
	s := startIn(t, dir)
	s.deployKeeping(t, "gauge", gauge(t))
	one := s.publish(t, "gauge")
	if _, err := s.client.CreateAlias(t.Context(), &lambda.CreateAliasInput{FunctionName: aws.String("gauge"), Name: aws.String("live"), FunctionVersion: &one}); err != nil {
		t.Fatal(err)
	}
	c := &cli{t: t, server: s, program: client(t, "aws"), dir: t.TempDir(), name: "gauge"}
	const figures = "[RequestedProvisionedConcurrentExecutions,AllocatedProvisionedConcurrentExecutions,AvailableProvisionedConcurrentExecutions,Status]"
	c.want("put", c.aws("put-provisioned-concurrency-config", "--qualifier", "live", "--provisioned-concurrent-executions", "2", "--query", figures), "2\t0\t0\tIN_PROGRESS")
	s.provisioned(t, "live", 2)
	c.want("get", c.aws("get-provisioned-concurrency-config", "--qualifier", "live", "--query", figures), "2\t2\t2\tREADY")
	c.want("list", c.aws("list-provisioned-concurrency-configs", "--query", "ProvisionedConcurrencyConfigs[].Status"), "READY")

	a := s.invoke(t, "gauge:live", map[string]any{})
	var first gauged
	a.decode(t, &first)
	if first.InitType != "provisioned-concurrency" || first.Count != 1 || first.Version != one || strings.Contains(a.Log, "Init Duration") {
		t.Errorf("%+v\n%s", first, a.Log)
	}
	ran, _ := s.volley(t, 3, "live")
	if n := count(ran, "provisioned-concurrency"); n != 2 || len(ran) != 3 {
		t.Errorf("%d of %d in provisioned environments, want 2 of 3", n, len(ran))
	}
	if _, err := s.gauge(t, "gauge", "live", map[string]any{"exit": true}); err == nil {
		t.Error("an environment was to die")
	}
	if g, err := s.gauge(t, "gauge", "", map[string]any{}); err != nil || g.InitType != "on-demand" {
		t.Errorf("$LATEST: %+v, %v", g, err)
	}
	s.provisioned(t, "live", 2)

	two := s.configured(t, map[string]string{"FAIL_INIT": "1"})
	_, err := s.client.PutProvisionedConcurrencyConfig(t.Context(), &lambda.PutProvisionedConcurrencyConfigInput{
		FunctionName: aws.String("gauge"), Qualifier: &two, ProvisionedConcurrentExecutions: aws.Int32(1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := eventually(settleLimit, func() error {
		out, err := s.provisioning(t, two)
		if err == nil && (out.Status != types.ProvisionedConcurrencyStatusEnumFailed || aws.ToString(out.StatusReason) != "FUNCTION_ERROR_INIT_FAILURE") {
			err = fmt.Errorf("%s %s", out.Status, aws.ToString(out.StatusReason))
		}
		return err
	}); err != nil {
		t.Error(err)
	}

	three := s.configured(t, map[string]string{"GREETING": "hello"})
	if _, err := s.client.UpdateAlias(t.Context(), &lambda.UpdateAliasInput{FunctionName: aws.String("gauge"), Name: aws.String("live"), FunctionVersion: &three}); err != nil {
		t.Fatal(err)
	}
	s.provisioned(t, "live", 2)
	ahead := func(what string) {
		t.Helper()
		if g, err := s.gauge(t, "gauge", "live", map[string]any{}); err != nil || g.InitType != "provisioned-concurrency" || g.Version != three {
			t.Errorf("%s: %+v, %v", what, g, err)
		}
	}
	ahead("after the alias has moved")
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	s = startIn(t, dir)
	s.provisioned(t, "live", 2)
	ahead("after a restart")
}

func count(ran []gauged, initType string) (n int) {
	for _, g := range ran {
		if g.InitType == initType {
			n++
		}
	}
	return n
}

func (s *server) provisioning(t *testing.T, qualifier string) (*lambda.GetProvisionedConcurrencyConfigOutput, error) {
	return s.client.GetProvisionedConcurrencyConfig(t.Context(), &lambda.GetProvisionedConcurrencyConfigInput{FunctionName: aws.String("gauge"), Qualifier: &qualifier})
}

// provisioned waits until all of a qualifier's environments are ready.
func (s *server) provisioned(t *testing.T, qualifier string, n int32) {
	t.Helper()
	err := eventually(settleLimit, func() error {
		out, err := s.provisioning(t, qualifier)
		if err == nil && (out.Status != types.ProvisionedConcurrencyStatusEnumReady || *out.AvailableProvisionedConcurrentExecutions != n) {
			err = fmt.Errorf("%s, %d of %d", out.Status, *out.AvailableProvisionedConcurrentExecutions, n)
		}
		return err
	})
	if err != nil {
		t.Fatalf("provision %s: %v", qualifier, err)
	}
}

func (s *server) publish(t *testing.T, name string) string {
	t.Helper()
	out, err := s.client.PublishVersion(t.Context(), &lambda.PublishVersionInput{FunctionName: &name})
	if err != nil {
		t.Fatal(err)
	}
	if err := eventually(settleLimit, func() error {
		c, err := s.client.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: &name, Qualifier: out.Version})
		if err == nil && c.State != types.StateActive {
			err = fmt.Errorf("version %s is %s", *out.Version, c.State)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return *out.Version
}

// configured publishes a version with other variables.
func (s *server) configured(t *testing.T, variables map[string]string) string {
	t.Helper()
	if _, err := s.client.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
		FunctionName: aws.String("gauge"), Environment: &types.Environment{Variables: variables},
	}); err != nil {
		t.Fatal(err)
	}
	s.waitUpdated(t, "gauge")
	return s.publish(t, "gauge")
}
