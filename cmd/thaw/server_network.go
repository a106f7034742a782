package main

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"thaw/internal/api/inside"
	"thaw/internal/dns"
	"thaw/internal/environment"
	"thaw/internal/iam"
	"thaw/internal/runtimes"
	"thaw/internal/sandbox"
	"thaw/internal/sandbox/native"
)

// insideAddress is where functions find the server's API, each in its own network.
const insideAddress = "169.254.100.1:9002"

// insideServices are the services that this server answers for: those whose
// address functions are told, by the names that the SDKs have for them. Requests
// to others go where the function's configuration, or Amazon's defaults, say.
var insideServices = []string{"LAMBDA", "CLOUDWATCH", "CLOUDWATCH_LOGS", "SQS", "STS", "IAM"}

// The modes of --network.
const (
	networkAuto = "auto"
	networkNAT  = "nat"
	networkNone = "none"
)

// networking is what functions reach, and what they may do there.
type networking struct {
	Mode   string   // "auto", "nat" or "none"
	Subnet string   // empty: one that is free
	Allow  []string // patterns of actions
}

func (n *networking) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&n.Mode, "network", networkAuto,
		"what functions reach beyond this server: nat (what the machine does, under its address), none, or auto (nat where the machine can)")
	cmd.Flags().StringVar(&n.Subnet, "network-subnet", "", "`network` of the addresses of functions' interfaces, two for each, such as 10.20.0.0/16 (default a free one)")
	cmd.Flags().StringSliceVar(&n.Allow, "function-allow", nil,
		"`actions` of the API that functions may take by their own credentials, such as lambda:InvokeFunction or 'lambda:List*' (default none)")
}

// Bounds of --network-subnet: from one pair to as many as there are names for.
const (
	leastSubnetBits = 8
	mostSubnetBits  = 31
)

func (n *networking) check() error {
	if n.Mode != networkAuto && n.Mode != networkNAT && n.Mode != networkNone {
		return usageError("--network %s: it must be auto, nat or none", n.Mode)
	}
	if n.Subnet != "" {
		p, err := n.subnet()
		if err != nil || !p.Addr().Is4() || p.Bits() < leastSubnetBits || p.Bits() > mostSubnetBits {
			return usageError("--network-subnet %s: it must be an IPv4 network of %d to %d bits, such as 10.20.0.0/16", n.Subnet, leastSubnetBits, mostSubnetBits)
		}
		if a := p.Addr(); !a.IsGlobalUnicast() {
			return usageError("--network-subnet %s: no such network can be had: its addresses are set apart", n.Subnet)
		}
	}
	if _, err := iam.NewAccess(iam.AccessOptions{Allowed: n.Allow}); err != nil {
		return usageError("--function-allow %v", err)
	}
	return nil
}

func (n *networking) subnet() (netip.Prefix, error) {
	if n.Subnet == "" {
		return netip.Prefix{}, nil
	}
	return netip.ParsePrefix(n.Subnet)
}

// openDriver opens the driver of sandboxes, with a network where that is wanted
// and can be.
func (s *server) openDriver(ctx context.Context) error {
	n := &s.config.Networking
	if n.Mode == networkNone {
		return s.tryDriver(ctx, nil)
	}
	subnet, err := n.subnet()
	if err != nil {
		return err
	}
	err = s.tryDriver(ctx, &native.Network{Subnet: subnet, Resolver: dns.New(dns.Options{Logger: s.logger})})
	if n.Mode == networkNAT || !errors.Is(err, native.ErrNetwork) {
		return err
	}
	s.logger.Warn("functions reach nothing beyond this server: the machine cannot connect them, see thaw doctor", "error", err)
	return s.tryDriver(ctx, nil)
}

// tryDriver opens the driver, clears what a server that died has left, and makes
// one sandbox.
func (s *server) tryDriver(ctx context.Context, network *native.Network) (err error) {
	binary, err := initBinary()
	if err != nil {
		return err
	}
	s.driver, err = native.New(ctx, native.Options{
		StateDir: filepath.Join(s.config.Data, "sandbox"),
		Init:     binary,
		PoolSize: s.config.PausedSandboxes,
		Network:  network,
		Ahead:    []string{environment.RuntimeAPIAddress, insideAddress},
		Logger:   s.logger,
	})
	if err != nil {
		return err
	}
	left, err := s.driver.Recover(ctx)
	if err == nil {
		err = s.trySandbox(ctx)
	}
	if err != nil {
		return errors.Join(err, s.driver.Close())
	}
	s.onClose(ignoringContext(s.driver.Close))
	if left != (sandbox.Leftovers{}) {
		s.logger.Info("cleared what an earlier server left", "processes", left.Processes, "cgroups", left.Cgroups,
			"mounts", left.Mounts, "interfaces", left.Interfaces, "loop_devices", left.LoopDevices, "directories", left.Directories)
	}
	return nil
}

// guests opens the API to functions: it is the environments' way back to the
// server. Environments may come before the API is open; their requests are told so.
type guests struct {
	server *server
	access *iam.Access
	// directory is the roles that access looks at.
	directory *iam.Directory
	inside    *inside.Server
	api       atomic.Pointer[http.Handler]
}

// openGuests prepares what environments are given.
func (s *server) openGuests(context.Context) error {
	access, directory, err := s.openAccess()
	if err != nil {
		return err
	}
	g := &guests{server: s, access: access, directory: directory}
	g.inside = inside.New(inside.Options{Handler: g, Sessions: access, Logger: s.logger})
	s.onClose(ignoringContext(g.inside.Close))
	s.guests = g
	return nil
}

// serve gives the guests their API.
func (g *guests) serve(api http.Handler) { g.api.Store(&api) }

// ServeHTTP answers a request of a function.
func (g *guests) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	api := g.api.Load()
	if api == nil {
		http.Error(w, "the server is starting", http.StatusServiceUnavailable)
		return
	}
	(*api).ServeHTTP(w, r)
}

// Open implements environment.Inside.
func (g *guests) Open(ctx context.Context, box sandbox.Network, r environment.Resident) (environment.Guest, error) {
	listener, err := box.Listen(ctx, "tcp4", insideAddress)
	if err != nil {
		return environment.Guest{}, err
	}
	guest := g.inside.Open(listener, g.session(r))
	variables := make(map[string]string, len(insideServices))
	for _, service := range insideServices {
		variables["AWS_ENDPOINT_URL_"+service] = "http://" + insideAddress
	}
	return environment.Guest{
		Variables: variables,
		Credentials: runtimes.Credentials{
			AccessKeyID: guest.Key.ID, SecretAccessKey: guest.Key.Secret, SessionToken: guest.Token,
		},
		Close: guest.Close,
	}, nil
}

// session is the function's role, assumed under the function's name.
func (g *guests) session(r environment.Resident) iam.Session {
	scope := g.server.config.Scope
	role := r.Version.Role[strings.LastIndexByte(r.Version.Role, '/')+1:]
	account := scope.Account
	if parts := strings.Split(r.Version.Role, ":"); len(parts) > 5 && parts[4] != "" {
		account = parts[4]
	}
	return iam.Session{
		ARN:       "arn:" + scope.Partition + ":sts::" + account + ":assumed-role/" + role + "/" + sessionName(r.Function),
		Role:      r.Version.Role,
		Function:  scope.FunctionARN(r.Function, ""),
		StartedAt: time.Now(),
	}
}

// sessionName is the function's name; one of a single letter is too short for the
// name of a session and gets the service's suffix.
func sessionName(function string) string {
	if len(function) == 1 {
		return function + "@lambda_function"
	}
	return function
}
