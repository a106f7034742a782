package main

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"thaw/internal/api/inside"
	"thaw/internal/environment"
	"thaw/internal/iam"
	"thaw/internal/runtimes"
	"thaw/internal/sandbox"
)

// insideAddress is where functions find the server's API, each in its own network.
const insideAddress = "169.254.100.1:9002"

// insideServices are the services that this server answers for: those whose
// address functions are told, by the names that the SDKs have for them. Requests
// to others go where the function's configuration, or Amazon's defaults, say.
var insideServices = []string{"LAMBDA", "CLOUDWATCH_LOGS"}

// networking is what functions reach, and what they may do there.
type networking struct {
	Allow []string // patterns of actions
}

func (n *networking) flags(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&n.Allow, "function-allow", nil,
		"`actions` of the API that functions may take by their own credentials, such as lambda:InvokeFunction or 'lambda:List*' (default none)")
}

func (n *networking) check() error {
	if _, err := iam.NewAccess(nil, n.Allow); err != nil {
		return usageError("--function-allow %v", err)
	}
	return nil
}

// guests opens the API to functions: it is the environments' way back to the
// server. Environments may come before the API is open; their requests are told so.
type guests struct {
	server *server
	access *iam.Access
	inside *inside.Server
	api    atomic.Pointer[http.Handler]
}

// openGuests prepares what environments are given.
func (s *server) openGuests(context.Context) error {
	access, err := iam.NewAccess(s.keys, s.config.Networking.Allow)
	if err != nil {
		return err
	}
	g := &guests{server: s, access: access}
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
		ARN:         "arn:" + scope.Partition + ":sts::" + account + ":assumed-role/" + role + "/" + r.Function,
		LogGroupARN: "arn:" + scope.Partition + ":logs:" + scope.Region + ":" + scope.Account + ":log-group:" + r.Version.Logging.Group,
	}
}
