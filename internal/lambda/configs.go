package lambda

import (
	"slices"
	"strings"
	"time"
)

// Configs is what is set for a function beside its versions: mostly one
// configuration for each qualifier, that is for $LATEST, a version or an alias.
// The lists are sorted by qualifier.
type Configs struct {
	EventInvoke []EventInvokeConfig
	// URLs has "" as the qualifier of the function itself. A URL outlives its alias.
	URLs        []URLConfig
	Provisioned []ProvisionedConcurrency
	Runtimes    []RuntimeManagement
	Scaling     []ScalingConfig
	// Policies has "" as the qualifier of the function itself.
	Policies []Policy
	// RecursiveLoop is "Allow" or "Terminate"; empty if it was never set, which
	// means the latter.
	RecursiveLoop string
	// Signing is the ID of the function's code signing configuration, or empty.
	Signing string
}

// Qualified is what is set for one qualifier, which Of returns.
type Qualified interface{ Of() string }

// Find is the index in a list of what is set for a qualifier, or else where it
// would stand.
func Find[C Qualified](list []C, qualifier string) (at int, found bool) {
	return slices.BinarySearchFunc(list, qualifier, func(c C, q string) int { return strings.Compare(c.Of(), q) })
}

// With is a copy of the list with a configuration in it, in place of what was set
// for its qualifier.
func With[C Qualified](list []C, config C) []C {
	list = slices.Clone(list)
	at, found := Find(list, config.Of())
	if found {
		list[at] = config
		return list
	}
	return slices.Insert(list, at, config)
}

// Without is a copy of the list without what is set for a qualifier.
func Without[C Qualified](list []C, qualifier string) []C {
	return slices.DeleteFunc(slices.Clone(list), func(c C) bool { return c.Of() == qualifier })
}

// Drop forgets what is set for a version or an alias that goes, but for its URL.
func (c *Configs) Drop(qualifier string) {
	c.EventInvoke = Without(c.EventInvoke, qualifier)
	c.Provisioned = Without(c.Provisioned, qualifier)
	c.Runtimes = Without(c.Runtimes, qualifier)
	c.Scaling = Without(c.Scaling, qualifier)
	c.Policies = Without(c.Policies, qualifier)
}

// EventInvokeConfig is what becomes of asynchronous events. Nil members are not
// set.
type EventInvokeConfig struct {
	Qualifier         string
	MaximumRetries    *int
	MaximumAgeSeconds *int
	// OnSuccess and OnFailure are the ARNs of destinations, or empty.
	OnSuccess    string
	OnFailure    string
	LastModified time.Time
}

// URLConfig is the URL of a function or an alias.
type URLConfig struct {
	Qualifier string
	// ID is the first label of the URL's host.
	ID       string
	AuthType string // "NONE" or "AWS_IAM"
	// InvokeMode is empty if it was never given, which means "BUFFERED".
	InvokeMode   string
	CORS         *CORS
	CreatedAt    time.Time
	LastModified time.Time
}

// CORS is what browsers may do across origins. Nil members are not set.
type CORS struct {
	AllowCredentials *bool
	AllowHeaders     []string
	AllowMethods     []string
	AllowOrigins     []string
	ExposeHeaders    []string
	MaxAgeSeconds    *int
}

// ProvisionedConcurrency is how many environments a version, by itself or by an
// alias, is to have ready.
type ProvisionedConcurrency struct {
	Qualifier    string
	Requested    int
	LastModified time.Time
}

// RuntimeManagement is when a version gets another version of its runtime.
type RuntimeManagement struct {
	Qualifier string
	UpdateOn  string // "Auto", "FunctionUpdate" or "Manual"
	// VersionARN is the version of the runtime to keep, with Manual only.
	VersionARN string
}

// ScalingConfig bounds the environments of a version. Nil members are not set.
type ScalingConfig struct {
	Qualifier string
	Min       *int
	Max       *int
}

func (c EventInvokeConfig) Of() string      { return c.Qualifier }
func (c URLConfig) Of() string              { return c.Qualifier }
func (c ProvisionedConcurrency) Of() string { return c.Qualifier }
func (c RuntimeManagement) Of() string      { return c.Qualifier }
func (c ScalingConfig) Of() string          { return c.Qualifier }

// Values of RecursiveLoop and of UpdateOn.
const (
	RecursiveLoopTerminate = "Terminate"
	RecursiveLoopAllow     = "Allow"
	UpdateRuntimeAuto      = "Auto"
	UpdateRuntimeManual    = "Manual"
)

// InvokeModeBuffered is how a URL answers unless its configuration says otherwise.
const InvokeModeBuffered = "BUFFERED"

// TotalProvisioned is the sum of a function's provisioned concurrency.
func (c *Configs) TotalProvisioned() (total int) {
	for i := range c.Provisioned {
		total += c.Provisioned[i].Requested
	}
	return total
}

// Claim is what a function takes from its account's concurrency: what is reserved
// for it, or else what is provisioned.
func (f *Function) Claim() int {
	if f.Reserved != nil {
		return *f.Reserved
	}
	return f.Configs.TotalProvisioned()
}
