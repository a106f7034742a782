// Package iam holds who may call and what: the access keys of this server, the
// sessions of its functions, and the one rule that tells what those may do (Access).
//
// Vocabulary: a key is an access key ID with its secret and the name of the user
// it speaks for; a temporary key also has a session token, which its requests
// must carry, and a time at which it expires; the keyring is all keys of one data
// directory, kept in the file keys.json. The first Open of a directory makes one
// key, for the user "administrator".
//
// In the file secrets are sealed by the vault, and of a session token there is
// the digest only. The file is made with mode 0600 all the same, and one that
// others may read is refused. It is replaced in one step, by whoever holds its
// lock (Change); a running server follows it (Follow).
//
// A session is what a function's own credentials speak for: one for each execution
// environment, in memory only, ended with it.
//
// Every method may be called from any goroutine. Lookups of known keys take no
// lock: the keys are an immutable state that is replaced. Only a key that is not
// known makes Secret look at the file at once, for it may have been added since
// Follow did.
package iam

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"thaw/internal/iam/policy"
	"thaw/internal/lambda"
	"thaw/internal/vault"
)

// Administrator is the user that the first key belongs to.
const Administrator = "administrator"

// codeExpiredToken is answered to a temporary key after its time.
const codeExpiredToken = "ExpiredTokenException"

const (
	// idBytes and secretBytes make an ID of 20 and a secret of 40 characters, the
	// lengths that clients expect of the service's own keys.
	idBytes     = 10
	secretBytes = 30
	tokenBytes  = 96
	// permanentPrefix and temporaryPrefix begin the IDs, as the service's do.
	permanentPrefix = "AKIA"
	temporaryPrefix = "ASIA"
)

// Key is one access key.
type Key struct {
	ID        string
	Secret    string
	User      string
	CreatedAt time.Time
	Disabled  bool
	// ExpiresAt is zero for a permanent key.
	ExpiresAt time.Time
	// TokenSHA256 is the digest of a temporary key's session token, in hexadecimal
	// digits; empty for a permanent key.
	TokenSHA256 string
}

// Temporary tells keys that come with a session token.
func (k *Key) Temporary() bool { return k.TokenSHA256 != "" }

// Usable tells whether requests with this key are let in at a time.
func (k *Key) Usable(now time.Time) bool {
	return !k.Disabled && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}

// NewKey makes a permanent key.
func NewKey(user string) Key {
	return Key{
		ID:        permanentPrefix + base32.StdEncoding.EncodeToString(random(idBytes)),
		Secret:    base64.StdEncoding.EncodeToString(random(secretBytes)),
		User:      user,
		CreatedAt: time.Now().UTC().Truncate(time.Second),
	}
}

// NewSession makes a temporary key and its session token, which is kept nowhere.
func NewSession(user string, lifetime time.Duration) (key Key, token string) {
	key = NewKey(user)
	key.ID = temporaryPrefix + key.ID[len(permanentPrefix):]
	key.ExpiresAt = key.CreatedAt.Add(lifetime)
	token = base64.StdEncoding.EncodeToString(random(tokenBytes))
	key.TokenSHA256 = digest(token)
	return key, token
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Keyring is the keys of one data directory.
type Keyring struct {
	dir   string
	vault *vault.Vault
	state atomic.Pointer[state]

	mu     sync.Mutex // orders the reading of the file
	looked time.Time  // when Secret did so last
}

// state is the keys and users as one file had them; it never changes.
type state struct {
	Contents
	byID     map[string]int // of Keys
	policies map[string][]*policy.Policy
	file     os.FileInfo
}

// Open reads the keyring of a data directory, which must exist, and makes it
// with one new key if there is none. A file of an older format is written anew.
func Open(dir string, v *vault.Vault) (*Keyring, error) {
	k, format, err := read(dir, v)
	if err == nil && format == formatVersion {
		return k, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	err = Change(dir, v, func(keys []Key) ([]Key, error) {
		if len(keys) == 0 {
			keys = []Key{NewKey(Administrator)}
		}
		return keys, nil
	})
	if err != nil {
		return nil, err
	}
	return Read(dir, v)
}

// Read reads the keyring of a data directory and changes nothing; the error is
// fs.ErrNotExist if there is none.
func Read(dir string, v *vault.Vault) (*Keyring, error) {
	k, _, err := read(dir, v)
	return k, err
}

func read(dir string, v *vault.Vault) (*Keyring, int, error) {
	s, format, err := load(dir, v)
	if err != nil {
		return nil, 0, fmt.Errorf("read keyring: %w", err)
	}
	k := &Keyring{dir: dir, vault: v}
	k.state.Store(s)
	return k, format, nil
}

// Keys returns all keys in the order in which they were made.
func (k *Keyring) Keys() []Key { return append([]Key(nil), k.state.Load().Keys...) }

// First is the oldest permanent key that is not disabled, the one that a server
// shows its owner: the administrator's, if he has one. There always is one.
func (k *Keyring) First() Key {
	keys := k.state.Load().Keys
	return keys[firstUsable(keys)]
}

// firstUsable is -1 if no request could be signed for ever.
func firstUsable(keys []Key) int {
	first := -1
	for i := range keys {
		switch {
		case keys[i].Disabled || keys[i].Temporary():
		case keys[i].User == Administrator:
			return i
		case first < 0:
			first = i
		}
	}
	return first
}

// administered tells whether the administrator can get in.
func administered(keys []Key) bool {
	i := firstUsable(keys)
	return i >= 0 && keys[i].User == Administrator
}

// Secret finds the secret of an access key that may be used now. A temporary key
// demands its session token, a permanent one demands none. Every error is a
// *lambda.Error.
func (k *Keyring) Secret(id, sessionToken string, now time.Time) (string, error) {
	s := k.state.Load()
	i, ok := s.byID[id]
	if (!ok || s.Keys[i].Disabled) && k.look() {
		s = k.state.Load()
		i, ok = s.byID[id]
	}
	if !ok || s.Keys[i].Disabled || !s.Keys[i].opensWith(sessionToken) {
		return "", errUnrecognized()
	}
	if !s.Keys[i].Usable(now) {
		return "", lambda.Errorf(codeExpiredToken, "The security token included in the request is expired")
	}
	return s.Keys[i].Secret, nil
}

// user is whom a key speaks for. It is for one that has been found before.
func (k *Keyring) user(id string) (user string, temporary, ok bool) {
	s := k.state.Load()
	i, ok := s.byID[id]
	if !ok || s.Keys[i].Disabled {
		return "", false, false
	}
	return s.Keys[i].User, s.Keys[i].Temporary(), true
}

// policies are those of a user.
func (k *Keyring) policies(user string) []*policy.Policy { return k.state.Load().policies[user] }

// entry is what is kept of a user beside his keys.
func (k *Keyring) entry(user string) (User, bool) {
	users := k.state.Load().Users
	at, ok := slices.BinarySearchFunc(users, user, func(u User, name string) int { return strings.Compare(u.Name, name) })
	if !ok {
		return User{Name: user}, false
	}
	return users[at], true
}

// Users returns the users that have policies, or were made by the API, by name.
func (k *Keyring) Users() []User { return slices.Clone(k.state.Load().Users) }

func errUnrecognized() error {
	return lambda.Errorf(lambda.CodeUnrecognizedClient, "The security token included in the request is invalid.")
}

func (k *Key) opensWith(token string) bool {
	if !k.Temporary() {
		return token == ""
	}
	return subtle.ConstantTimeCompare([]byte(digest(token)), []byte(k.TokenSHA256)) == 1
}
