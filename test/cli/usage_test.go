package cli_test

import (
	"encoding/base64"
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// used is what "thaw usage --json" says of one function, all days together.
type used struct {
	Invocations, Errors uint64
	BilledMS            uint64  `json:"billed_ms"`
	InitMS              uint64  `json:"init_ms"`
	GBSeconds           float64 `json:"gb_seconds"`
	InitGBSeconds       float64 `json:"init_gb_seconds"`
}

func (s *server) usage(t *testing.T, function string) (sum used) {
	t.Helper()
	out, _ := s.thaw(t, "usage", function, "--days", "2", "--json") // midnight may pass
	var page struct{ Days []struct{ Functions []used } }
	if err := json.Unmarshal([]byte(out), &page); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, day := range page.Days {
		for _, f := range day.Functions {
			sum.Invocations += f.Invocations
			sum.Errors += f.Errors
			sum.BilledMS += f.BilledMS
			sum.InitMS += f.InitMS
			sum.GBSeconds += f.GBSeconds
			sum.InitGBSeconds += f.InitGBSeconds
		}
	}
	return sum
}

// TestUsage: the sums are those of the REPORT lines, outlast the function and a
// stop of the server, and all but the last seconds outlast its being killed.
func TestUsage(t *testing.T) {
	needRuntime(t, "python")
	s := startServer(t)
	dir := filepath.Join(t.TempDir(), "work")
	save(t, filepath.Join(dir, "handler.py"), "def handler(event, context):\n    return 1 // event\n")
	s.thaw(t, "deploy", dir, "--memory", "256")
	client, name := s.client(t), "work"
	var billed uint64
	for i := range 5 {
		out, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name, Payload: []byte(strconv.Itoa(4 - i)), LogType: types.LogTypeTail})
		if err != nil {
			t.Fatal(err)
		}
		billed += billedMS(t, out)
	}
	check := func(when string) {
		t.Helper()
		got := s.usage(t, name)
		if got.Invocations != 5 || got.Errors != 1 || got.BilledMS != billed || got.InitMS == 0 || got.InitMS > billed {
			t.Errorf("%s: %+v, want 5 invocations with an error and %d ms billed", when, got, billed)
		}
		if want := float64(billed) * 256 / 1024 / 1000; got.GBSeconds < want*0.999 || got.GBSeconds > want*1.001 || got.InitGBSeconds <= 0 {
			t.Errorf("%s: %v GB-seconds, want %v", when, got, want)
		}
	}
	check("at once")
	s.stop(t)
	s.start(t)
	check("after a stop")
	s.thaw(t, "rm", name)
	check("after its deletion")
	if table, _ := s.thaw(t, "usage"); !strings.Contains(table, " work ") || !strings.Contains(table, "total ") {
		t.Errorf("table:\n%s", table)
	}
	s.cmd.Process.Kill()
	<-s.ended
	s.start(t)
	check("after a kill") // it was asked for before, and so written
}

// billedMS reads the REPORT line of an answer's log.
func billedMS(t *testing.T, out *lambda.InvokeOutput) uint64 {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	if err != nil {
		t.Fatal(err)
	}
	log := string(text)
	_, rest, _ := strings.Cut(log, "Billed Duration: ")
	number, _, _ := strings.Cut(rest, " ms")
	ms, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		t.Fatalf("no billed duration in %s", log)
	}
	return ms
}

// TestUsageOutlivesKill: what was counted is on the disk within seconds, whoever
// asks or not.
func TestUsageOutlivesKill(t *testing.T) {
	needRuntime(t, "python")
	s := startServer(t)
	dir := filepath.Join(t.TempDir(), "work")
	save(t, filepath.Join(dir, "handler.py"), "def handler(event, context):\n    return event\n")
	s.thaw(t, "deploy", dir)
	s.thaw(t, "invoke", "work")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		written, err := filepath.Glob(filepath.Join(s.data, "usage", "*.json"))
		if err == nil && len(written) > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing is written after 30 s")
		}
	}
	s.cmd.Process.Kill()
	<-s.ended
	s.start(t)
	if got := s.usage(t, "work"); got.Invocations != 1 {
		t.Errorf("after a kill: %+v", got)
	}
}
