package catalog

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"time"

	"thaw/internal/lambda"
)

// A record is JSON in an envelope that names its version:
//
//	{"v":1,"layer":{…}}
//	{"v":1,"role":{…}}
//	{"v":1,"policy":{…}}
//	{"v":1,"mapping":{…}}
//	{"v":1,"signing":{…}}
//	{"v":1,"signer":{…}}
//	{"v":1,"queue":{…}}
//
// gzipped when it is large: a function's versions are much alike, so that
// thousands fit where a record's limit would leave room for a few hundred. The
// member names are this format's own: they stay when a Go field is renamed. A
// member that is added needs no new version if its absence means what was so
// before; anything else does, and a decoder that still reads the old one.
const formatVersion = 1

const (
	gzipMagic = "\x1f\x8b" // RFC 1952
	// compressAbove is the size from which a record is gzipped, in bytes. Small
	// ones stay readable and quick.
	compressAbove = 16 << 10
	// maxDecoded bounds a record, unpacked, in bytes.
	maxDecoded = 64 << 20
)

type envelope struct {
	Format   int             `json:"v"`
	Function *functionFormat `json:"function,omitempty"`
	Layer    *layerFormat    `json:"layer,omitempty"`
	Mapping  *mappingFormat  `json:"mapping,omitempty"`
	Signing  *signingFormat  `json:"signing,omitempty"`
	Signer   *signerFormat   `json:"signer,omitempty"`
	Role     *Role           `json:"role,omitempty"`
	Policy   *ManagedPolicy  `json:"policy,omitempty"`
	Queue    *queueFormat    `json:"queue,omitempty"`
}

type functionFormat struct {
	Name          string            `json:"name"`
	CreatedAt     time.Time         `json:"createdAt"`
	Latest        versionFormat     `json:"latest"`
	Versions      []versionFormat   `json:"versions,omitempty"` // in records of version 1
	LastPublished int               `json:"lastPublished,omitempty"`
	Aliases       []aliasFormat     `json:"aliases,omitempty"`
	Tags          map[string]string `json:"tags,omitempty"`
	Reserved      *int              `json:"reserved,omitempty"`
	configsFormat
}

type versionFormat struct {
	Number      string            `json:"number,omitzero"` // with the other omitzero: absent where versions share this
	Description string            `json:"description,omitempty"`
	Role        string            `json:"role,omitempty"`
	Runtime     string            `json:"runtime,omitempty"`
	Handler     string            `json:"handler,omitempty"`
	Resources   resourcesFormat   `json:"resources"`
	Environment map[string]string `json:"environment,omitzero"` // none and empty differ
	Code        codeFormat        `json:"code,omitzero"`
	Signed      signedFormat      `json:"signed,omitzero"`
	Logging     loggingFormat     `json:"logging"`
	Layers      []attachedFormat  `json:"layers,omitempty"`
	Tracing     string            `json:"tracing,omitempty"`
	Recorded    recordedFormat    `json:"recorded,omitempty"`
	Status      statusFormat      `json:"status"`
	RevisionID  string            `json:"revisionId,omitzero"`
	Modified    time.Time         `json:"modified,omitzero"`
	From        *string           `json:"publishedFrom,omitempty"`
}

// recordedFormat keeps raw JSON as text: as JSON its white space would go.
type recordedFormat map[string]string

type resourcesFormat struct {
	Architecture       string `json:"architecture"`
	MemoryMB           int    `json:"memoryMB"`
	TimeoutMS          int64  `json:"timeoutMS"`
	EphemeralStorageMB int    `json:"ephemeralStorageMB"`
}

type codeFormat struct {
	SHA256   string `json:"sha256"`
	Size     int64  `json:"size"`
	Unzipped int64  `json:"unzipped,omitempty"`
}

type attachedFormat struct {
	ARN    string       `json:"arn"`
	Code   codeFormat   `json:"code"`
	Signed signedFormat `json:"signed,omitzero"`
}

type loggingFormat struct {
	Format           string `json:"format"`
	Group            string `json:"group"`
	ApplicationLevel string `json:"applicationLevel,omitempty"`
	SystemLevel      string `json:"systemLevel,omitempty"`
}

type statusFormat struct {
	State            string `json:"state"`
	StateReason      string `json:"stateReason,omitempty"`
	StateReasonCode  string `json:"stateReasonCode,omitempty"`
	Update           string `json:"update,omitempty"`
	UpdateReason     string `json:"updateReason,omitempty"`
	UpdateReasonCode string `json:"updateReasonCode,omitempty"`
}

