package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"thaw/internal/lambda"
	"thaw/internal/vault"
)

// Config is everything that an operator can tell a server. It is checked once,
// before anything is started.
type Config struct {
	Listen   string
	Data     string
	Runtimes string
	KeyFile  string // empty means master.key in Data
	Auth     string // "sigv4" or "none"
	// AcceptOlderStore takes a store that is behind the copy of its records.
	AcceptOlderStore bool
	Scope            lambda.Scope

	AccountConcurrency int
	MaxEnvironments    int
	PausedSandboxes    int
	Admitting          admitting
	Keeping            keeping
	Tracing            tracing
	Networking         networking
	Logging            logging
	Measuring          measuring
	Sourcing           sourcing
	Delivering         delivering
	Retrying           retrying
	StopGrace          time.Duration
	Settle             time.Duration

	LogLevel  string
	LogFormat string // "text" or "json"
}

const (
	authSigV4 = "sigv4"
	authNone  = "none"

	defaultListen          = "127.0.0.1:4566"
	defaultPausedSandboxes = 4
	defaultStopGrace       = 30 * time.Second

	// maxPausedSandboxes bounds what is made at the start and kept: about 1 MB
	// of memory, a loop device and two processes each.
	maxPausedSandboxes = 256
	maxConcurrency     = 100_000
	maxSettle          = time.Minute
)

