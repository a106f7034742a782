// Package signing signs packages and verifies their signatures.
//
// Vocabulary. A signed package is a zip whose comment is a signature: a Sigstore
// bundle, in JSON, with an envelope (DSSE) around an in-toto statement, which
// tells the SHA-256 of the package and until when it may be deployed. The package
// that is hashed is the zip without a comment: all its bytes up to the comment's
// length, which is taken as 0. So every byte counts, and unzipping works as before.
// A key is told by its ID: the SHA-256 of its public half in PKIX form.
//
// Which key belongs to whom, and whether it is trusted, is not this package's
// matter: docs/decisions/007 tells why it is cut this way.
package signing

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"time"
)

// What a signature says of itself.
const (
	bundleType    = "application/vnd.dev.sigstore.bundle.v0.3+json"
	payloadType   = "application/vnd.in-toto+json"
	statementType = "https://in-toto.io/Statement/v1"
	predicateType = "urn:thaw:package-signature:1"
)

// The end of a zip's central directory: APPNOTE.TXT, 4.3.16.
const (
	endSignature = "PK\x05\x06"
	endLength    = 22
	maxComment   = 1<<16 - 1
)

var (
	// ErrBroken is a signature that is not of this package, or not what it says.
	ErrBroken = errors.New("the signature does not fit the package")
	// ErrKey is a key that is of no use here.
	ErrKey = errors.New("the key must be an ECDSA or Ed25519 key in PEM: PKCS #8 if private, PKIX if public")
	errZip = errors.New("not a zip")
)

// Statement is what is signed beside the digest.
type Statement struct {
	Job       string    `json:"job"` // a UUID, new for every signature
	SignedAt  time.Time `json:"signedAt"`
	ExpiresAt time.Time `json:"expiresAt"`
}

type bundle struct {
	MediaType    string `json:"mediaType"`
	Verification struct {
		PublicKey struct {
			Hint string `json:"hint"`
		} `json:"publicKey"`
	} `json:"verificationMaterial"`
	Envelope struct {
		Payload    []byte         `json:"payload"`
		Type       string         `json:"payloadType"`
		Signatures []envelopeSeal `json:"signatures"`
	} `json:"dsseEnvelope"`
}

type envelopeSeal struct {
	Sig []byte `json:"sig"`
}

