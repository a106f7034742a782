package sigv4

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// The parameters of a presigned request.
const (
	paramAlgorithm     = "X-Amz-Algorithm"
	paramCredential    = "X-Amz-Credential"
	paramDate          = "X-Amz-Date"
	paramExpires       = "X-Amz-Expires"
	paramSignedHeaders = "X-Amz-SignedHeaders"
	paramSignature     = "X-Amz-Signature"
	paramToken         = "X-Amz-Security-Token"
	paramContentHash   = "X-Amz-Content-Sha256"
)

// query is the decoded pairs of a query, in the order in which they were sent.
type query []pair

type pair struct{ name, value string }

// parseQuery decodes a query. One that cannot be decoded is refused: signer and
// server could read it in different ways.
func parseQuery(raw string) (query, error) {
	if raw == "" {
		return nil, nil
	}
	var q query
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		plainName, err := url.QueryUnescape(name)
		if err != nil {
			return nil, invalid("The query-string parameter '%s' is not well encoded.", part)
		}
		plainValue, err := url.QueryUnescape(value)
		if err != nil {
			return nil, invalid("The query-string parameter '%s' is not well encoded.", part)
		}
		q = append(q, pair{plainName, plainValue})
	}
	return q, nil
}

func (q query) get(name string) string {
	for _, p := range q {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// presigned tells whether the query has any part of a signature.
func (q query) presigned() bool {
	for _, p := range q {
		if p.name == paramAlgorithm || p.name == paramCredential || p.name == paramSignature {
			return true
		}
	}
	return false
}

// repeats tells whether a parameter of the signature is there twice.
func (q query) repeats() bool {
	seen := map[string]bool{}
	for _, p := range q {
		if strings.HasPrefix(p.name, "X-Amz-") && seen[p.name] {
			return true
		}
		seen[p.name] = true
	}
	return false
}

// canonical sorts the pairs by their escaped form and leaves out the signature,
// which cannot sign itself.
func (q query) canonical() string {
	if len(q) == 0 {
		return ""
	}
	escaped := make(query, 0, len(q))
	for _, p := range q {
		if p.name != paramSignature {
			escaped = append(escaped, pair{escape(p.name), escape(p.value)})
		}
	}
	slices.SortFunc(escaped, func(a, b pair) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.value, b.value))
	})
	var b strings.Builder
	for i, p := range escaped {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.name)
		b.WriteByte('=')
		b.WriteString(p.value)
	}
	return b.String()
}
