package sigv4

import (
	"sync"
	"sync/atomic"
)

// maxCached bounds the derived keys held. A key is good for one day, region and
// service, so that a server with a few dozen access keys never comes near.
const maxCached = 1024

// derivedKeys remembers signing keys: deriving one is four HMACs, more than the
// rest of the verification. It forgets everything when full, which costs one
// derivation per key in use.
type derivedKeys struct {
	entries sync.Map // scopeKey → derivedKey
	count   atomic.Int64
}

type scopeKey struct{ keyID, date, region, service string }

type derivedKey struct {
	secret string // as it was: a key whose secret changed is derived anew
	key    []byte
}

func (d *derivedKeys) key(a authorization, secret string) []byte {
	scope := scopeKey{a.keyID, a.date, a.region, a.service}
	if e, ok := d.entries.Load(scope); ok {
		if known := e.(derivedKey); known.secret == secret {
			return known.key
		}
	}
	key := hmacSHA256([]byte("AWS4"+secret), a.date)
	key = hmacSHA256(key, a.region)
	key = hmacSHA256(key, a.service)
	key = hmacSHA256(key, terminator)
	if d.count.Add(1) > maxCached {
		d.entries.Clear()
		d.count.Store(1)
	}
	d.entries.Store(scope, derivedKey{secret, key})
	return key
}
