package lambda

import (
	"strconv"
	"strings"
	"time"
)

// Layer is the aggregate of one layer's name. It is stored as one record with
// one revision, which stays when all versions are deleted: their numbers are
// never used again.
type Layer struct {
	Name string
	// Versions are those that are not deleted, oldest first. LastPublished is the
	// highest number ever given.
	Versions      []LayerVersion
	LastPublished int64
}

// Version finds a version by its number; nil if there is none.
func (l *Layer) Version(number int64) *LayerVersion {
	for i := range l.Versions {
		if l.Versions[i].Number == number {
			return &l.Versions[i]
		}
	}
	return nil
}

// LayerVersion is one version of a layer. It never changes, save its policy.
type LayerVersion struct {
	Number      int64
	Description string
	License     string
	// Runtimes and Architectures are what its publisher says that it fits. Nothing
	// is refused for them. Nil and empty differ in answers.
	Runtimes      []string
	Architectures []string
	Code          Code
	Signed        Signed
	CreatedAt     time.Time
	// Policy is who may read it; nil for none. It has no qualifier.
	Policy *Policy
}

// AttachedLayer is a layer version as the version of a function keeps it: with
// its content, which the function has even when the layer version is deleted.
type AttachedLayer struct {
	ARN    string
	Code   Code
	Signed Signed
}

// LayerARN is the ARN of a layer, without a version.
func (s Scope) LayerARN(name string) string {
	return "arn:" + s.Partition + ":lambda:" + s.Region + ":" + s.Account + ":layer:" + name
}

// LayerVersionARN is the ARN of a layer version.
func (s Scope) LayerVersionARN(name string, number int64) string {
	return s.LayerARN(name) + ":" + strconv.FormatInt(number, 10)
}

// LayerRef is what a caller wrote to name a layer or a version of one. Region
// and Account are empty for a bare name, Version is 0 for a layer.
type LayerRef struct {
	Name    string
	Region  string
	Account string
	Version int64
}

// ParseLayerRef reads
//
//	name
//	arn:partition:lambda:region:account:layer:name
//	arn:partition:lambda:region:account:layer:name:version
//
// The caller has checked the shape with the model's pattern; ok is false for
// what the pattern admits but names no layer that could be here.
func ParseLayerRef(s string) (ref LayerRef, ok bool) {
	if !strings.HasPrefix(s, "arn:") {
		if s == "" || strings.Contains(s, ":") {
			return LayerRef{}, false
		}
		return LayerRef{Name: s}, true
	}
	parts := strings.Split(s, ":")
	if len(parts) < 7 || len(parts) > 8 || parts[2] != "lambda" || parts[5] != "layer" || parts[6] == "" {
		return LayerRef{}, false
	}
	ref = LayerRef{Region: parts[3], Account: parts[4], Name: parts[6]}
	if len(parts) == 8 {
		number, err := strconv.ParseInt(parts[7], 10, 64)
		if err != nil {
			return LayerRef{}, false
		}
		ref.Version = number
	}
	return ref, true
}
