package e2e_test

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// limited deploys the function of testdata that goes to its limits.
func (s *server) limited(t *testing.T, name string, memory, tmp int32) {
	t.Helper()
	s.deploy(t, name, spec{
		runtime: python(t), handler: "handler.handler", zip: source(t, "python/limits"), memory: memory, tmp: tmp, timeout: 120,
	})
}

// memoryUsed is REPORT's Max Memory Used, in MB.
func (a answer) memoryUsed(t *testing.T) int {
	t.Helper()
	m := regexp.MustCompile(`\tMax Memory Used: (\d+) MB\t`).FindStringSubmatch(a.Log)
	if m == nil {
		t.Fatalf("no Max Memory Used in\n%s", a.Log)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestMemoryIsNotDisk fills /tmp, four times the function's memory, leaves it so
// or clears it: the function lives, and its memory is told without the files.
func TestMemoryIsNotDisk(t *testing.T) {
	s := shared(t)
	s.limited(t, "disk", 128, 512)
	idle := s.invoke(t, "disk", map[string]any{"do": "size"}).memoryUsed(t)
	for _, remove := range []bool{true, false} {
		var full struct {
			Written int64
			Error   string
		}
		a := s.invoke(t, "disk", map[string]any{"do": "fill", "remove": remove})
		a.decode(t, &full)
		if mb := full.Written >> 20; full.Error != "ENOSPC" || mb < 500 || mb > 550 {
			t.Errorf("wrote %d MiB, then %s; want 512, little more, and ENOSPC", mb, full.Error)
		}
		if used := a.memoryUsed(t); used > idle+40 {
			t.Errorf("Max Memory Used is %d MB with /tmp full (removed: %v), and was %d MB before", used, remove, idle)
		}
	}
	a := s.invoke(t, "disk", map[string]any{"do": "use", "megabytes": 60})
	a.decode(t, new(int))
	if used := a.memoryUsed(t); used < 60+idle/2 || used > 128 {
		t.Errorf("Max Memory Used is %d MB after 60 MB were used while /tmp is full, and was %d MB before", used, idle)
	}
}

// TestTmpSizes gives functions the largest and the smallest /tmp, and refuses
// more and less.
func TestTmpSizes(t *testing.T) {
	s := start(t) // which keeps disks of the sizes that were asked for
	for _, mb := range []int64{512, 1024, 10240} {
		name := fmt.Sprint("tmp", mb)
		s.limited(t, name, 128, int32(mb))
		var got struct{ Size, Free int64 }
		s.invoke(t, name, map[string]any{"do": "size"}).decode(t, &got)
		if got.Free>>20 < mb || got.Size>>20 > mb+mb/8+64 {
			t.Errorf("/tmp of %d MB has %d MiB, %d free", mb, got.Size>>20, got.Free>>20)
		}
	}
	for _, mb := range []int32{511, 10241} {
		in := spec{runtime: python(t), handler: "handler.handler", zip: source(t, "python/limits")}.input("none")
		in.EphemeralStorage = &types.EphemeralStorage{Size: aws.Int32(mb)}
		_, err := s.client.CreateFunction(t.Context(), in)
		wantError(t, err, 400, "ValidationException", "")
	}
}

// TestCPUShare lets functions compute for a second: the share goes with the
// memory. How much a whole core is depends on what else the machine does.
func TestCPUShare(t *testing.T) {
	s := shared(t)
	share := func(memory int32) float64 {
		name := fmt.Sprint("cpu", memory)
		s.limited(t, name, memory, 512)
		s.invoke(t, name, map[string]any{"do": "size"}) // the burst of its init is over then
		var got float64
		s.invoke(t, name, map[string]any{"do": "spin"}).decode(t, &got)
		return got
	}
	small, large := share(128), share(1769)
	if small > 0.13 {
		t.Errorf("128 MB have %.3f of a core, want 0.072", small)
	}
	if large < 3*small || large > 1.1 {
		t.Errorf("1769 MB have %.3f of a core, want a whole one; 128 MB have %.3f", large, small)
	}
}

// TestTasks starts processes and threads until the environment has no more.
func TestTasks(t *testing.T) {
	s := shared(t)
	s.limited(t, "tasks", 1024, 512)
	for range 2 {
		var got struct {
			Tasks int
			Error string
		}
		s.invoke(t, "tasks", map[string]any{"do": "tasks", "processes": 20}).decode(t, &got)
		if got.Tasks < 1000 || got.Tasks > 1024 || got.Error == "" {
			t.Errorf("%d processes and threads, then %q; want 1024", got.Tasks, got.Error)
		}
	}
}

// TestPayloadLimits sends the largest event and one byte more.
func TestPayloadLimits(t *testing.T) {
	s := shared(t)
	s.deploy(t, "payload", goEcho(t))
	const limit = 6 << 20
	event := func(size int) []byte {
		b := make([]byte, size)
		for i := range b {
			b[i] = ' '
		}
		copy(b, `{"value":1`)
		b[size-1] = '}'
		return b
	}
	out, err := s.client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("payload"), Payload: event(limit)})
	if err != nil || out.FunctionError != nil {
		t.Errorf("an event of %d bytes: %v, %s", limit, err, aws.ToString(out.FunctionError))
	}
	_, err = s.client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("payload"), Payload: event(limit + 1)})
	wantError(t, err, 413, "RequestEntityTooLargeException", "")
}