// formatFunction leaves the published versions out: they are a part of their own.
func formatFunction(f *lambda.Function) *functionFormat {
	return &functionFormat{
		Name:          f.Name,
		CreatedAt:     f.CreatedAt.UTC(),
		Latest:        formatVersionOf(&f.Latest),
		LastPublished: f.LastPublished,
		Aliases:       formatAliases(f.Aliases),
		Tags:          f.Tags,
		Reserved:      f.Reserved,
		configsFormat: formatConfigs(&f.Configs),
	}
}

func (f *functionFormat) function() *lambda.Function {
	function := &lambda.Function{
		Name:          f.Name,
		CreatedAt:     f.CreatedAt,
		Latest:        f.Latest.version(),
		LastPublished: f.LastPublished,
		Aliases:       aliasesOf(f.Aliases),
		Tags:          f.Tags,
		Reserved:      f.Reserved,
		Configs:       f.configs(),
	}
	for i := range f.Versions {
		function.Versions = append(function.Versions, f.Versions[i].version())
	}
	return function
}

// wrap is an envelope's bytes.
func wrap(e envelope) ([]byte, error) {
	e.Format = formatVersion
	return part(e, compressAbove)
}

func compress(value []byte) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(value); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func decompress(value []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(value))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxDecoded+1))
	if err != nil {
		return nil, err
	}
	if len(plain) > maxDecoded {
		return nil, fmt.Errorf("more than %d bytes unpacked", maxDecoded)
	}
	return plain, nil
}

// unwrap reads an envelope.
func unwrap(value []byte) (envelope, error) {
	var e envelope
	if err := readPart(value, &e); err != nil {
		return envelope{}, err
	}
	if e.Format != formatVersion {
		return envelope{}, fmt.Errorf("format %d; this server reads %d", e.Format, formatVersion)
	}
	return e, nil
}

func formatVersionOf(v *lambda.Version) versionFormat {
	record := versionFormat{
		Number:      v.Number,
		Description: v.Description,
		Role:        v.Role,
		Runtime:     v.Runtime,
		Handler:     v.Handler,
		Resources: resourcesFormat{
			Architecture:       v.Resources.Architecture,
			MemoryMB:           v.Resources.MemoryMB,
			TimeoutMS:          v.Resources.Timeout.Milliseconds(),
			EphemeralStorageMB: v.Resources.EphemeralStorageMB,
		},
		Environment: v.Environment,
		Code:        codeFormat(v.Code),
		Signed:      signedFormat(v.Signed),
		Logging:     loggingFormat(v.Logging),
		Tracing:     v.Tracing,
		Status:      statusFormat(v.Status),
		RevisionID:  v.RevisionID,
		Modified:    v.LastModified.UTC(),
		From:        v.PublishedFrom,
	}
	for _, l := range v.Layers {
		record.Layers = append(record.Layers, attachedFormat{ARN: l.ARN, Code: codeFormat(l.Code), Signed: signedFormat(l.Signed)})
	}
	for member, raw := range v.Recorded {
		if record.Recorded == nil {
			record.Recorded = make(recordedFormat, len(v.Recorded))
		}
		record.Recorded[member] = string(raw)
	}
	return record
}

func (v *versionFormat) version() lambda.Version {
	version := lambda.Version{
		Number:      v.Number,
		Description: v.Description,
		Role:        v.Role,
		Runtime:     v.Runtime,
		Handler:     v.Handler,
		Resources: lambda.Resources{
			Architecture:       v.Resources.Architecture,
			MemoryMB:           v.Resources.MemoryMB,
			Timeout:            time.Duration(v.Resources.TimeoutMS) * time.Millisecond,
			EphemeralStorageMB: v.Resources.EphemeralStorageMB,
		},
		Environment:  v.Environment,
		Code:         lambda.Code(v.Code),
		Signed:       lambda.Signed(v.Signed),
		Logging:      lambda.Logging(v.Logging),
		Tracing:      v.Tracing,
		Status:       lambda.Status(v.Status),
		RevisionID:   v.RevisionID,
		LastModified: v.Modified,

		PublishedFrom: v.From,
	}
	for _, l := range v.Layers {
		version.Layers = append(version.Layers, lambda.AttachedLayer{ARN: l.ARN, Code: lambda.Code(l.Code), Signed: lambda.Signed(l.Signed)})
	}
	for member, raw := range v.Recorded {
		if version.Recorded == nil {
			version.Recorded = make(map[string][]byte, len(v.Recorded))
		}
		version.Recorded[member] = []byte(raw)
	}
	return version
}
