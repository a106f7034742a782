package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

var randomSeed = flag.Uint64("seed", 0, "play the random history of this seed; 0 is another one at each run")

// randomMoves is how many invocations and changes a random history has; package
// test/sim has many more of them, without a kernel.
const randomMoves = 120

// randomEvents are what the function called bad is told, by how often.
var randomEvents = []struct {
	weight int
	event  map[string]any
}{
	{30, map[string]any{"do": "state"}},
	{6, map[string]any{"do": "exit", "code": 1}},
	{4, map[string]any{"do": "signal", "signal": 11}},
	{2, map[string]any{"do": "loop"}},
	{1, map[string]any{"do": "fork"}},
	{3, map[string]any{"do": "memory"}},
	{4, map[string]any{"do": "print", "megabytes": 1}},
	{3, map[string]any{"do": "background"}},
	{3, map[string]any{"do": "hangup"}},
	{2, map[string]any{"do": "sockets", "count": 20}},
	{2, map[string]any{"do": "large", "size": 7 << 20}},
}

func randomEvent(r *rand.Rand) map[string]any {
	sum := 0
	for _, e := range randomEvents {
		sum += e.weight
	}
	n := r.IntN(sum)
	for _, e := range randomEvents {
		if n -= e.weight; n < 0 {
			return e.event
		}
	}
	return nil
}

// TestRandomHistory plays a random history on real sandboxes: functions that
// crash, stall and flood, one of them beside an extension that does too, changes,
// and environments that age within seconds. Afterwards a healthy function has as
// many environments as the account may, and nothing is left but what a new server
// has; at the server's end, nothing at all.
func TestRandomHistory(t *testing.T) {
	seed := *randomSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("to see it again: -seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	const limit = 6
	var s *server
	t.Cleanup(func() { // when it has ended
		if s == nil {
			return
		}
		if err := s.linksAtMost(t, 0); err != nil {
			t.Errorf("after the server's end: %v", err)
		}
	})
	s = start(t, "--max-age", "4s", "--keep-alive", "3s", "--account-concurrency", fmt.Sprint(limit), "--max-environments", fmt.Sprint(limit+2),
		"--freeze", []string{"lazy", "always"}[r.IntN(2)], "--stop-grace", "10s")
	held := s.filled(t)
	links := len(s.interfaces(t))
	if links == 0 && !strings.Contains(s.stderr.String(), "the machine cannot connect them") {
		t.Error("the server has no network interfaces by the names that are looked for")
	}
	moody, err := os.ReadFile("testdata/extensions/moody.py")
	if err != nil {
		t.Fatal(err)
	}
	layer := s.layer(t, "moody", map[string]string{"extensions/moody": string(moody)})
	bad := spec{runtime: python(t), handler: "handler.handler", zip: source(t, "python/bad"), memory: 256, timeout: 2}
	s.deployKeeping(t, "bad", bad)
	bad.layers, bad.env = []string{layer}, map[string]string{"SEED": fmt.Sprint(seed)}
	s.deployKeeping(t, "beside", bad)
	s.deployKeeping(t, "good", goEcho(t))
	var calls sync.WaitGroup
	for i := range randomMoves {
		switch n := r.IntN(40); {
		case n == 0:
			name := []string{"bad", "beside"}[r.IntN(2)]
			_, err := s.client.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
				FunctionName: &name, MemorySize: aws.Int32(int32(256 + r.IntN(64))),
			})
			if err != nil && !strings.Contains(err.Error(), "ResourceConflict") { // the update before is not over
				t.Error(err)
			}
		case n < 14:
			calls.Go(func() { s.randomGood(t, i) })
		default:
			name, event := []string{"bad", "beside"}[r.IntN(2)], randomEvent(r)
			calls.Go(func() { s.randomBad(t, name, event) })
		}
		time.Sleep(time.Duration(r.IntN(200)) * time.Millisecond)
	}
	calls.Wait()
	s.checkAllPermits(t, limit)
	s.wantLogged(t, "beside", `moody`) // or there was no extension
	for _, name := range []string{"bad", "beside", "good"} {
		s.remove(t, name)
	}
	s.noMoreThan(t, held)
	if err := s.linksAtMost(t, links); err != nil {
		t.Error(err)
	}
}

// linksAtMost waits until the server has no more network interfaces than that.
func (s *server) linksAtMost(t *testing.T, n int) error {
	t.Helper()
	return eventually(settleLimit, func() error {
		if names := s.interfaces(t); len(names) > n {
			return fmt.Errorf("%d network interfaces, want at most %d: %v", len(names), n, names)
		}
		return nil
	})
}

// randomGood invokes the healthy function: it is refused, or answers its event.
func (s *server) randomGood(t *testing.T, i int) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a, err := s.tryInvoke(ctx, "good", map[string]any{"value": i})
	if err == nil {
		_, err = a.echo(i)
	}
	if err != nil && !strings.Contains(err.Error(), "TooManyRequestsException") {
		t.Errorf("the healthy function: %v", err)
	}
}

// randomBad invokes one that is not: some answer there is.
func (s *server) randomBad(t *testing.T, name string, event map[string]any) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := s.tryInvoke(ctx, name, event); err != nil && !strings.Contains(err.Error(), "TooManyRequestsException") {
		t.Errorf("%s told to %v: %v", name, event, err)
	}
}

// checkAllPermits runs as many invocations as the account may at one time.
func (s *server) checkAllPermits(t *testing.T, limit int) {
	t.Helper()
	err := eventually(settleLimit, func() error {
		var all sync.WaitGroup
		errs := make([]error, limit)
		for i := range errs {
			all.Go(func() {
				_, errs[i] = s.client.Invoke(t.Context(), &lambda.InvokeInput{
					FunctionName: aws.String("good"), Payload: []byte(`{"sleepMS":700}`), InvocationType: types.InvocationTypeRequestResponse,
				})
			})
		}
		all.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Errorf("with nobody else there, %d invocations at one time: %v", limit, err)
	}
}

// interfaces lists the host's ends of a server's sandboxes. Their names begin with
// a sum of the directory, which other servers' do not.
func (s *server) interfaces(t *testing.T) (names []string) {
	t.Helper()
	sum := fnv.New32a()
	fmt.Fprint(sum, filepath.Join(s.dir, "sandbox"))
	prefix := fmt.Sprintf("thaw%05s-", strconv.FormatUint(uint64(sum.Sum32())%(36*36*36*36*36), 36))
	list, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		if strings.HasPrefix(i.Name, prefix) {
			names = append(names, i.Name)
		}
	}
	return names
}
