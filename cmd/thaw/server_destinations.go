package main

import (
	"context"
	"fmt"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/spf13/cobra"

	"thaw/internal/async"
	"thaw/internal/destination"
	"thaw/internal/environment"
	"thaw/internal/iam"
	"thaw/internal/lambda"
	"thaw/internal/s3"
)

// delivering is where messages go that are for queues, topics and event buses
// beyond this server.
type delivering struct{ Endpoints destination.Endpoints }

// endpointFlag is one of them.
type endpointFlag struct {
	name, what string
	endpoint   *string
}

func (c *delivering) list() []endpointFlag {
	return []endpointFlag{
		{"sqs-endpoint", "SQS, or what is compatible with it, for queues that are not this server's own", &c.Endpoints.SQS},
		{"sns-endpoint", "SNS, or what is compatible with it", &c.Endpoints.SNS},
		{"events-endpoint", "EventBridge, or what is compatible with it", &c.Endpoints.Events},
	}
}

func (c *delivering) flags(cmd *cobra.Command) {
	for _, f := range c.list() {
		cmd.Flags().StringVar(f.endpoint, f.name, "", "`URL` of "+f.what+", to which dead letters and records of invocations are sent; \"aws\" is Amazon's own (default none)")
	}
}

func (c *delivering) check() error {
	for _, f := range c.list() {
		if *f.endpoint == "" || *f.endpoint == destination.Amazon {
			continue
		}
		if _, err := s3.Endpoint(*f.endpoint); err != nil {
			return usageError("--%s: %v", f.name, err)
		}
	}
	return nil
}

// enqueue takes an event for a function of this server.
type enqueue func(ctx context.Context, e destination.Event) error

func (f enqueue) Enqueue(ctx context.Context, e destination.Event) error { return f(ctx, e) }

// deliverer is what sends dead letters and records of invocations.
func (s *server) deliverer(ctx context.Context, functions enqueue, queues destination.Queues) (async.Deliverer, error) {
	o := destination.Options{Scope: s.config.Scope, Endpoints: s.config.Delivering.Endpoints, Queues: queues, Functions: functions}
	if o.Endpoints != (destination.Endpoints{}) {
		standard, err := awsconfig.LoadDefaultConfig(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the AWS configuration: %w", err)
		}
		o.Credentials = standard.Credentials
	}
	if s.s3 != nil {
		o.Objects = s.s3
	}
	if s.config.Auth == authSigV4 {
		o.Authorise = s.mayDeliver
	}
	sender := destination.New(o)
	s.onClose(ignoringContext(sender.Close))
	for _, f := range s.config.Delivering.list() {
		if *f.endpoint != "" {
			s.logger.Info("messages are sent to "+f.name, "endpoint", *f.endpoint)
		}
	}
	return sender, nil
}

// mayDeliver asks whether the execution role of a function may do what a delivery
// needs, as it would be asked if the function itself did it.
func (s *server) mayDeliver(d async.Delivery, action, resource string) error {
	session := s.guests.session(environment.Resident{Function: d.Function.Name, Version: &lambda.Version{Role: d.Role}})
	q := iam.Question{Action: action, Resource: resource}
	if name, ok := s.config.Scope.QueueName(resource); ok {
		q.Policy = s.queues.Policy(name)
	} else if ref, ok := lambda.ParseRef(resource); ok && action == "lambda:InvokeFunction" {
		q.Policy = s.control.PolicyOf(ref)
	}
	if err := s.guests.access.Authorise(iam.Caller{Session: &session}, q); err != nil {
		return fmt.Errorf("%w; a policy of the execution role %s allows it, or thaw serve --function-allow %s", err, d.Role, action)
	}
	return nil
}
