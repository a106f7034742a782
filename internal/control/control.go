// Package control holds the rules of change: what a function may be, what each
// operation on one answers, and how a change becomes ready for use.
//
// Vocabulary: settings are what a caller wants a version to be; a view is a
// version as an operation shows it. Layers are attached to a version with their
// content, so that it has them when they are deleted. A change is first recorded (State Pending,
// or LastUpdateStatus InProgress) and then activated in the background: when
// its code is there to be mounted, it becomes Active or Successful. Code that no
// version names any more is collected in the background too.
//
// Life cycle: Open resumes the activation of what a dead server left unfinished;
// Close stops activating and collecting, and waits.
//
// Concurrency: all methods may be called at the same time. A change is a pure
// edit of a copy of the newest record, written if the record is still the one
// it was made from, and made again if not: no change is lost, and what refuses
// one (a revision, an update in progress) is judged by the record it would
// replace.
//
// Texts are the service's own, as recorded, unless said otherwise.
package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"thaw/internal/catalog"
	"thaw/internal/lambda"
	"thaw/internal/store"
	"thaw/internal/telemetry"
)

// Packages keeps deployment packages: package code.
type Packages interface {
	// Add checks and keeps a zip, and holds it; a *lambda.Error says what is wrong
	// with it.
	Add(ctx context.Context, zip []byte) (lambda.Code, error)
	// AddFetched is Add for a zip that did not come in a request.
	AddFetched(ctx context.Context, zip io.ReaderAt, size int64) (lambda.Code, error)
	// Acquire makes sure that the code is unpacked, ready to be mounted, and holds
	// it.
	Acquire(ctx context.Context, code lambda.Code) (dir string, err error)
	// Release ends a hold.
	Release(code lambda.Code)
	// Collect removes what is neither held nor named, and tells how much of what
	// is not named is held.
	Collect(ctx context.Context, named func() (inUse func(sha256 string) bool)) (held int, err error)
}

// Objects fetches zips that a caller names and does not send: package s3.
type Objects interface {
	// Get fetches an object of at most limit bytes into a file, which the caller
	// closes. A *lambda.Error says why there is none.
	Get(ctx context.Context, object lambda.S3Object, limit int64) (*os.File, error)
}

// Quotas bound what an account may keep.
type Quotas struct {
	// CodeStorage is the sum of the zipped sizes of all versions of functions and
	// layers, in bytes.
	CodeStorage int64
	// Concurrency is how many invocations may run at one time.
	Concurrency int
}

// DefaultQuotas are the service's, from its developer guide.
var DefaultQuotas = Quotas{CodeStorage: 75 << 30, Concurrency: lambda.DefaultAccountConcurrency}

// Options configures Open.
type Options struct {
	Catalog *catalog.Catalog
	Code    Packages
	Objects Objects // nil: every zip comes in its request
	Scope   lambda.Scope
	Quotas  Quotas // zero members stand for DefaultQuotas
	// Provisioned tells how far provisioned concurrency is; nil is not at all.
	Provisioned func(f *lambda.Function, qualifier string) Provisioning
	// Settle is how long a change is shown as in progress at least. The service
	// takes seconds; zero, the default, is as fast as activation goes.
	Settle time.Duration
	// RuntimeVersionARN names the version of a runtime that functions run with. By
	// default it is derived from the runtime's name.
	RuntimeVersionARN func(runtime string) string
	// Meter counts what is deployed although its signature is not trusted; nil: nobody.
	Meter  telemetry.Meter
	Logger *slog.Logger
}

// Control carries out the operations on functions and layers.
type Control struct {
	catalog     *catalog.Catalog
	code        Packages
	objects     Objects
	scope       lambda.Scope
	quotas      Quotas
	provisioned func(f *lambda.Function, qualifier string) Provisioning
	settle      time.Duration
	versionARN  func(runtime string) string
	logger      *slog.Logger
	meter       telemetry.Meter
	activation  *activation
	collection  *collection
	mappings    *settling
	// mapping is held while an event source mapping changes: each is to be the
	// only one of its source and function.
	mapping sync.Mutex
	// claiming is held while a function's claim on the account's concurrency
	// changes: what is left of it depends on all functions.
	claiming sync.Mutex
	// signing is held while a function gets a code signing configuration, or one is
	// deleted: none is that a function has.
	signing sync.Mutex
}

