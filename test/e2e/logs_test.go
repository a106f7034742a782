package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"
)

// whole sends a request's body from memory: the SDK's own can make the transport
// give up a connection on which the answer comes at once (see cmd/thaw).
type whole struct{}

func (whole) RoundTrip(r *http.Request) (*http.Response, error) {
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(content))
	return http.DefaultTransport.RoundTrip(r)
}

// logs makes a client of the CloudWatch Logs API that puts nothing in front of
// the server's address.
func (s *server) logs() *cloudwatchlogs.Client {
	plain := middleware.InitializeMiddlewareFunc("noHostPrefix", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		return next.HandleInitialize(smithyhttp.DisableEndpointHostPrefix(ctx, true), in)
	})
	return cloudwatchlogs.New(cloudwatchlogs.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String("http://" + s.address),
		Credentials:  credentials.NewStaticCredentialsProvider(s.accessID, s.secret, ""),
		Retryer:      aws.NopRetryer{},
		HTTPClient:   &http.Client{Transport: whole{}},
		APIOptions:   []func(*middleware.Stack) error{func(stack *middleware.Stack) error { return stack.Initialize.Add(plain, middleware.Before) }},
	})
}

// wantLines waits until a function's log has as many lines that hold a word.
func (s *server) wantLines(t testing.TB, name, word string, n int) {
	t.Helper()
	err := eventually(settleLimit, func() error {
		log, err := s.log(t, name)
		if got := strings.Count(log, word); err != nil || got != n {
			return fmt.Errorf("%d of %q, want %d: %w\n%s", got, word, n, err, log)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func say(word string) map[string]any { return map[string]any{"value": 1, "print": word} }

func TestLogsByBoto3(t *testing.T) {
	s := start(t)
	program := client(t, "python")
	s.deploy(t, "talk", pythonEcho(t, python(t)))
	for i := range 3 {
		s.invoke(t, "talk", say(fmt.Sprintf("word number %d", i)))
	}
	s.wantLines(t, "talk", "REPORT ", 3)
	script, err := filepath.Abs("testdata/clients/logs.py")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	out := s.run(t, t.TempDir(), program, script, "/aws/lambda/talk", "word number")
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// INIT_START, then START, the word, END and REPORT of each.
	var want map[string]any
	err = json.Unmarshal([]byte(`{
		"groups": ["/aws/lambda/talk"], "streams": 1, "filtered": 13, "distinct": 13, "in order": true, "walked": 13,
		"word": ["word number 0\n", "word number 1\n", "word number 2\n"], "reports": 3,
		"no group": [400, "ResourceNotFoundException", "ResourceNotFoundException"],
		"no stream": [400, "ResourceNotFoundException", "ResourceNotFoundException"],
		"bad pattern": [400, "InvalidParameterException", "InvalidParameterException"]
	}`), &want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what boto3 saw (-want +got):\n%s", diff)
	}
}

// follower is a program that prints lines as they are logged.
type follower struct {
	lines  chan string
	errors strings.Builder
}

// follow starts a program that goes on until the test is over.
func (s *server) follow(t *testing.T, program string, args ...string) *follower {
	t.Helper()
	f := &follower{lines: make(chan string, 1000)}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env, cmd.Stderr = append(s.environ(t), "AWS_DISABLE_HOST_PREFIX_INJECTION=true", "PYTHONUNBUFFERED=1"), &f.errors
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			f.lines <- lines.Text()
		}
		close(f.lines)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("%s %s:\n%s", filepath.Base(program), strings.Join(args, " "), &f.errors)
		}
	})
	return f
}

// next waits for a line that holds a word and returns those up to it.
func (f *follower) next(t *testing.T, word string) (lines []string) {
	t.Helper()
	limit := time.After(settleLimit)
	for {
		select {
		case line, open := <-f.lines:
			if !open {
				t.Fatalf("it has ended before %q: %q", word, lines)
			}
			if lines = append(lines, line); strings.Contains(line, word) {
				return lines
			}
		case <-limit:
			t.Fatalf("there is no %q: %q", word, lines)
		}
	}
}

// TestLogsAreFollowed by every client that can: what is logged after it began to
// look is shown, once.
func TestLogsAreFollowed(t *testing.T) {
	s := start(t)
	s.deploy(t, "talk", goEcho(t))
	s.invoke(t, "talk", say("word-0"))
	s.wantLines(t, "talk", "REPORT ", 1)
	tail, err := filepath.Abs("testdata/clients/tail.py")
	if err != nil {
		t.Fatal(err)
	}
	const group = "/aws/lambda/talk"
	clients := map[string]func(t *testing.T) *follower{
		"the calls of aws logs tail": func(t *testing.T) *follower { return s.follow(t, client(t, "python"), tail, group) },
		"aws logs start-live-tail": func(t *testing.T) *follower {
			return s.follow(t, client(t, "aws"), "logs", "start-live-tail", "--log-group-identifiers",
				"arn:aws:logs:us-east-1:000000000000:log-group:"+group)
		},
		"thaw logs": func(t *testing.T) *follower { return s.follow(t, s.program, "logs", "talk", "-f", "--data", s.dir) },
	}
	clients["aws logs tail"] = func(t *testing.T) *follower {
		return s.follow(t, version2(t), "logs", "tail", group, "--follow", "--format", "short", "--endpoint-url", "http://"+s.address)
	}
	for name, begin := range clients {
		t.Run(name, func(t *testing.T) {
			f := begin(t)
			s.untilShown(t, f)
			for i := range 3 {
				s.invoke(t, "talk", say(fmt.Sprintf("word-%d of %s", i+1, name)))
			}
			lines := strings.Join(f.next(t, "word-3 of "+name), "\n")
			for i := range 3 {
				if word := fmt.Sprintf("word-%d of %s", i+1, name); strings.Count(lines, word) != 1 {
					t.Errorf("%q is shown %d times:\n%s", word, strings.Count(lines, word), lines)
				}
			}
		})
	}
}

