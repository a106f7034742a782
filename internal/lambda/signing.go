package lambda

import (
	"crypto/rand"
	"strings"
	"time"
)

// SigningConfig is a code signing configuration: whose signatures the code of the
// functions that have it must bear. It is a record of its own.
type SigningConfig struct {
	// ID is "csc-" and 17 lower-case letters and digits.
	ID          string
	Description string
	// Publishers are the ARNs of the signing profiles that are trusted.
	Publishers   []string
	Policy       string // SigningWarn or SigningEnforce
	Tags         map[string]string
	LastModified time.Time
}

// What becomes of code without a trusted signature.
const (
	SigningWarn    = "Warn"
	SigningEnforce = "Enforce"
)

const (
	signingKind     = ":code-signing-config:"
	signingIDPrefix = "csc-"
	signingIDLength = 17 // without the prefix
)

// NewSigningConfigID makes the ID of a new configuration.
func NewSigningConfigID() string {
	return signingIDPrefix + strings.ToLower(rand.Text()[:signingIDLength])
}

// SigningConfigARN is the ARN of a code signing configuration.
func (s Scope) SigningConfigARN(id string) string {
	return "arn:" + s.Partition + ":lambda:" + s.Region + ":" + s.Account + signingKind + id
}

// SigningConfigID is the ID in the ARN of a configuration of this account and
// region; ok is false for every other text.
func (s Scope) SigningConfigID(arn string) (id string, ok bool) {
	_, id, ok = strings.Cut(arn, signingKind)
	return id, ok && s.SigningConfigARN(id) == arn
}

// Signer is a signing profile: a name for those whose signatures may be trusted,
// with a version for each of their keys. It is a record of its own.
type Signer struct {
	Name     string
	Versions []SignerVersion // in the order in which they were added
}

// SignerVersion is one key.
type SignerVersion struct {
	Version string // ten letters and digits, derived from the key
	// Key is the public key in PKIX form.
	Key     []byte
	AddedAt time.Time
	// RevokedAt is when its signatures stopped being trusted; zero if they are.
	RevokedAt time.Time
}

// Signed is what is known of a package's signature since it came. The zero value
// is a package that nobody known has signed.
type Signed struct {
	Signer  string
	Version string
	// Job is the UUID of the act of signing.
	Job       string
	ExpiresAt time.Time
	// Broken is set if the signature does not fit the package.
	Broken bool
}

// SignerARN is the ARN of a signing profile; of one version unless that is empty.
func (s Scope) SignerARN(name, version string) string {
	arn := "arn:" + s.Partition + ":signer:" + s.Region + ":" + s.Account + ":/signing-profiles/" + name
	if version != "" {
		arn += "/" + version
	}
	return arn
}

// SigningJobARN is the ARN of the act of signing.
func (s Scope) SigningJobARN(job string) string {
	return "arn:" + s.Partition + ":signer:" + s.Region + ":" + s.Account + ":/signing-jobs/" + job
}
