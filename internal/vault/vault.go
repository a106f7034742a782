// Package vault keeps the master key of a data directory and seals with it what
// must not lie on a disk in the clear: records and the secrets of access keys.
//
// Vocabulary: a master key is 32 random bytes, known by an ID of eight bytes
// that is computed from it; the key file holds one or more of them. The first is
// the current one: it seals. All of them unseal, so that a key can be replaced:
// a new one is put in front, what is read is sealed anew, the old one goes.
//
// What is sealed is bound to its place, a text that the caller chooses and has
// to tell again: a sealed record that was copied over another one is refused.
// The seal is AES-256-GCM with a random nonce, good for 2^32 seals of one key.
// docs/file-formats.md shows the bytes.
//
// A Vault is immutable; all methods may be called from any goroutine.
package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

const (
	secretBytes = 32
	idBytes     = 8
	nonceBytes  = 12
	tagBytes    = 16
)

// magic begins whatever is sealed: a byte that neither JSON nor gzip begins
// with, two letters, and the version of the format.
const magic = "\xf7TV\x01"

// headerBytes is the part in front of the nonce: magic and key ID.
const headerBytes = len(magic) + idBytes

// Overhead is by how many bytes the sealed form is longer than the plain one.
const Overhead = headerBytes + nonceBytes + tagBytes

var (
	// ErrNoKey is for what was sealed with a master key that this vault lacks.
	ErrNoKey = errors.New("sealed with another master key")
	// ErrBroken is for what was changed, or moved to another place, since it was
	// sealed.
	ErrBroken = errors.New("sealed bytes were changed or moved")
)

type keyID [idBytes]byte

// Vault seals and unseals.
type Vault struct {
	current keyID
	ciphers map[keyID]cipher.AEAD
}

// newVault takes the secrets of master keys, the current one first.
func newVault(secrets [][]byte) (*Vault, error) {
	v := &Vault{ciphers: make(map[keyID]cipher.AEAD, len(secrets))}
	for i, secret := range secrets {
		block, err := aes.NewCipher(secret)
		if err != nil {
			return nil, err
		}
		sealer, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		id := idOf(secret)
		if i == 0 {
			v.current = id
		}
		v.ciphers[id] = sealer
	}
	return v, nil
}

// idOf names a key by what it is, so that no file can give it another's name.
func idOf(secret []byte) (id keyID) {
	sum := sha256.Sum256(append([]byte("thaw master key\n"), secret...))
	copy(id[:], sum[:])
	return id
}

// KeyID is the ID of the current key, in hexadecimal digits.
func (v *Vault) KeyID() string { return hex.EncodeToString(v.current[:]) }

// Has tells whether a key of this ID is among the vault's.
func (v *Vault) Has(id string) bool {
	raw, err := hex.DecodeString(id)
	if err != nil || len(raw) != idBytes {
		return false
	}
	_, ok := v.ciphers[keyID(raw)]
	return ok
}

// Seal encrypts with the current key, for one place.
func (v *Vault) Seal(place string, plain []byte) []byte {
	sealed := make([]byte, 0, len(plain)+Overhead)
	sealed = append(append(sealed, magic...), v.current[:]...)
	return v.ciphers[v.current].Seal(sealed, nil, plain, bound(sealed, place))
}

// Unseal returns what was sealed for the same place.
func (v *Vault) Unseal(place string, sealed []byte) ([]byte, error) {
	if !IsSealed(sealed) {
		return nil, ErrBroken
	}
	header := sealed[:headerBytes]
	opener, ok := v.ciphers[keyID(header[len(magic):])]
	if !ok {
		return nil, fmt.Errorf("%w: its ID is %x, the key file's current one %x", ErrNoKey, header[len(magic):], v.current)
	}
	plain, err := opener.Open(nil, nil, sealed[headerBytes:], bound(header, place))
	if err != nil {
		return nil, ErrBroken
	}
	return plain, nil
}

// bound is what is authenticated beside the plain text.
func bound(header []byte, place string) []byte {
	return append(append(make([]byte, 0, len(header)+len(place)), header...), place...)
}

// IsSealed tells sealed bytes from plain JSON and gzip.
func IsSealed(b []byte) bool {
	return len(b) >= Overhead && string(b[:len(magic)]) == magic
}

// IsCurrent tells what is sealed with the current key from what is to be sealed
// anew.
func (v *Vault) IsCurrent(b []byte) bool {
	return IsSealed(b) && keyID(b[len(magic):headerBytes]) == v.current
}

// newSecret makes a master key.
func newSecret() []byte {
	secret := make([]byte, secretBytes)
	rand.Read(secret)
	return secret
}