// Open starts the background activation.
func Open(ctx context.Context, o Options) (*Control, error) {
	if o.Catalog == nil || o.Code == nil || o.Logger == nil {
		return nil, errors.New("open control: Catalog, Code and Logger are required")
	}
	if o.Scope == (lambda.Scope{}) {
		o.Scope = lambda.DefaultScope
	}
	if o.Quotas.CodeStorage == 0 {
		o.Quotas.CodeStorage = DefaultQuotas.CodeStorage
	}
	if o.Quotas.Concurrency == 0 {
		o.Quotas.Concurrency = DefaultQuotas.Concurrency
	}
	if o.RuntimeVersionARN == nil {
		o.RuntimeVersionARN = func(runtime string) string { return runtimeVersionARN(o.Scope, runtime) }
	}
	c := &Control{catalog: o.Catalog, code: o.Code, objects: o.Objects, scope: o.Scope, quotas: o.Quotas, versionARN: o.RuntimeVersionARN, logger: o.Logger, provisioned: o.Provisioned, settle: o.Settle, meter: o.Meter}
	c.activation = startActivation(context.WithoutCancel(ctx), o)
	c.collection = startCollection(context.WithoutCancel(ctx), o)
	c.mappings = startSettling(context.WithoutCancel(ctx), o)
	for _, f := range o.Catalog.List() {
		if f.Unfinished {
			c.activation.add(f.Name)
		}
	}
	return c, nil
}

// Close stops activating and collecting. What is unfinished goes on at the next
// Open.
func (c *Control) Close() error {
	c.activation.close()
	c.collection.close()
	c.mappings.close()
	return nil
}

// View is a version as an operation shows it.
type View struct {
	Function *lambda.Function
	Version  *lambda.Version
	// ARN is qualified if and only if the operation names a version.
	ARN string
	// RuntimeVersionARN is what RuntimeVersionConfig shows.
	RuntimeVersionARN string
}

// view shows a version; qualifier is how the operation names it, if it does.
func (c *Control) view(f *lambda.Function, v *lambda.Version, qualifier string) View {
	return View{
		Function:          f,
		Version:           v,
		ARN:               c.scope.FunctionARN(f.Name, qualifier),
		RuntimeVersionARN: c.versionARN(v.Runtime),
	}
}

// maxTries bounds how often a change is made again for having met another one.
const maxTries = 32

// change replaces a function by what edit makes of a copy. Of the copy's maps
// and slices, edit replaces what it changes; it may run several times.
func (c *Control) change(ctx context.Context, ref lambda.Ref, edit func(*lambda.Function) error) (*lambda.Function, error) {
	for range maxTries {
		record, ok := c.catalog.Function(ref.Name)
		if !ok {
			return nil, c.notFound(ref)
		}
		f := *record.Function
		f.Versions = slices.Clone(f.Versions)
		if err := edit(&f); err != nil {
			return nil, err
		}
		changed, err := c.catalog.PutFunction(ctx, &f, record.Revision)
		switch {
		case err == nil:
			return changed.Function, nil
		case errors.Is(err, store.ErrTooLarge):
			return nil, tooLarge(ref.Name)
		case !errors.Is(err, store.ErrConflict):
			return nil, err
		}
		if !sleep(ctx, conflictPause) {
			return nil, ctx.Err()
		}
	}
	return nil, c.inProgress(ref.Name)
}

// resolve checks that a reference is to a function of this account and region.
func (c *Control) resolve(ref lambda.Ref) error {
	if ref.Region != "" && ref.Region != c.scope.Region {
		return lambda.Errorf(lambda.CodeResourceNotFound,
			"Functions from '%s' are not reachable in this region ('%s')", ref.Region, c.scope.Region)
	}
	if ref.Account != "" && ref.Account != c.scope.Account {
		other := c.scope
		other.Account = ref.Account
		return lambda.Errorf(lambda.CodeAccessDenied,
			"User: arn:%s:iam::%s:root is not authorized to access resource: %s",
			c.scope.Partition, c.scope.Account, other.FunctionARN(ref.Name, ref.Qualifier))
	}
	return nil
}

