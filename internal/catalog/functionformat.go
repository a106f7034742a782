package catalog

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"thaw/internal/lambda"
)

// A function's record has parts, so that none of it is decoded before it is needed:
//
//	version    1 byte: 2
//	summary    length, unsigned varint, and bytes: see Summary.encode
//	function   length and bytes: JSON, all but the published versions
//	published  the rest: JSON, or nothing if there is none
//
// The published versions of a function are much alike. What they have in common is
// decoded, and lies in memory, once:
//
//	{"configurations":[{…},…],"versions":[{"number":"1",…,"configuration":0},…]}
//
// Parts of JSON are gzipped when they are large. For members that are added, what
// the comment of formatVersion says is true here too; the summary has no room for
// them.
const functionVersion = 2

// compressPublishedAbove is the size from which published versions are gzipped, in
// bytes. It is most of what a server with many versions has to read when it starts.
const compressPublishedAbove = 4 << 10

type publishedFormat struct {
	Configurations []versionFormat  `json:"configurations"`
	Versions       []distinctFormat `json:"versions"`
}

// distinctFormat is what each version has of its own.
type distinctFormat struct {
	Number        string     `json:"number"`
	Description   string     `json:"description,omitempty"`
	Code          codeFormat `json:"code"`
	RevisionID    string     `json:"revisionId"`
	Modified      time.Time  `json:"modified"`
	From          *string    `json:"publishedFrom,omitempty"`
	Configuration int        `json:"configuration"` // index
}

func encodeFunction(f *lambda.Function) ([]byte, error) {
	summary := summaryOf(f)
	function, err := part(formatFunction(f), compressAbove)
	if err != nil {
		return nil, err
	}
	record := []byte{functionVersion}
	for _, bytes := range [][]byte{summary.encode(), function} {
		record = append(binary.AppendUvarint(record, uint64(len(bytes))), bytes...)
	}
	if len(f.Versions) == 0 {
		return record, nil
	}
	published, err := formatPublished(f.Versions)
	if err != nil {
		return nil, err
	}
	rest, err := part(published, compressPublishedAbove)
	return append(record, rest...), err
}

// part is JSON, gzipped if it is larger than the bound.
func part(format any, above int) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(format); err != nil {
		return nil, err
	}
	if b.Len() <= above {
		return b.Bytes(), nil
	}
	return compress(b.Bytes())
}

func readPart(b []byte, format any) error {
	if bytes.HasPrefix(b, []byte(gzipMagic)) {
		plain, err := decompress(b)
		if err != nil {
			return err
		}
		b = plain
	}
	return json.Unmarshal(b, format)
}

func formatPublished(versions []lambda.Version) (*publishedFormat, error) {
	published := &publishedFormat{}
	index := map[string]int{} // of a configuration, by its JSON
	for i := range versions {
		common := formatVersionOf(&versions[i])
		distinct := distinctFormat{Number: common.Number, Description: common.Description, Code: common.Code,
			RevisionID: common.RevisionID, Modified: common.Modified, From: common.From}
		common.Number, common.Description, common.RevisionID, common.From = "", "", "", nil
		common.Code, common.Modified = codeFormat{}, time.Time{}
		text, err := json.Marshal(common)
		if err != nil {
			return nil, err
		}
		at, known := index[string(text)]
		if !known {
			at = len(published.Configurations)
			index[string(text)] = at
			published.Configurations = append(published.Configurations, common)
		}
		distinct.Configuration = at
		published.Versions = append(published.Versions, distinct)
	}
	return published, nil
}

// versions share what they have in common.
func (p *publishedFormat) versions() ([]lambda.Version, error) {
	configurations := make([]lambda.Version, len(p.Configurations))
	for i := range p.Configurations {
		configurations[i] = p.Configurations[i].version()
	}
	versions := make([]lambda.Version, len(p.Versions))
	for i, d := range p.Versions {
		if d.Configuration < 0 || d.Configuration >= len(configurations) {
			return nil, errors.New("a version's configuration is not in the record")
		}
		v := &versions[i]
		*v = configurations[d.Configuration]
		v.Number, v.Description, v.Code = d.Number, d.Description, lambda.Code(d.Code)
		v.RevisionID, v.LastModified, v.PublishedFrom = d.RevisionID, d.Modified, d.From
	}
	return versions, nil
}

// parts is a record, taken apart.
type parts struct{ summary, function, published []byte }

// split takes a record of version 2 apart. Those of version 1 are JSON, which begins
// with another byte.
func split(value []byte) (p parts, ok bool, err error) {
	if len(value) == 0 || value[0] != functionVersion {
		return p, false, nil
	}
	r := reader{rest: value[1:]}
	p.summary, p.function = r.text(), r.text()
	p.published = r.rest
	return p, true, r.err
}

func decodeSummary(value []byte) (Summary, error) {
	p, ok, err := split(value)
	if err != nil {
		return Summary{}, err
	}
	if ok {
		return readSummary(p.summary)
	}
	f, err := decodeEarlier(value)
	if err != nil {
		return Summary{}, err
	}
	return summaryOf(f), nil
}

func decodeFunction(value []byte) (*lambda.Function, error) {
	p, ok, err := split(value)
	if err != nil {
		return nil, err
	}
	if !ok {
		return decodeEarlier(value)
	}
	f, err := p.unpublished()
	if err != nil || len(p.published) == 0 {
		return f, err
	}
	var published publishedFormat
	if err := readPart(p.published, &published); err != nil {
		return nil, err
	}
	f.Versions, err = published.versions()
	return f, err
}

// decodeUnpublished leaves the published versions out, unless the record is of
// version 1.
func decodeUnpublished(value []byte) (*lambda.Function, error) {
	p, ok, err := split(value)
	if err != nil {
		return nil, err
	}
	if !ok {
		return decodeEarlier(value)
	}
	return p.unpublished()
}

func (p *parts) unpublished() (*lambda.Function, error) {
	var format functionFormat
	if err := readPart(p.function, &format); err != nil {
		return nil, err
	}
	return format.function(), nil
}

// decodeEarlier reads version 1.
func decodeEarlier(value []byte) (*lambda.Function, error) {
	e, err := unwrap(value)
	if err != nil {
		return nil, err
	}
	if e.Function == nil {
		return nil, errors.New("no function in the record")
	}
	return e.Function.function(), nil
}