// version2 is the AWS CLI that has "logs tail". It is in no registry of languages,
// and not in every distribution.
func version2(t *testing.T) string {
	t.Helper()
	program := os.Getenv("THAW_E2E_AWS2")
	if program == "" {
		program = "/usr/bin/aws"
	}
	out, err := exec.Command(program, "--version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "aws-cli/2") {
		t.Skipf("version 2 of the AWS CLI is not here: %s --version: %s %v", program, out, err)
	}
	return program
}

// untilShown prints lines until one is shown: some clients show only what comes
// after they are ready, and do not say when that is.
func (s *server) untilShown(t *testing.T, f *follower) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var printing sync.WaitGroup
	defer printing.Wait()
	defer cancel()
	printing.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			s.tryInvoke(ctx, "talk", say(fmt.Sprintf("ready-%d", i))) // it is asked again
			select {
			case <-ctx.Done():
			case <-time.After(300 * time.Millisecond):
			}
		}
	})
	f.next(t, "ready-")
}

// TestLiveTailByTheGoSDK has host prefixes disabled: the server has one address.
func TestLiveTailByTheGoSDK(t *testing.T) {
	s := start(t)
	s.deploy(t, "talk", goEcho(t))
	s.invoke(t, "talk", say("before"))
	s.wantLines(t, "talk", "REPORT ", 1)
	out, err := s.logs().StartLiveTail(t.Context(), &cloudwatchlogs.StartLiveTailInput{
		LogGroupIdentifiers:   []string{"arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/talk"},
		LogEventFilterPattern: aws.String("?word ?REPORT"),
	})
	if err != nil {
		t.Fatal(err)
	}
	stream := out.GetStream()
	defer stream.Close()
	if _, is := (<-stream.Events()).(*types.StartLiveTailResponseStreamMemberSessionStart); !is {
		t.Fatalf("it does not begin: %v", stream.Err())
	}
	s.invoke(t, "talk", say("a word"))
	var got []string
	limit := time.After(settleLimit)
	for len(got) < 2 {
		select {
		case e := <-stream.Events():
			update, is := e.(*types.StartLiveTailResponseStreamMemberSessionUpdate)
			if !is {
				t.Fatalf("event %v, error %v", e, stream.Err())
			}
			for _, line := range update.Value.SessionResults {
				got = append(got, *line.Message)
			}
		case <-limit:
			t.Fatalf("lines %q", got)
		}
	}
	if got[0] != "a word\n" || !strings.HasPrefix(got[1], "REPORT RequestId: ") || len(got) != 2 {
		t.Errorf("lines %q", got)
	}
}

// TestLogsSurvive an end in good order, and a kill.
func TestLogsSurvive(t *testing.T) {
	dir := t.TempDir()
	s := startIn(t, dir)
	s.deployKeeping(t, "talk", goEcho(t))
	s.invoke(t, "talk", say("one"))
	s.wantLines(t, "talk", "REPORT ", 1)
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	s = startIn(t, dir)
	s.invoke(t, "talk", say("two"))
	s.wantLines(t, "talk", "REPORT ", 2)
	s.kill()
	s = startIn(t, dir)
	s.invoke(t, "talk", say("three"))
	s.wantLines(t, "talk", "REPORT ", 3)
	log, err := s.log(t, "talk")
	if err != nil {
		t.Fatal(err)
	}
	at := []int{strings.Index(log, "one\n"), strings.Index(log, "two\n"), strings.Index(log, "three\n")}
	if at[0] < 0 || !slices.IsSorted(at) {
		t.Errorf("the log:\n%s", log)
	}
	s.remove(t, "talk")
}

// TestFollowLag: a line is shown a quarter of a second after it was printed, at
// most; half of them sooner than this machine's other work can spoil.
func TestFollowLag(t *testing.T) {
	s := start(t)
	s.deploy(t, "talk", goEcho(t))
	s.invoke(t, "talk", say("warm"))
	f := s.follow(t, s.program, "logs", "talk", "-f", "--json", "--data", s.dir)
	f.next(t, "warm")
	var lags []time.Duration
	for i := range 20 {
		word := fmt.Sprintf("line-%d", i)
		s.invoke(t, "talk", say(word))
		lines := f.next(t, word)
		shown := time.Now()
		var line struct{ Time time.Time }
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &line); err != nil {
			t.Fatal(err)
		}
		lags = append(lags, shown.Sub(line.Time))
	}
	slices.Sort(lags)
	t.Logf("lag from print to show: median %v, longest %v", lags[len(lags)/2], lags[len(lags)-1])
	if median := lags[len(lags)/2]; median > 250*time.Millisecond {
		t.Errorf("the median lag is %v", median)
	}
}