func newServeCommand() *cobra.Command {
	c := Config{Scope: lambda.DefaultScope}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server: the Lambda API, the sandboxes and everything that is kept, in
one process and one data directory. It needs root, because it makes namespaces
and control groups.

Requests must be signed with an access key of the data directory ("thaw env"
shows the first one); --auth none lets everybody in, and is refused unless the
server listens on loopback only. SIGTERM or Ctrl-C ends it in good order:
running invocations have --stop-grace to finish. SIGHUP makes it go on as the
program that is now in the place of its own: that is how it is upgraded.

The socket stays open meanwhile, so that clients wait and none is refused. A
socket that a service manager has opened (LISTEN_FDS) is taken instead of
--listen.`,
		Example: `  sudo thaw serve
  sudo thaw serve --data ./data --listen 127.0.0.1:4567
  sudo thaw serve --auth none --keep-alive 1m`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.check(); err != nil {
				return err
			}
			logger, err := c.logger(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if _, err := os.Stat(c.Runtimes); err != nil {
				logger.Warn("no managed runtimes: their directory cannot be read", "error", err)
			}
			next, err := serve(cmd.Context(), c, logger)
			if err != nil || next == nil {
				return err
			}
			return next.become()
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.Listen, "listen", defaultListen, "`address` to listen on")
	f.StringVar(&c.Data, "data", defaultDataDir(), "`directory` of everything that is kept")
	f.StringVar(&c.Runtimes, "runtimes", defaultRuntimesDir(), "`directory` of the managed runtimes")
	f.StringVar(&c.KeyFile, "key-file", "", "`file` with the master key, made if there is none (default master.key in the data directory)")
	f.BoolVar(&c.AcceptOlderStore, "accept-older-store", false, "start also when the store is older or emptier than it was seen to be")
	f.StringVar(&c.Auth, "auth", authSigV4, "who may call: sigv4 (signed requests) or none (everybody, on loopback only)")
	f.StringVar(&c.Scope.Region, "region", c.Scope.Region, "region that the server stands for")
	f.StringVar(&c.Scope.Account, "account", c.Scope.Account, "account that the server stands for, twelve digits")
	numberFlag(cmd, &c.AccountConcurrency, "account-concurrency", lambda.DefaultAccountConcurrency, 1, maxConcurrency, "invocations that may run at one time")
	numberFlag(cmd, &c.MaxEnvironments, "max-environments", defaultMaxEnvironments(), 1, maxConcurrency, "execution environments that may exist at one time, idle ones included")
	numberFlag(cmd, &c.PausedSandboxes, "paused-sandboxes", defaultPausedSandboxes, 0, maxPausedSandboxes, "sandboxes to keep ready for cold starts, at most 256")
	c.Admitting.flags(cmd)
	c.Keeping.flags(cmd)
	c.Tracing.flags(cmd)
	c.Networking.flags(cmd)
	c.Logging.flags(cmd)
	c.Measuring.flags(cmd)
	c.Sourcing.flags(cmd)
	c.Delivering.flags(cmd)
	c.Retrying.flags(cmd)
	durationFlag(cmd, &c.StopGrace, "stop-grace", defaultStopGrace, time.Millisecond, time.Hour, "how long running invocations may go on when the server is told to stop")
	durationFlag(cmd, &c.Settle, "settle", 0, 0, maxSettle, "how long a change of a function is shown as in progress at least; the service takes seconds")
	f.StringVar(&c.LogLevel, "log-level", "info", "what the server logs: debug, info, warn or error")
	f.StringVar(&c.LogFormat, "log-format", "text", "how the server logs: text or json")
	return cmd
}

var (
	twelveDigits = regexp.MustCompile(`^\d{12}$`)
	regionName   = regexp.MustCompile(`^[a-z]{2,8}(-[a-z]{2,12}){1,3}-\d{1,2}$`)
)

// check refuses what cannot work, or would not be safe.
func (c *Config) check() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return usageError("--listen %s: %v", c.Listen, err)
	}
	if c.Auth != authSigV4 && c.Auth != authNone {
		return usageError("--auth %s: it must be sigv4 or none", c.Auth)
	}
	if ip := net.ParseIP(host); c.Auth == authNone && host != "localhost" && !(ip != nil && ip.IsLoopback()) {
		return usageError("--auth none works on a loopback address only, and %s is not one", c.Listen)
	}
	if !twelveDigits.MatchString(c.Scope.Account) {
		return usageError("--account %s: an account has twelve digits", c.Scope.Account)
	}
	if !regionName.MatchString(c.Scope.Region) {
		return usageError("--region %s: it must look like a region, such as us-east-1", c.Scope.Region)
	}
	if _, err := c.Keeping.freezing(); err != nil {
		return err
	}
	if _, _, err := c.Tracing.destination(os.Getenv); err != nil {
		return err
	}
	if err := c.Networking.check(); err != nil {
		return err
	}
	if err := c.Sourcing.check(); err != nil {
		return err
	}
	if err := c.Measuring.check(); err != nil {
		return err
	}
	if err := c.Delivering.check(); err != nil {
		return err
	}
	if c.Data == "" || c.Runtimes == "" {
		return usageError("--data and --runtimes each name a directory, and one is empty")
	}
	if os.Geteuid() != 0 {
		return errors.New("thaw serve needs root, to make namespaces and control groups: start it with sudo")
	}
	if c.Data, err = filepath.Abs(c.Data); err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	if c.KeyFile == "" {
		c.KeyFile = filepath.Join(c.Data, vault.FileName)
	}
	if c.KeyFile, err = filepath.Abs(c.KeyFile); err != nil {
		return fmt.Errorf("--key-file: %w", err)
	}
	if c.Runtimes, err = filepath.Abs(c.Runtimes); err != nil {
		return fmt.Errorf("--runtimes: %w", err)
	}
	return nil
}

func (c *Config) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return nil, usageError("--log-level %s: it must be debug, info, warn or error", c.LogLevel)
	}
	opts := &slog.HandlerOptions{Level: level}
	switch c.LogFormat {
	case "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return nil, usageError("--log-format %s: it must be text or json", c.LogFormat)
}

// defaultRuntimesDir is beside the data, or, for a program at CLONE/bin/thaw,
// where "make runtimes" builds them.
func defaultRuntimesDir() string {
	if dir := os.Getenv("THAW_RUNTIMES"); dir != "" {
		return dir
	}
	if program, err := os.Executable(); err == nil {
		dir := filepath.Join(filepath.Dir(filepath.Dir(program)), "build", "runtimes")
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
	}
	return filepath.Join(defaultDataDir(), "runtimes")
}
