package queue

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// Digest is the MD5 of a body, as clients compare it.
func Digest(body string) string {
	sum := md5.Sum([]byte(body))
	return hex.EncodeToString(sum[:])
}

// DigestAttributes is the MD5 of attributes: of each, by name, its name, its type,
// a byte for how the value travels, and the value, all but the byte after their
// length. It is empty for none.
func DigestAttributes(attributes map[string]Attribute) string {
	if len(attributes) == 0 {
		return ""
	}
	h := md5.New()
	write := func(text []byte) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text))))
		h.Write(text)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		write([]byte(name))
		write([]byte(a.Type))
		transport := byte(1)
		if a.Binary() {
			transport = 2
		}
		h.Write([]byte{transport})
		write(a.Value)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Binary tells whether the value travels as bytes.
func (a Attribute) Binary() bool { return a.Kind() == "Binary" }

// Kind is the type without its label.
func (a Attribute) Kind() string {
	kind, _, _ := strings.Cut(a.Type, ".")
	return kind
}
