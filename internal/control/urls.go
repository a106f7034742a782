package control

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"thaw/internal/lambda"
)

// URLView is a URL configuration as an operation shows it.
type URLView struct {
	lambda.URLConfig
	ARN string
	URL string
}

// URLSettings are what a caller wants of a URL; nil leaves a member as it is, or
// unset when the URL is new.
type URLSettings struct {
	AuthType   *string
	InvokeMode *string
	CORS       *lambda.CORS
}

func (s *URLSettings) apply(u *lambda.URLConfig) {
	set(&u.AuthType, s.AuthType)
	set(&u.InvokeMode, s.InvokeMode)
	if s.CORS != nil {
		u.CORS = s.CORS
	}
}

// CreateURL gives a function or an alias a URL.
func (c *Control) CreateURL(ctx context.Context, ref lambda.Ref, s URLSettings) (URLView, error) {
	return c.changeURL(ctx, ref, s, func(f *lambda.Function, now time.Time) (lambda.URLConfig, error) {
		if _, found := lambda.Find(f.Configs.URLs, ref.Qualifier); found {
			// The text has two spaces, as recorded.
			return lambda.URLConfig{}, lambda.Errorf(lambda.CodeResourceConflict,
				"Failed to create function url config for [functionArn = %s]. Error message:  FunctionUrlConfig exists for this Lambda function",
				c.scope.FunctionARN(f.Name, ref.Qualifier))
		}
		return lambda.URLConfig{Qualifier: ref.Qualifier, ID: newURLID(), CreatedAt: now}, nil
	})
}

// UpdateURL changes a URL's configuration. The URL stays.
func (c *Control) UpdateURL(ctx context.Context, ref lambda.Ref, s URLSettings) (URLView, error) {
	return c.changeURL(ctx, ref, s, func(f *lambda.Function, _ time.Time) (lambda.URLConfig, error) {
		at, found := lambda.Find(f.Configs.URLs, ref.Qualifier)
		if !found {
			return lambda.URLConfig{}, noURL()
		}
		return f.Configs.URLs[at], nil
	})
}

// changeURL applies settings to what from returns.
func (c *Control) changeURL(ctx context.Context, ref lambda.Ref, s URLSettings,
	from func(f *lambda.Function, now time.Time) (lambda.URLConfig, error)) (URLView, error) {
	missing := lambda.Errorf(lambda.CodeResourceNotFound, "Function does not exist")
	var config lambda.URLConfig
	f, err := c.changeConfigs(ctx, ref, missing, func(f *lambda.Function) (err error) {
		if ref.Qualifier != "" && f.Alias(ref.Qualifier) == nil {
			return missing
		}
		now := time.Now()
		if config, err = from(f, now); err != nil {
			return err
		}
		config.LastModified = now
		s.apply(&config)
		f.Configs.URLs = lambda.With(f.Configs.URLs, config)
		return nil
	})
	if err != nil {
		return URLView{}, err
	}
	return c.urlView(f.Name, config), nil
}

func noURL() error {
	return lambda.Errorf(lambda.CodeResourceNotFound, "The resource you requested does not exist.")
}

// urlIDLength is how many characters the first label of a URL's host has.
const urlIDLength = 32

// newURLID is a label that nobody can guess.
func newURLID() string { return strings.ToLower(rand.Text() + rand.Text())[:urlIDLength] }

func (c *Control) urlView(name string, config lambda.URLConfig) URLView {
	return URLView{URLConfig: config, ARN: c.scope.FunctionARN(name, config.Qualifier),
		URL: "https://" + config.ID + ".lambda-url." + c.scope.Region + ".on.aws/"}
}

// GetURL shows a URL's configuration. One of an alias that is gone is still there.
func (c *Control) GetURL(_ context.Context, ref lambda.Ref) (URLView, error) {
	f, err := c.function(ref, noURL())
	if err != nil {
		return URLView{}, err
	}
	at, found := lambda.Find(f.Configs.URLs, ref.Qualifier)
	if !found {
		return URLView{}, noURL()
	}
	return c.urlView(f.Name, f.Configs.URLs[at]), nil
}

// DeleteURL takes a URL away.
func (c *Control) DeleteURL(ctx context.Context, ref lambda.Ref) error {
	_, err := c.changeConfigs(ctx, ref, noURL(), func(f *lambda.Function) error {
		if _, found := lambda.Find(f.Configs.URLs, ref.Qualifier); !found {
			return noURL()
		}
		f.Configs.URLs = lambda.Without(f.Configs.URLs, ref.Qualifier)
		return nil
	})
	return err
}

// ListURLs shows the URLs of a function and its aliases.
func (c *Control) ListURLs(_ context.Context, ref lambda.Ref, in PageInput) (views []URLView, next string, err error) {
	f, err := c.unqualified(ref)
	if err != nil {
		return nil, "", err
	}
	list, next, err := page(f.Configs.URLs, f.Name, in)
	for _, config := range list {
		views = append(views, c.urlView(f.Name, config))
	}
	return views, next, err
}
