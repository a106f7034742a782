package queue

import "bytes"

// ReadMessage and AppendMessage are the stored format, for fuzzing.
var (
	ReadMessage   = readMessage
	AppendMessage = appendMessage
)

// ReadReceipt reads a handle; ok is false for one that was not made with the key.
func ReadReceipt(key []byte, handle string) (id string, ok bool) {
	r, err := readReceipt(key, handle)
	return r.id, err == nil
}

// SealAndOpen seals with one sealer of a key, and opens with another, under perhaps
// another ID.
func SealAndOpen(key []byte, id, other string, plain []byte) (same bool, err error) {
	sealed, err := (&sealer{key: key}).seal(id, plain)
	if err != nil {
		return false, err
	}
	opened, err := (&sealer{key: key}).open(other, sealed)
	return bytes.Equal(opened, plain), err
}
