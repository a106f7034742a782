package catalog

import (
	"thaw/internal/lambda"
)

// Part is one part of JSON of a function's record, unpacked.
type Part struct {
	Name string
	Text []byte
}

// Parts takes a function's record apart.
func Parts(value []byte) (list []Part, err error) {
	p, _, err := split(value)
	if err != nil {
		return nil, err
	}
	for _, one := range []Part{{"function", p.function}, {"published", p.published}} {
		if len(one.Text) > 0 && one.Text[0] != '{' {
			if one.Text, err = decompress(one.Text); err != nil {
				return nil, err
			}
		}
		list = append(list, one)
	}
	return list, nil
}

// EncodeEarlier writes version 1, as servers before version 2 did.
func EncodeEarlier(f *lambda.Function) ([]byte, error) {
	format := formatFunction(f)
	for i := range f.Versions {
		format.Versions = append(format.Versions, formatVersionOf(&f.Versions[i]))
	}
	return wrap(envelope{Function: format})
}

// What is read of a record in part.
var (
	DecodeSummary     = decodeSummary
	SummaryOf         = summaryOf
	DecodeUnpublished = decodeUnpublished
)

// Digests are those that a summary names.
func Digests(s Summary) (list []string) {
	for digest := range s.digests() {
		list = append(list, digest)
	}
	return list
}

// DecodedFunctions is how many functions are kept decoded.
func (c *Catalog) DecodedFunctions() (n int) {
	for _, l := range c.List() {
		if l.decoded.Load() != nil {
			n++
		}
	}
	return n
}
