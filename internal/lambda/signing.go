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
