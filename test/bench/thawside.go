package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

const region = "us-east-1"

// thawSide runs the server as an operator would: signatures verified, sandboxes
// on, idle environments frozen.
type thawSide struct {
	server   *process
	binary   string
	data     string
	address  string
	keys     aws.Credentials
	client   *lambda.Client
	deployed map[string]bool
	rounds   int
}

func newThawSide(ctx context.Context, binary, work, runtimes string, flags ...string) (*thawSide, error) {
	s, err := startThaw(binary, work, runtimes, flags...)
	if err != nil {
		return nil, err
	}
	if err := s.server.listening(ctx, s.address); err != nil {
		s.close()
		return nil, err
	}
	if err := s.announced(ctx); err != nil {
		s.close()
		return nil, err
	}
	if s.keys, err = readKeys(ctx, binary, s.data); err != nil {
		s.close()
		return nil, err
	}
	s.client = lambda.New(lambda.Options{
		Region:       region,
		BaseEndpoint: aws.String("http://" + s.address),
		Credentials:  credentials.StaticCredentialsProvider{Value: s.keys},
	})
	return s, nil
}

// startThaw starts the server and does not wait until it listens.
func startThaw(binary, work, runtimes string, flags ...string) (*thawSide, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(work, "data")
	args := append([]string{"serve", "--listen", address, "--data", data, "--runtimes", runtimes, "--auth", "sigv4"}, flags...)
	cmd := exec.Command(binary, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	server, err := start(cmd, filepath.Join(work, "thaw.log"))
	if err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	return &thawSide{server: server, binary: binary, data: data, address: address, deployed: map[string]bool{}}, nil
}

// announced waits until a server that listens has told where it is, which it does next.
func (s *thawSide) announced(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		if _, err := os.Stat(filepath.Join(s.data, "server.json")); err == nil {
			return nil
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return fmt.Errorf("server does not tell where it is: %w", err)
		}
	}
}

// readKeys asks the program for the key that the server has made.
func readKeys(ctx context.Context, binary, data string) (aws.Credentials, error) {
	out, err := exec.CommandContext(ctx, binary, "env", "--json", "--data", data).Output()
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("thaw env: %w", err)
	}
	var vars struct {
		ID     string `json:"AWS_ACCESS_KEY_ID"`
		Secret string `json:"AWS_SECRET_ACCESS_KEY"`
	}
	if err := json.Unmarshal(out, &vars); err != nil {
		return aws.Credentials{}, fmt.Errorf("thaw env: %w", err)
	}
	return aws.Credentials{AccessKeyID: vars.ID, SecretAccessKey: vars.Secret}, nil
}

func (s *thawSide) close() { s.server.stop() }

func (s *thawSide) warm(ctx context.Context, f function, _ int) (target, error) {
	return s.cold(ctx, f)
}

// cold changes the function's configuration: environments of the older one are
// not used again.
func (s *thawSide) cold(ctx context.Context, f function) (target, error) {
	if err := s.deploy(ctx, f); err != nil {
		return target{}, err
	}
	s.rounds++
	_, err := s.client.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{
		FunctionName: aws.String(f.name()),
		Environment:  &types.Environment{Variables: map[string]string{"ROUND": strconv.Itoa(s.rounds)}},
	})
	if err != nil {
		return target{}, err
	}
	if err := s.ready(ctx, f); err != nil {
		return target{}, err
	}
	return s.target(ctx, f)
}

func (f function) name() string { return "bench-" + f.word }

func (s *thawSide) deploy(ctx context.Context, f function) error {
	if s.deployed[f.word] {
		return nil
	}
	code, err := f.zipped()
	if err != nil {
		return err
	}
	_, err = s.client.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: aws.String(f.name()),
		Runtime:      types.Runtime(f.runtime),
		Handler:      aws.String(f.handler),
		MemorySize:   aws.Int32(int32(f.memoryMB)),
		Timeout:      aws.Int32(30),
		Role:         aws.String("arn:aws:iam::000000000000:role/bench"),
		Code:         &types.FunctionCode{ZipFile: code},
	})
	if err != nil {
		return fmt.Errorf("deploy %s: %w", f.name(), err)
	}
	s.deployed[f.word] = true
	return s.ready(ctx, f)
}

// ready waits until the function's last change is in force.
func (s *thawSide) ready(ctx context.Context, f function) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		c, err := s.client.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: aws.String(f.name())})
		if err != nil {
			return err
		}
		if c.State == types.StateActive && c.LastUpdateStatus != types.LastUpdateStatusInProgress {
			return nil
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("%s is still %s: %w", f.name(), c.State, err)
		}
	}
}

// target is the function's address with a request signed now: a signature is
// good for five minutes, so that the same bytes can be sent over and over.
func (s *thawSide) target(ctx context.Context, f function) (target, error) {
	request, err := s.signed(ctx, http.MethodPost, "/2015-03-31/functions/"+f.name()+"/invocations", event)
	if err != nil {
		return target{}, err
	}
	return target{address: s.address, request: request, pid: s.server.cmd.Process.Pid}, nil
}

// signed is a whole request, head and body; fields are names and values of the header.
func (s *thawSide) signed(ctx context.Context, method, path, body string, fields ...string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+s.address+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(ctx, s.keys, r, hex.EncodeToString(sum[:]), "lambda", region, time.Now()); err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if err := r.Write(&buf); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// metrics is what the server shows to Prometheus.
func (s *thawSide) metrics(ctx context.Context) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+"/metrics", nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(answer.Body)
	return string(text), errors.Join(err, answer.Body.Close())
}

// forget removes what the server has stored.
func forget(work string) error { return os.RemoveAll(filepath.Join(work, "data")) }
