package trace

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"strings"
)

// A lineage is "1:" and eight hexadecimal digits that name a chain of invocations,
// ":", and how many invocations the chain has had before this one. A function gets
// it in its trace header, and the SDKs send it on with what the function calls.

// maxHops bounds the count: far above where a chain is ended.
const maxHops = 1 << 15

// newLineage begins a chain.
func newLineage() string {
	var random [4]byte
	rand.Read(random[:])
	return "1:" + hex.EncodeToString(random[:]) + ":0"
}

// nextLineage is that of an invocation whose caller is part of a chain; one of
// another form begins anew.
func nextLineage(lineage string) string {
	chain, hops, ok := cutLineage(lineage)
	if !ok {
		return newLineage()
	}
	return chain + ":" + strconv.Itoa(min(hops+1, maxHops))
}

func cutLineage(lineage string) (chain string, hops int, ok bool) {
	const name = len("1:00000000")
	if len(lineage) < name+2 || lineage[:2] != "1:" || lineage[name] != ':' || len(lineage) > name+6 {
		return "", 0, false
	}
	if _, err := hex.DecodeString(lineage[2:name]); err != nil {
		return "", 0, false
	}
	hops, err := strconv.Atoi(lineage[name+1:])
	return lineage[:name], hops, err == nil && hops >= 0
}

// Hops is how many invocations the chain of a header has had before this one.
func Hops(header string) int {
	const field = Lineage + "="
	rest, first := strings.CutPrefix(header, field)
	if !first {
		_, rest, _ = strings.Cut(header, ";"+field)
	}
	lineage, _, _ := strings.Cut(rest, ";")
	_, hops, ok := cutLineage(lineage)
	if !ok {
		return 0
	}
	return hops
}
