package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// developed is a function of the reload scenarios: one file of it is saved again
// and again.
type developed struct {
	function
	file   string
	source string // with the version that it answers
}

// reloadLimit bounds one reload, a compilation included.
const reloadLimit = time.Minute

var reloadMetrics = []string{"p50_us", "p95_us", "p99_us"}

// inDevelopment makes functions to be developed of those of the other scenarios.
func inDevelopment(work string, fs []function) []developed {
	sources := map[string][2]string{
		"python": {"handler.py", "def handler(event, context):\n    return {\"version\": %d}\n"},
		"node":   {"index.mjs", "export const handler = async () => ({ version: %d });\n"},
		"go": {"main.go", `package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(context.Context) (map[string]int, error) { return map[string]int{"version": %d}, nil })
}
`},
	}
	var all []developed
	for _, f := range fs {
		source, ok := sources[f.word]
		if !ok {
			continue
		}
		f.word = "dev-" + f.word
		f.dir = filepath.Join(work, f.word)
		all = append(all, developed{function: f, file: filepath.Join(f.dir, source[0]), source: source[1]})
	}
	return all
}

// compiled tells whether a program is made of the source.
func (d developed) compiled() bool { return d.lang == "" }

// save writes the source of a version.
func (d developed) save(version int) error {
	return os.WriteFile(d.file, fmt.Appendf(nil, d.source, version), 0o644)
}

// served calls until the answer is that of a version.
func served(ctx context.Context, t target, version int) error {
	c, err := dial(t.address)
	if err != nil {
		return err
	}
	defer c.close()
	for end := time.Now().Add(reloadLimit); time.Now().Before(end) && ctx.Err() == nil; {
		if _, err := c.call(t.request); err != nil {
			return err
		}
		var answer struct{ Version int }
		if err := json.Unmarshal(c.body, &answer); err != nil {
			return fmt.Errorf("answer %.100s: %w", c.body, err)
		}
		if answer.Version == version {
			return nil
		}
	}
	return fmt.Errorf("version %d is not served after %v", version, reloadLimit)
}

// measureReload compares, from the moment before a file is saved to the first
// answer of the new code, "thaw dev" and the limit program, which starts a new
// process right after the save. Of a compiled function both include compiling.
func measureReload(ctx context.Context, p plan, thaw *thawSide, limit *limitSide, d developed) ([2]*sample, error) {
	samples := [2]*sample{{}, {}}
	stop, err := thaw.develop(ctx, d)
	if err != nil {
		return samples, err
	}
	defer stop()
	for round := 1; round <= p.colds; round++ {
		t, err := thaw.target(ctx, d.function)
		if err != nil {
			return samples, err
		}
		if err := samples[0].reload(func() error { return served(ctx, t, round) }, d, round); err != nil {
			return samples, err
		}
	}
	for round := 1; round <= p.colds; round++ {
		t, err := limit.cold(ctx, d.function)
		if err != nil {
			return samples, err
		}
		again := func() error {
			// Python takes what it has compiled for current if the size and the second
			// of the source are the same. A real environment cannot keep such files.
			if err := os.RemoveAll(filepath.Join(d.dir, "__pycache__")); err != nil {
				return err
			}
			if d.compiled() {
				if err := d.compile(); err != nil {
					return err
				}
			}
			return served(ctx, t, round)
		}
		if err := samples[1].reload(again, d, round); err != nil {
			return samples, err
		}
	}
	return samples, nil
}

// reload adds one save to a sample.
func (s *sample) reload(serve func() error, d developed, version int) error {
	begin := time.Now()
	if err := d.save(version); err != nil {
		return err
	}
	if err := serve(); err != nil {
		return err
	}
	took := time.Since(begin)
	s.latencies, s.elapsed = append(s.latencies, took), s.elapsed+took
	return nil
}

// compile does what deploying does with Go sources.
func (d developed) compile() error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-tags=lambda.norpc", "-o", "bootstrap.new", ".")
	cmd.Dir = d.dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", d.word, err, text)
	}
	// The program of the version before may still run.
	return os.Rename(filepath.Join(d.dir, "bootstrap.new"), filepath.Join(d.dir, "bootstrap"))
}

// develop runs "thaw dev" on the function and waits until it is served.
func (s *thawSide) develop(ctx context.Context, d developed) (stop func(), err error) {
	if err := os.RemoveAll(d.dir); err != nil {
		return nil, err
	}
	if d.compiled() {
		// The template has the module's files; its own source is replaced.
		if out, err := exec.CommandContext(ctx, s.binary, "init", d.dir, "--template", "go-hello").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("thaw init: %w\n%s", err, out)
		}
	}
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return nil, err
	}
	if err := d.save(0); err != nil {
		return nil, err
	}
	args := []string{"dev", d.dir, "--name", d.name(), "--data", s.data, "--memory", fmt.Sprint(d.memoryMB), "--runtime", d.runtime, "--handler", d.handler}
	cmd := exec.Command(s.binary, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	dev, err := start(cmd, filepath.Join(filepath.Dir(d.dir), "dev.log"))
	if err != nil {
		return nil, err
	}
	if err := s.firstAnswer(ctx, d, dev); err != nil {
		dev.stop()
		return nil, err
	}
	return dev.stop, nil
}

// firstAnswer waits until the function that dev deploys is there and answers.
func (s *thawSide) firstAnswer(ctx context.Context, d developed, dev *process) error {
	for end := time.Now().Add(reloadLimit); ; {
		t, err := s.target(ctx, d.function)
		if err != nil {
			return err
		}
		err = served(ctx, t, 0)
		if err == nil || !strings.Contains(err.Error(), "404") && !strings.Contains(err.Error(), "409") {
			return err
		}
		select {
		case <-dev.done:
			return fmt.Errorf("thaw dev has ended: %w", dev.err)
		default:
		}
		if time.Now().After(end) {
			return fmt.Errorf("thaw dev: %s is not there after %v", d.name(), reloadLimit)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}
