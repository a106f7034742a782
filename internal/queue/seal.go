package queue

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sync"
)

// The first byte of an event's body.
const (
	bodyPlain  = 0
	bodySealed = 1
)

const (
	saltBytes = 16
	// maxSeals is how many messages one key seals. Its nonces are counted, so that none
	// is used twice.
	maxSeals = 1 << 31
	// maxOpeners bounds the keys that are kept to open with.
	maxOpeners = 64
	// sealOverhead is by how much a stored message is longer than its plain form: the
	// kind, the salt, the nonce and the tag.
	sealOverhead = 1 + saltBytes + 12 + 16
)

var errSealed = errors.New("a sealed message was changed, or moved to another place")

// sealer encrypts the messages of one queue with AES-256-GCM. Each process has a key
// of its own for it, derived from the queue's by a random salt that goes with every
// message; a message is bound to its ID.
type sealer struct {
	key []byte // of the queue

	mu      sync.Mutex
	salt    []byte
	current cipher.AEAD
	sealed  uint64
	openers map[string]cipher.AEAD // by salt
}

func (s *sealer) derive(salt []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, s.key, salt, "message", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// next is the key to seal one message with, and its nonce.
func (s *sealer) next() (aead cipher.AEAD, salt, nonce []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil || s.sealed >= maxSeals {
		salt := make([]byte, saltBytes)
		rand.Read(salt)
		if s.current, err = s.derive(salt); err != nil {
			return nil, nil, nil, err
		}
		s.salt, s.sealed = salt, 0
	}
	s.sealed++
	return s.current, s.salt, binary.BigEndian.AppendUint64(make([]byte, 4), s.sealed), nil
}

// seal is the stored form of a message with an ID.
func (s *sealer) seal(id string, plain []byte) ([]byte, error) {
	aead, salt, nonce, err := s.next()
	if err != nil {
		return nil, err
	}
	b := append(make([]byte, 0, len(plain)+sealOverhead), bodySealed)
	b = append(append(b, salt...), nonce...)
	return aead.Seal(b, nonce, plain, []byte(id)), nil
}

// open reads what seal wrote.
func (s *sealer) open(id string, sealed []byte) ([]byte, error) {
	const head = 1 + saltBytes + 12
	if len(sealed) < head || sealed[0] != bodySealed {
		return nil, errSealed
	}
	aead, err := s.opener(sealed[1 : 1+saltBytes])
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, sealed[1+saltBytes:head], sealed[head:], []byte(id))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

func (s *sealer) opener(salt []byte) (cipher.AEAD, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if aead := s.openers[string(salt)]; aead != nil {
		return aead, nil
	}
	aead, err := s.derive(salt)
	if err != nil {
		return nil, err
	}
	if s.openers == nil || len(s.openers) >= maxOpeners {
		s.openers = map[string]cipher.AEAD{}
	}
	s.openers[string(salt)] = aead
	return aead, nil
}
