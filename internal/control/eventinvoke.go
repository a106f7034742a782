package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"thaw/internal/lambda"
)

// EventInvokeView is an event invoke configuration as an operation shows it.
type EventInvokeView struct {
	lambda.EventInvokeConfig
	ARN string
}

// EventInvokeSettings are what a caller wants to become of asynchronous events;
// nil members are not set, or stay as they are.
type EventInvokeSettings struct {
	MaximumRetries    *int
	MaximumAgeSeconds *int
	Destinations      *Destinations
}

// Destinations are ARNs; an empty one means none, nil leaves it as it is.
type Destinations struct {
	OnSuccess *string
	OnFailure *string
}

func (s *EventInvokeSettings) check() error {
	if s.MaximumRetries == nil && s.MaximumAgeSeconds == nil && s.Destinations == nil {
		return lambda.Errorf(lambda.CodeInvalidParameterValue, "You must specify at least one of error handling or destination setting.")
	}
	return nil
}

// apply sets the settings.
func (s *EventInvokeSettings) apply(config *lambda.EventInvokeConfig) {
	if s.MaximumRetries != nil {
		config.MaximumRetries = s.MaximumRetries
	}
	if s.MaximumAgeSeconds != nil {
		config.MaximumAgeSeconds = s.MaximumAgeSeconds
	}
	if s.Destinations != nil {
		set(&config.OnSuccess, s.Destinations.OnSuccess)
		set(&config.OnFailure, s.Destinations.OnFailure)
	}
}

// PutEventInvoke replaces what is set for a qualifier.
func (c *Control) PutEventInvoke(ctx context.Context, ref lambda.Ref, s EventInvokeSettings) (EventInvokeView, error) {
	return c.changeEventInvoke(ctx, ref, s, func(*lambda.Function, string) (lambda.EventInvokeConfig, error) {
		return lambda.EventInvokeConfig{}, nil
	})
}

// UpdateEventInvoke changes what is set for a qualifier.
func (c *Control) UpdateEventInvoke(ctx context.Context, ref lambda.Ref, s EventInvokeSettings) (EventInvokeView, error) {
	return c.changeEventInvoke(ctx, ref, s, func(f *lambda.Function, qualifier string) (lambda.EventInvokeConfig, error) {
		at, found := lambda.Find(f.Configs.EventInvoke, qualifier)
		if !found {
			return lambda.EventInvokeConfig{}, c.noEventInvoke(f.Name, qualifier)
		}
		return f.Configs.EventInvoke[at], nil
	})
}

// changeEventInvoke applies settings to what from returns.
func (c *Control) changeEventInvoke(ctx context.Context, ref lambda.Ref, s EventInvokeSettings,
	from func(f *lambda.Function, qualifier string) (lambda.EventInvokeConfig, error)) (EventInvokeView, error) {
	if err := s.check(); err != nil {
		return EventInvokeView{}, err
	}
	var config lambda.EventInvokeConfig
	f, err := c.changeConfigs(ctx, ref, noSuchFunction(), func(f *lambda.Function) (err error) {
		if f.Resolve(ref.Qualifier) == nil {
			return noSuchFunction()
		}
		qualifier := latestUnless(ref.Qualifier)
		if config, err = from(f, qualifier); err != nil {
			return err
		}
		config.Qualifier, config.LastModified = qualifier, time.Now()
		s.apply(&config)
		if err := c.checkDestinations(f.Name, config); err != nil {
			return err
		}
		f.Configs.EventInvoke = lambda.With(f.Configs.EventInvoke, config)
		return nil
	})
	if err != nil {
		return EventInvokeView{}, err
	}
	return c.eventInvokeView(f.Name, config), nil
}

func noSuchFunction() error {
	return lambda.Errorf(lambda.CodeResourceNotFound, "The function doesn't exist.")
}

func (c *Control) noEventInvoke(name, qualifier string) error {
	return lambda.Errorf(lambda.CodeResourceNotFound, "The function %s doesn't have an EventInvokeConfig", c.scope.FunctionARN(name, qualifier))
}

// latestUnless is the qualifier that a caller means.
func latestUnless(qualifier string) string {
	if qualifier == "" {
		return lambda.Latest
	}
	return qualifier
}

