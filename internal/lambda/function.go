package lambda

import (
	"slices"
	"time"
)

// Function is the aggregate of one name: its versions, and what is set for the
// function as a whole. It is stored as one record with one revision.
type Function struct {
	Name      string
	CreatedAt time.Time
	Latest    Version
	// Versions are the published ones, oldest first. LastPublished is the highest
	// number ever given; numbers are never used again.
	Versions      []Version
	LastPublished int
	// Aliases are sorted by name.
	Aliases []Alias
	Tags    map[string]string
	// Reserved is the reserved concurrency; nil means none.
	Reserved *int
	Configs  Configs
}

// Version finds a published version or $LATEST by its number; nil if there is none.
func (f *Function) Version(number string) *Version {
	if number == "" || number == Latest {
		return &f.Latest
	}
	for i := range f.Versions {
		if f.Versions[i].Number == number {
			return &f.Versions[i]
		}
	}
	return nil
}

// Settled tells whether no version has a change that has not come to its end.
func (f *Function) Settled() bool {
	return f.Latest.Settled() &&
		!slices.ContainsFunc(f.Versions, func(v Version) bool { return !v.Settled() })
}

// Settled tells whether the last change of a version has come to its end.
func (v *Version) Settled() bool {
	return v.Status.State != StatePending && v.Status.Update != UpdateInProgress
}

// Version is the configuration and code of one version of a function. A
// numbered version never changes, save for its State.
type Version struct {
	Number      string // "$LATEST" or "1"
	Description string
	Role        string
	Runtime     string
	Handler     string
	Resources   Resources
	Environment map[string]string
	Code        Code
	Signed      Signed
	Logging     Logging
	// Layers are merged at /opt in their order: of two files with one name, the
	// later layer's is seen.
	Layers  []AttachedLayer
	Tracing string // "PassThrough" or "Active"
	// Recorded is configuration that is kept and shown but not applied yet, by
	// the member's name in the model: raw JSON of VpcConfig, DeadLetterConfig,
	// FileSystemConfigs, ImageConfig, KMSKeyArn, SnapStart and others.
	Recorded map[string][]byte
	Status   Status
	// RevisionID is a uuid that changes with every visible change.
	RevisionID   string
	LastModified time.Time
	// PublishedFrom is the description that $LATEST had when it was published under
	// another one; nil for every other version.
	PublishedFrom *string
}

// Resources is what one execution environment of a version may use.
type Resources struct {
	Architecture       string // "x86_64" or "arm64"
	MemoryMB           int
	Timeout            time.Duration
	EphemeralStorageMB int
}

// Code names a package: content-addressed, so that two functions with the same
// bytes share it.
type Code struct {
	// SHA256 is the digest of the zip in base64, as CodeSha256 shows it.
	SHA256 string
	// Size is the zip's size in bytes.
	Size int64
	// Unzipped is the sum of its files, in bytes; 0 if it was not recorded.
	Unzipped int64
}

// Logging is a version's LoggingConfig.
type Logging struct {
	Format           string // "Text" or "JSON"
	Group            string
	ApplicationLevel string // JSON only
	SystemLevel      string // JSON only
}

// Status is where a version stands between a wish and its being ready.
type Status struct {
	State            string // Pending, Active, Inactive, Failed
	StateReason      string
	StateReasonCode  string
	Update           string // LastUpdateStatus: Successful, InProgress, Failed; empty while created
	UpdateReason     string
	UpdateReasonCode string
}

// Values of Tracing.
const (
	TracingActive      = "Active"
	TracingPassThrough = "PassThrough"
)

// States and update statuses.
const (
	StatePending     = "Pending"
	StateActive      = "Active"
	StateInactive    = "Inactive"
	StateFailed      = "Failed"
	UpdateSuccessful = "Successful"
	UpdateInProgress = "InProgress"
	UpdateFailed     = "Failed"
)
