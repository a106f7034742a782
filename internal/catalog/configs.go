package catalog

import (
	"time"

	"thaw/internal/lambda"
)

// configsFormat is part of a function's record.
type configsFormat struct {
	EventInvoke   []eventInvokeFormat `json:"eventInvoke,omitempty"`
	URLs          []urlFormat         `json:"urls,omitempty"`
	Provisioned   []provisionedFormat `json:"provisioned,omitempty"`
	Runtimes      []runtimeFormat     `json:"runtimeManagement,omitempty"`
	Scaling       []scalingFormat     `json:"scaling,omitempty"`
	Policies      []policyFormat      `json:"policies,omitempty"`
	RecursiveLoop string              `json:"recursiveLoop,omitempty"`
	Signing       string              `json:"signing,omitempty"`
}

type eventInvokeFormat struct {
	Qualifier         string    `json:"qualifier"`
	MaximumRetries    *int      `json:"maximumRetries,omitempty"`
	MaximumAgeSeconds *int      `json:"maximumAgeSeconds,omitempty"`
	OnSuccess         string    `json:"onSuccess,omitempty"`
	OnFailure         string    `json:"onFailure,omitempty"`
	LastModified      time.Time `json:"modified"`
}

type urlFormat struct {
	Qualifier    string      `json:"qualifier,omitempty"`
	ID           string      `json:"id"`
	AuthType     string      `json:"authType"`
	InvokeMode   string      `json:"invokeMode,omitempty"`
	CORS         *corsFormat `json:"cors,omitempty"`
	CreatedAt    time.Time   `json:"createdAt"`
	LastModified time.Time   `json:"modified"`
}

type corsFormat struct {
	AllowCredentials *bool    `json:"allowCredentials,omitempty"`
	AllowHeaders     []string `json:"allowHeaders,omitzero"` // none and empty differ, here and below
	AllowMethods     []string `json:"allowMethods,omitzero"`
	AllowOrigins     []string `json:"allowOrigins,omitzero"`
	ExposeHeaders    []string `json:"exposeHeaders,omitzero"`
	MaxAgeSeconds    *int     `json:"maxAgeSeconds,omitempty"`
}

type provisionedFormat struct {
	Qualifier    string    `json:"qualifier"`
	Requested    int       `json:"requested"`
	LastModified time.Time `json:"modified"`
}

type runtimeFormat struct {
	Qualifier  string `json:"qualifier"`
	UpdateOn   string `json:"updateOn"`
	VersionARN string `json:"versionArn,omitempty"`
}

type scalingFormat struct {
	Qualifier string `json:"qualifier"`
	Min       *int   `json:"min,omitempty"`
	Max       *int   `json:"max,omitempty"`
}

type policyFormat struct {
	Qualifier  string `json:"qualifier,omitempty"`
	Document   string `json:"document"`
	RevisionID string `json:"revisionId"`
}

func formatConfigs(c *lambda.Configs) configsFormat {
	return configsFormat{
		EventInvoke: mapped(c.EventInvoke, func(c lambda.EventInvokeConfig) eventInvokeFormat {
			c.LastModified = c.LastModified.UTC()
			return eventInvokeFormat(c)
		}),
		URLs: mapped(c.URLs, func(c lambda.URLConfig) urlFormat {
			return urlFormat{Qualifier: c.Qualifier, ID: c.ID, AuthType: c.AuthType, InvokeMode: c.InvokeMode,
				CORS: (*corsFormat)(c.CORS), CreatedAt: c.CreatedAt.UTC(), LastModified: c.LastModified.UTC()}
		}),
		Provisioned: mapped(c.Provisioned, func(c lambda.ProvisionedConcurrency) provisionedFormat {
			c.LastModified = c.LastModified.UTC()
			return provisionedFormat(c)
		}),
		Runtimes:      mapped(c.Runtimes, func(c lambda.RuntimeManagement) runtimeFormat { return runtimeFormat(c) }),
		Scaling:       mapped(c.Scaling, func(c lambda.ScalingConfig) scalingFormat { return scalingFormat(c) }),
		Policies:      mapped(c.Policies, func(p lambda.Policy) policyFormat { return policyFormat(p) }),
		RecursiveLoop: c.RecursiveLoop,
		Signing:       c.Signing,
	}
}

func (f *configsFormat) configs() lambda.Configs {
	return lambda.Configs{
		EventInvoke: mapped(f.EventInvoke, func(f eventInvokeFormat) lambda.EventInvokeConfig { return lambda.EventInvokeConfig(f) }),
		URLs: mapped(f.URLs, func(f urlFormat) lambda.URLConfig {
			return lambda.URLConfig{Qualifier: f.Qualifier, ID: f.ID, AuthType: f.AuthType, InvokeMode: f.InvokeMode,
				CORS: (*lambda.CORS)(f.CORS), CreatedAt: f.CreatedAt, LastModified: f.LastModified}
		}),
		Provisioned: mapped(f.Provisioned, func(f provisionedFormat) lambda.ProvisionedConcurrency {
			return lambda.ProvisionedConcurrency(f)
		}),
		Runtimes:      mapped(f.Runtimes, func(f runtimeFormat) lambda.RuntimeManagement { return lambda.RuntimeManagement(f) }),
		Scaling:       mapped(f.Scaling, func(f scalingFormat) lambda.ScalingConfig { return lambda.ScalingConfig(f) }),
		Policies:      mapped(f.Policies, func(f policyFormat) lambda.Policy { return lambda.Policy(f) }),
		RecursiveLoop: f.RecursiveLoop,
		Signing:       f.Signing,
	}
}

// mapped is nil for a list without elements, as it is after decoding.
func mapped[A, B any](list []A, f func(A) B) []B {
	var out []B
	for _, a := range list {
		out = append(out, f(a))
	}
	return out
}