func (c *Control) eventInvokeView(name string, config lambda.EventInvokeConfig) EventInvokeView {
	return EventInvokeView{EventInvokeConfig: config, ARN: c.scope.FunctionARN(name, config.Qualifier)}
}

// checkDestinations tells whether events may go where a function's configuration
// sends them.
func (c *Control) checkDestinations(name string, config lambda.EventInvokeConfig) error {
	known := true
	for _, to := range []struct{ arn, kinds string }{
		{config.OnFailure, "sqs sns events lambda s3"},
		{config.OnSuccess, "sqs sns events lambda"},
	} {
		if to.arn == "" {
			continue
		}
		parts := strings.SplitN(to.arn, ":", 6)
		if len(parts) < 6 || !slices.Contains(strings.Fields(to.kinds), parts[2]) || isFIFO(parts) {
			known = false
			continue
		}
		if parts[2] != "lambda" {
			continue
		}
		if err := c.checkFunctionDestination(name, config.Qualifier, to.arn); err != nil {
			return err
		}
	}
	if !known {
		return lambda.Errorf(lambda.CodeInvalidParameterValue,
			"The provided destination config DestinationConfig(onSuccess=%s, onFailure=%s) is invalid.",
			destination("OnSuccess", config.OnSuccess), destination("OnFailure", config.OnFailure))
	}
	return nil
}

// isFIFO tells queues and topics that keep an order, which destinations are not.
func isFIFO(arn []string) bool {
	return (arn[2] == "sqs" || arn[2] == "sns") && strings.HasSuffix(arn[5], ".fifo")
}

func destination(kind, arn string) string {
	if arn == "" {
		return "null"
	}
	return fmt.Sprintf("%s(destination=%s)", kind, arn)
}

// checkFunctionDestination is for a destination that is a function of this account
// and region, and not the one whose events they are.
func (c *Control) checkFunctionDestination(name, qualifier, arn string) error {
	invalid := lambda.Errorf(lambda.CodeInvalidParameterValue, "The destination ARN %s is invalid.", arn)
	ref, ok := lambda.ParseRef(arn)
	if !ok || c.resolve(ref) != nil {
		return invalid
	}
	record, ok := c.catalog.Function(ref.Name)
	if !ok || record.Function.Resolve(ref.Qualifier) == nil {
		return invalid
	}
	if ref.Name == name && (ref.Qualifier == "" || ref.Qualifier == qualifier) {
		return lambda.Errorf(lambda.CodeInvalidParameterValue, "You can't specify the function as a destination for itself.")
	}
	return nil
}

// GetEventInvoke shows what is set for a qualifier.
func (c *Control) GetEventInvoke(_ context.Context, ref lambda.Ref) (EventInvokeView, error) {
	qualifier := latestUnless(ref.Qualifier)
	missing := c.noEventInvoke(ref.Name, qualifier)
	f, err := c.function(ref, missing)
	if err != nil {
		return EventInvokeView{}, err
	}
	at, found := lambda.Find(f.Configs.EventInvoke, qualifier)
	if !found {
		return EventInvokeView{}, missing
	}
	return c.eventInvokeView(f.Name, f.Configs.EventInvoke[at]), nil
}

// DeleteEventInvoke forgets what is set for a qualifier.
func (c *Control) DeleteEventInvoke(ctx context.Context, ref lambda.Ref) error {
	qualifier := latestUnless(ref.Qualifier)
	missing := c.noEventInvoke(ref.Name, qualifier)
	_, err := c.changeConfigs(ctx, ref, missing, func(f *lambda.Function) error {
		if _, found := lambda.Find(f.Configs.EventInvoke, qualifier); !found {
			return missing
		}
		f.Configs.EventInvoke = lambda.Without(f.Configs.EventInvoke, qualifier)
		return nil
	})
	return err
}

// ListEventInvoke shows all that is set for a function.
func (c *Control) ListEventInvoke(_ context.Context, ref lambda.Ref, in PageInput) (views []EventInvokeView, next string, err error) {
	if err := c.resolveLatest(ref); err != nil {
		return nil, "", err
	}
	f, err := c.function(ref, noSuchFunction())
	if err != nil {
		return nil, "", err
	}
	list, next, err := page(f.Configs.EventInvoke, f.Name, in)
	for _, config := range list {
		views = append(views, c.eventInvokeView(f.Name, config))
	}
	return views, next, err
}
