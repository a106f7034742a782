package conformance_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
)

// varying are values that differ from run to run wherever they occur. Those that
// are counted keep their identity: "<1>" is the first that was met.
var varying = []struct {
	pattern *regexp.Regexp
	name    string
	counted bool
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "uuid", true},
	{regexp.MustCompile(`csc-[0-9a-z]{17}`), "signing", true},
	{regexp.MustCompile(`[A-Za-z0-9+/]{43}=`), "sha256", true},
	{regexp.MustCompile(`runtime:[0-9a-f]{64}`), "runtime", false},
	{regexp.MustCompile(`\.v\d+\t`), "patch", false},
	{regexp.MustCompile(`https?://[^"\s]+`), "url", false},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.0-9]*(Z|[+-]\d\d:?\d\d)?`), "date", false},
	{regexp.MustCompile(`\d{4}/\d\d/\d\d/\[[^\]]*\][0-9a-f]{32}`), "stream", false},
	{regexp.MustCompile(`[0-9.]+ (ms|MB)`), "measured", false},
}

// digest sums up the answers of a case without what varies.
func digest(answers map[string]any) (sum, canonical string) {
	seen := make(map[string]int)
	text, err := json.MarshalIndent(settle(answers, seen), "", " ")
	if err != nil {
		return "", err.Error()
	}
	hash := sha256.Sum256(text)
	return hex.EncodeToString(hash[:8]), string(text)
}

func settle(v any, seen map[string]int) any {
	switch v := v.(type) {
	case map[string]any:
		settled := make(map[string]any, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			switch key {
			case "LogResult": // base64 of lines with times in them
				settled[key] = "<log>"
			case "MD5OfBody", "MD5OfMessageAttributes", "ReceiptHandle", "AWSTraceHeader", "SenderId":
				settled[key] = "<text>"
			case "CodeSize", "SentTimestamp", "ApproximateFirstReceiveTimestamp", "eventId", "timestamp", "ingestionTime":
				settled[key] = "<number>"
			default:
				settled[key] = settle(v[key], seen)
			}
		}
		return settled
	case []any:
		settled := make([]any, len(v))
		for i := range v {
			settled[i] = settle(v[i], seen)
		}
		return settled
	case string:
		for _, kind := range varying {
			v = kind.pattern.ReplaceAllStringFunc(v, func(value string) string {
				if !kind.counted {
					return "<" + kind.name + ">"
				}
				if seen[value] == 0 {
					seen[value] = len(seen) + 1
				}
				return fmt.Sprintf("<%s:%d>", kind.name, seen[value])
			})
		}
		return v
	}
	return v
}