type inToto struct {
	Type      string    `json:"_type"`
	Subject   []subject `json:"subject"`
	Predicate string    `json:"predicateType"`
	Statement Statement `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// KeyID is the ID of a public key.
func KeyID(key crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return base64.StdEncoding.EncodeToString(sum[:]), nil
}

// PublicKey reads a public key in PEM.
func PublicKey(text []byte) (crypto.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, ErrKey
	}
	return ParsePublicKey(block.Bytes)
}

// ParsePublicKey reads a public key in PKIX form.
func ParsePublicKey(der []byte) (crypto.PublicKey, error) {
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, ErrKey
	}
	switch key.(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return key, nil
	}
	return nil, ErrKey
}

// PrivateKey reads a private key in PEM.
func PrivateKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, ErrKey
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, ErrKey
	}
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		return key, nil
	case ed25519.PrivateKey:
		return key, nil
	}
	return nil, ErrKey
}

// Sign returns a zip with a signature as its comment, in the place of any other.
func Sign(zip []byte, key crypto.Signer, s Statement) ([]byte, error) {
	at, _, err := findEnd(bytes.NewReader(zip), int64(len(zip)))
	if err != nil {
		return nil, err
	}
	plain := bytes.Clone(zip[:at+endLength])
	plain[at+endLength-2], plain[at+endLength-1] = 0, 0
	sum := sha256.Sum256(plain)
	payload, err := json.Marshal(inToto{
		Type: statementType, Predicate: predicateType, Statement: s,
		Subject: []subject{{Name: "package.zip", Digest: map[string]string{"sha256": hex.EncodeToString(sum[:])}}},
	})
	if err != nil {
		return nil, err
	}
	var b bundle
	b.MediaType, b.Envelope.Type, b.Envelope.Payload = bundleType, payloadType, payload
	if b.Verification.PublicKey.Hint, err = KeyID(key.Public()); err != nil {
		return nil, err
	}
	seal, err := seal(key, authenticated(payload))
	if err != nil {
		return nil, err
	}
	b.Envelope.Signatures = []envelopeSeal{{seal}}
	comment, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	binary.LittleEndian.PutUint16(plain[at+endLength-2:], uint16(len(comment))) // about 1,000: it is ours
	return append(plain, comment...), nil
}

func seal(key crypto.Signer, message []byte) ([]byte, error) {
	if _, ok := key.(ed25519.PrivateKey); ok {
		return key.Sign(rand.Reader, message, crypto.Hash(0))
	}
	sum := sha256.Sum256(message)
	return key.Sign(rand.Reader, sum[:], crypto.SHA256)
}

// authenticated is what an envelope's signature is of: the pre-authentication
// encoding of DSSE.
func authenticated(payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
}

// Signature is the signature of one package.
type Signature struct {
	// KeyID is of the key that is said to have signed.
	KeyID string

	payload, seal []byte
	digest        string // of the package, in hexadecimal
}

// Read returns the signature of a package; nil if it has none, or is no zip. A
// comment that begins like a signature and is not one is ErrBroken.
func Read(r io.ReaderAt, size int64) (*Signature, error) {
	at, comment, err := findEnd(r, size)
	if errors.Is(err, errZip) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(comment, []byte(`"`+bundleType+`"`)) {
		return nil, nil
	}
	var b bundle
	if json.Unmarshal(comment, &b) != nil || b.MediaType != bundleType || b.Envelope.Type != payloadType || len(b.Envelope.Signatures) != 1 {
		return nil, ErrBroken
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, io.NewSectionReader(r, 0, at+endLength-2)); err != nil {
		return nil, fmt.Errorf("read package: %w", err)
	}
	hash.Write([]byte{0, 0})
	return &Signature{
		KeyID: b.Verification.PublicKey.Hint, payload: b.Envelope.Payload, seal: b.Envelope.Signatures[0].Sig,
		digest: hex.EncodeToString(hash.Sum(nil)),
	}, nil
}

// Verify tells what a key has signed. ErrBroken means that the package, the
// statement or the signature was changed, or that another key has signed.
func (s *Signature) Verify(key crypto.PublicKey) (Statement, error) {
	message, good := authenticated(s.payload), false
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(message)
		good = ecdsa.VerifyASN1(key, sum[:], s.seal)
	case ed25519.PublicKey:
		good = ed25519.Verify(key, message, s.seal)
	}
	var signed inToto
	if !good || json.Unmarshal(s.payload, &signed) != nil || signed.Type != statementType || signed.Predicate != predicateType ||
		len(signed.Subject) != 1 || signed.Subject[0].Digest["sha256"] != s.digest {
		return Statement{}, ErrBroken
	}
	return signed.Statement, nil
}

// findEnd is where the end of the central directory begins, and the comment behind
// it. It is the last one, as whoever unzips finds it, and reaches to the last byte.
func findEnd(r io.ReaderAt, size int64) (at int64, comment []byte, err error) {
	tail := make([]byte, min(size, endLength+maxComment))
	if n, err := r.ReadAt(tail, size-int64(len(tail))); n < len(tail) {
		return 0, nil, fmt.Errorf("read package: %w", err)
	}
	i := bytes.LastIndex(tail[:max(0, len(tail)-endLength+len(endSignature))], []byte(endSignature))
	if i < 0 || int(binary.LittleEndian.Uint16(tail[i+endLength-2:])) != len(tail)-i-endLength {
		return 0, nil, errZip
	}
	return size - int64(len(tail)-i), tail[i+endLength:], nil
}
