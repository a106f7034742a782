package catalog

import (
	"encoding/binary"
	"errors"
	"iter"

	"thaw/internal/lambda"
)

// Summary is what is asked of all functions at once. It stands in front of each
// function's record.
type Summary struct {
	// CodeSize is the sum of the zipped sizes of all versions, in bytes.
	CodeSize int64
	// Reserved is the reserved concurrency; nil means none.
	Reserved *int
	// Provisioned is the sum of the provisioned concurrency.
	Provisioned int
	// Signing is the ID of the code signing configuration, or empty.
	Signing string
	// URLs tells whether the function or an alias of it has a URL.
	URLs bool
	// Unfinished tells whether a change of a version has not come to its end.
	Unfinished bool
	// code is the digests of all packages, of layers too, each once and with its
	// length in front, an unsigned varint.
	code string
}

func summaryOf(f *lambda.Function) Summary {
	s := Summary{Reserved: f.Reserved, Provisioned: f.Configs.TotalProvisioned(), Signing: f.Configs.Signing,
		URLs: len(f.Configs.URLs) > 0, Unfinished: !f.Settled()}
	var code []byte
	seen := map[string]bool{}
	name := func(digest string) {
		if !seen[digest] {
			seen[digest] = true
			code = appendText(code, digest)
		}
	}
	add := func(v *lambda.Version) {
		s.CodeSize += v.Code.Size
		name(v.Code.SHA256)
		for _, l := range v.Layers {
			name(l.Code.SHA256)
		}
	}
	add(&f.Latest)
	for i := range f.Versions {
		add(&f.Versions[i])
	}
	s.code = string(code)
	return s
}

// Claim is what the function takes from its account's concurrency, as
// lambda.Function has it.
func (s *Summary) Claim() int {
	if s.Reserved != nil {
		return *s.Reserved
	}
	return s.Provisioned
}

// digests are those of the packages that the function needs.
func (s *Summary) digests() iter.Seq[string] {
	return func(yield func(string) bool) {
		for rest := s.code; rest != ""; {
			length, n := uvarint(rest)
			if !yield(rest[n : n+length]) {
				return
			}
			rest = rest[n+length:]
		}
	}
}

// uvarint is binary.Uvarint for a string that was checked.
func uvarint(s string) (value, n int) {
	for shift := 0; ; shift += 7 {
		b := s[n]
		n++
		value |= int(b&0x7f) << shift
		if b < 0x80 {
			return value, n
		}
	}
}

// Bits of a summary's first byte.
const (
	summaryReserved = 1 << iota
	summaryURLs
	summaryUnfinished

	summaryBits = summaryReserved | summaryURLs | summaryUnfinished
)

func (s *Summary) encode() []byte {
	var flags byte
	if s.Reserved != nil {
		flags |= summaryReserved
	}
	if s.URLs {
		flags |= summaryURLs
	}
	if s.Unfinished {
		flags |= summaryUnfinished
	}
	b := []byte{flags}
	b = binary.AppendUvarint(b, uint64(s.CodeSize))
	b = binary.AppendUvarint(b, uint64(s.Provisioned))
	if s.Reserved != nil {
		b = binary.AppendUvarint(b, uint64(*s.Reserved))
	}
	b = appendText(b, s.Signing)
	return append(b, s.code...)
}

var errSummary = errors.New("broken summary")

// readSummary is the opposite of encode.
func readSummary(b []byte) (s Summary, err error) {
	if len(b) == 0 || b[0]&^summaryBits != 0 {
		return s, errSummary
	}
	flags, r := b[0], reader{b[1:], nil}
	s.URLs, s.Unfinished = flags&summaryURLs != 0, flags&summaryUnfinished != 0
	s.CodeSize, s.Provisioned = int64(r.number()), int(r.number())
	if flags&summaryReserved != 0 {
		s.Reserved = new(int(r.number()))
	}
	s.Signing = string(r.text())
	s.code = string(r.rest)
	for len(r.rest) > 0 {
		r.text()
	}
	return s, r.err
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// reader takes a record apart. After its first error it has nothing left.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) number() uint64 {
	value, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.rest, r.err = nil, errSummary
		return 0
	}
	r.rest = r.rest[n:]
	return value
}

func (r *reader) text() []byte {
	length := r.number()
	if length > uint64(len(r.rest)) {
		r.rest, r.err = nil, errSummary
		return nil
	}
	text := r.rest[:length]
	r.rest = r.rest[length:]
	return text
}