// resolveLatest is resolve for operations that change $LATEST only.
func (c *Control) resolveLatest(ref lambda.Ref) error {
	if err := c.resolve(ref); err != nil {
		return err
	}
	if ref.Qualifier != "" && ref.Qualifier != lambda.Latest {
		return functionsOnly()
	}
	return nil
}

func functionsOnly() error {
	return lambda.Errorf(lambda.CodeInvalidParameterValue,
		"This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. "+
			"Please specify either a function name or an unqualified function ARN.")
}

func (c *Control) notFound(ref lambda.Ref) error {
	return lambda.Errorf(lambda.CodeResourceNotFound,
		"Function not found: %s", c.scope.FunctionARN(ref.Name, ref.Qualifier))
}

func (c *Control) inProgress(name string) error {
	return lambda.Errorf(lambda.CodeResourceConflict,
		"The operation cannot be performed at this time. An update is in progress for resource: %s",
		c.scope.FunctionARN(name, ""))
}

// tooLarge is this server's own limit: a function is one record.
func tooLarge(name string) error {
	return lambda.Errorf(lambda.CodeInvalidParameterValue,
		"The configuration of function %s with all its versions is more than can be kept. "+
			"Please delete versions that are not needed.", name)
}

func staleRevision() error {
	return lambda.Errorf(lambda.CodePreconditionFailed,
		"The Revision Id provided does not match the latest Revision Id. "+
			"Call the GetFunction/GetAlias API to retrieve the latest Revision Id")
}

// admit tells whether $LATEST may be changed now.
func (c *Control) admit(f *lambda.Function, revisionID string) error {
	latest := &f.Latest
	if revisionID != "" && revisionID != latest.RevisionID {
		return staleRevision()
	}
	if latest.Status.State == lambda.StatePending {
		return lambda.Errorf(lambda.CodeResourceConflict,
			"The operation cannot be performed at this time. The function is currently in the following state: %s",
			latest.Status.State)
	}
	if latest.Status.Update == lambda.UpdateInProgress {
		return c.inProgress(f.Name)
	}
	return nil
}

// checkStorage refuses code that would exceed the account's quota. Every
// version of a function or layer counts with its whole size, as it does in the
// service. replaced is what the change takes away.
func (c *Control) checkStorage(added, replaced int64) error {
	if c.codeSize()+added-replaced > c.quotas.CodeStorage {
		return lambda.Errorf(lambda.CodeCodeStorageExceeded, "Code storage limit exceeded.")
	}
	return nil
}

// codeSize is the sum of all that is kept, in bytes.
func (c *Control) codeSize() (total int64) {
	for _, r := range c.catalog.Layers() {
		for i := range r.Layer.Versions {
			total += r.Layer.Versions[i].Code.Size
		}
	}
	for _, f := range c.catalog.List() {
		total += f.CodeSize
	}
	return total
}

// keep adds code, once it is clear that it would not exceed the quota: unpacking
// is dear. copies is how many versions will have it. release must be called with
// the outcome of what the code is for. If that is not known, for a write that
// failed may yet show, the code stays until the next start.
func (c *Control) keep(ctx context.Context, name string, from source, copies int, replaced int64) (kept content, release func(outcome error), err error) {
	admit := func(size int64) error { return c.checkStorage(size*int64(copies), replaced) }
	if kept, err = c.add(ctx, from, admit); err != nil {
		return content{}, nil, asError("keep the code", name, err)
	}
	return kept, func(outcome error) {
		if unknown(outcome) {
			return
		}
		c.code.Release(kept.code)
		c.collection.due()
	}, nil
}

// unknown tells whether a change that ended so may have been written all the same.
func unknown(outcome error) bool {
	_, refused := errors.AsType[*lambda.Error](outcome)
	return outcome != nil && !refused
}

// touch gives a version a new RevisionId, as every visible change does.
func touch(v *lambda.Version) { v.RevisionID = lambda.NewUUID() }

// asError wraps what is not for the user, and leaves what is.
func asError(doing, name string, err error) error {
	var user *lambda.Error
	if errors.As(err, &user) {
		return user
	}
	return fmt.Errorf("%s of %q: %w", doing, name, err)
}
