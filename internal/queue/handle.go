package queue

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"time"

	"thaw/internal/lambda"
)

// receipt is what a receipt handle stands for.
type receipt struct {
	id    string // of the message
	token uint64 // of the store's lease
	boot  uint64 // of the process that gave it
}

const (
	receiptFormat = 1
	macBytes      = 16
)

// handle is a receipt as clients see it. It is authenticated: what it names was
// received.
func (r receipt) handle(key []byte) string {
	b := []byte{receiptFormat}
	b = binary.BigEndian.AppendUint64(b, r.boot)
	b = binary.BigEndian.AppendUint64(b, r.token)
	b = append(b, r.id...)
	return base64.StdEncoding.EncodeToString(append(b, mac(key, b)...))
}

func mac(key, text []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("receipt "))
	h.Write(text)
	return h.Sum(nil)[:macBytes]
}

// readReceipt reads a handle that handle has made with the same key.
func readReceipt(key []byte, handle string) (receipt, error) {
	const head = 1 + 8 + 8
	invalid := lambda.Errorf(codeReceipt, "The input receipt handle is invalid.")
	b, err := base64.StdEncoding.DecodeString(handle)
	if err != nil || len(b) < head+macBytes || b[0] != receiptFormat {
		return receipt{}, invalid
	}
	text := b[:len(b)-macBytes]
	if !hmac.Equal(mac(key, text), b[len(text):]) {
		return receipt{}, invalid
	}
	return receipt{id: string(text[head:]), boot: binary.BigEndian.Uint64(text[1:]), token: binary.BigEndian.Uint64(text[9:])}, nil
}

// NewID makes the ID of a message that is sent at a time: a UUID of version 7, so
// that an ID tells the message's age. The same time and a key that is not empty make
// the same ID.
func NewID(at time.Time, key string) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(at.UnixMilli())<<16)
	tail := []byte(lambda.NewUUID())
	if key != "" {
		tail = []byte(key)
	}
	sum := sha256.Sum256(tail)
	copy(b[6:], sum[:])
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// sentAt is the time in an ID; ok is false for what NewID has not made.
func sentAt(id string) (at time.Time, ok bool) {
	if len(id) != 36 || id[8] != '-' {
		return time.Time{}, false
	}
	b, err := hex.DecodeString(id[:8] + id[9:13])
	if err != nil {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(append([]byte{0, 0}, b...)))), true
}
