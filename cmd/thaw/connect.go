package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/spf13/cobra"

	"thaw/internal/iam"
	"thaw/internal/vault"
)

// serverFile is DATA/server.json: how a client on this machine finds the server
// that uses the data directory. It is written when the server listens and
// removed when it ends in good order.
type serverFile struct {
	Address string `json:"address"` // host:port
	PID     int    `json:"pid"`
	Region  string `json:"region"`
	// Runtimes is the absolute directory of the managed runtimes.
	Runtimes string `json:"runtimes,omitempty"`
	// KeyFile is the absolute path of the file with the master key.
	KeyFile string `json:"key_file,omitempty"`
}

const serverFileName = "server.json"

// write replaces the file in one step, so that a reader sees all of it or none.
func (f serverFile) write(dataDir string) error {
	content, err := json.Marshal(f)
	if err != nil {
		return err
	}
	path := filepath.Join(dataDir, serverFileName)
	if err := os.WriteFile(path+".new", append(content, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func readServerFile(dataDir string) (serverFile, error) {
	var f serverFile
	content, err := os.ReadFile(filepath.Join(dataDir, serverFileName))
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(content, &f); err != nil {
		return f, fmt.Errorf("read %q: %w", filepath.Join(dataDir, serverFileName), err)
	}
	return f, nil
}

// running tells whether the process that wrote the file still lives. One of
// another user counts: the kernel refuses to signal it, but it is there.
func (f serverFile) running() bool {
	err := syscall.Kill(f.PID, 0)
	return f.PID > 0 && (err == nil || errors.Is(err, syscall.EPERM))
}

// defaultDataDir is where a server keeps everything unless told otherwise. It is
// the same for every user: a server runs as root, and a client has to find it.
func defaultDataDir() string {
	if dir := os.Getenv("THAW_DATA"); dir != "" {
		return dir
	}
	return "/var/lib/thaw"
}

// connection is the flags by which a verb finds its server.
type connection struct {
	data string
	json bool
}

func (c *connection) addFlags(cmd *cobra.Command) {
	c.addDataFlag(cmd)
	cmd.Flags().BoolVar(&c.json, "json", false, "answer in JSON")
}

func (c *connection) addDataFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.data, "data", "", "data `directory` of the server (default $THAW_DATA or /var/lib/thaw)")
}

// target is a server and the key to speak to it.
type target struct {
	Endpoint  string
	Region    string
	AccessKey string
	SecretKey string
	Session   string
	// Runtimes is the directory of the managed runtimes, if the server is on this
	// machine and says so.
	Runtimes string
	// Distant is set for a server of which nothing but its address is known.
	Distant bool
}

// dataDir is the directory that a client looks into: the one it is told, or
// that of the demo in the clone that this program was built in, or the default.
func (c *connection) dataDir() string {
	if c.data != "" {
		return c.data
	}
	if os.Getenv("THAW_DATA") == "" {
		if demo, ok := demoDataDir(demoDir(), defaultDataDir()); ok {
			return demo
		}
	}
	return defaultDataDir()
}

// demoDir is where "make demo" keeps its data: for a program at CLONE/bin/thaw in
// CLONE/build/demo.
func demoDir() string {
	program, err := os.Executable()
	if err != nil {
		return ""
	}
	return filepath.Join(filepath.Dir(filepath.Dir(program)), "build", "demo")
}

// demoDataDir chooses the demo's directory while its server runs. When it has
// ended, it is still the one that is meant, unless another server runs on the
// default directory.
func demoDataDir(demo, otherwise string) (string, bool) {
	if server, err := readServerFile(demo); err == nil && server.running() {
		return demo, true
	}
	if _, err := os.Stat(filepath.Join(demo, "store")); err != nil {
		return "", false
	}
	_, err := readServerFile(otherwise)
	return demo, errors.Is(err, fs.ErrNotExist)
}

// knownDataDirs are the directories in which a server of this machine may be
// found without being told.
func knownDataDirs() []string { return []string{defaultDataDir(), demoDir()} }

// target resolves the server: --data first, then $THAW_DATA, then the variables
// of the AWS tools if they name both an endpoint and a key, then the default
// data directory. It never falls back to the real service.
func (c *connection) target() (target, error) {
	if c.data == "" && os.Getenv("THAW_DATA") == "" {
		if t, ok := environmentTarget(); ok {
			return t.located()
		}
	}
	return directoryTarget(c.dataDir())
}

func environmentTarget() (target, bool) {
	endpoint := os.Getenv("AWS_ENDPOINT_URL_LAMBDA")
	if endpoint == "" {
		endpoint = os.Getenv("AWS_ENDPOINT_URL")
	}
	t := target{
		Endpoint:  endpoint,
		Region:    os.Getenv("AWS_REGION"),
		AccessKey: os.Getenv("AWS_ACCESS_KEY_ID"),
		SecretKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
		Session:   os.Getenv("AWS_SESSION_TOKEN"),
	}
	if t.Region == "" {
		t.Region = os.Getenv("AWS_DEFAULT_REGION")
	}
	if t.Region == "" {
		t.Region = "us-east-1"
	}
	return t, t.Endpoint != "" && t.AccessKey != "" && t.SecretKey != ""
}

// located adds what is known of a server that runs on this machine.
func (t target) located() (target, error) {
	address, err := endpointAddress(t.Endpoint)
	if err != nil {
		return target{}, err
	}
	server, ok := localServer(address, knownDataDirs())
	t.Runtimes, t.Distant = server.Runtimes, !ok
	return t, nil
}

func directoryTarget(dir string) (target, error) {
	server, err := readServerFile(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return target{}, &codedError{exitUnreachable, fmt.Errorf("no server runs with the data directory %s: start one with \"thaw serve --data %s\"", dir, dir)}
	case err != nil:
		return target{}, privateError(dir, err)
	case !server.running():
		return target{}, &codedError{exitUnreachable, fmt.Errorf("the server of %s has died (process %d): start it again with \"thaw serve --data %s\"", dir, server.PID, dir)}
	}
	box, err := vault.Read(server.keyFile(dir))
	if err != nil {
		return target{}, privateError(dir, err)
	}
	keys, err := iam.Read(dir, box)
	if err != nil {
		return target{}, privateError(dir, err)
	}
	key := keys.First()
	return target{
		Endpoint:  "http://" + server.Address,
		Region:    server.Region,
		AccessKey: key.ID,
		SecretKey: key.Secret,
		Runtimes:  server.Runtimes,
	}, nil
}

// privateError adds the advice to an error that comes of being another user.
func privateError(dir string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("the data directory %s can be read by the server's user only: try sudo", dir)
	}
	return err
}

// client makes the client of the Lambda API. It does not try again by itself: a
// second attempt would run a function twice, and hide what an operator wants to
// see.
func (t target) client() *lambda.Client { return t.clientOver(t.httpClient()) }

// uploader is a client that shows on a terminal how far a long request is.
func (t target) uploader(w io.Writer) *lambda.Client {
	return t.clientOver(withMeter(t.httpClient(), w))
}

func (t target) clientOver(client httpDoer) *lambda.Client {
	return lambda.New(lambda.Options{
		Region:       t.Region,
		BaseEndpoint: aws.String(t.Endpoint),
		Credentials:  t.credentials(),
		Retryer:      aws.NopRetryer{},
		HTTPClient:   client,
		AppID:        "thaw",
	})
}

func (t target) credentials() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(t.AccessKey, t.SecretKey, t.Session)
}

// httpClient waits as long as the longest function runs, and a minute more.
func (t target) httpClient() *http.Client {
	return &http.Client{Timeout: 16 * time.Minute, Transport: wholeBodies{http.DefaultTransport}}
}
