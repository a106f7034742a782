package control

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"thaw/internal/catalog"
	"thaw/internal/lambda"
)

// pageSize is how many functions a page has at most, whatever a caller asks
// for, from the service's documentation of ListFunctions.
const pageSize = 50

// GetFunction shows the version that a reference names, by itself or by an alias;
// $LATEST if none.
func (c *Control) GetFunction(_ context.Context, ref lambda.Ref) (View, error) {
	if err := c.resolve(ref); err != nil {
		return View{}, err
	}
	record, ok := c.catalog.Function(ref.Name)
	if !ok {
		return View{}, c.notFound(ref)
	}
	v := record.Function.Resolve(ref.Qualifier)
	if v == nil {
		return View{}, c.notFound(ref)
	}
	return c.view(record.Function, v, ref.Qualifier), nil
}

// ListInput asks for one page.
type ListInput struct {
	Marker string // of the page before; empty for the first
	Max    int    // at most 50 are given; 0 means that
	// AllVersions lists every version, not only $LATEST.
	AllVersions bool
}

// limit is how many items the page has at most.
func (in ListInput) limit() int {
	if in.Max > 0 {
		return min(in.Max, pageSize)
	}
	return pageSize
}

// ListFunctions shows functions sorted by name. next is empty on the last page.
func (c *Control) ListFunctions(_ context.Context, in ListInput) (views []View, next string, err error) {
	after, err := decodeMarker(in.Marker)
	if err != nil {
		return nil, "", err
	}
	limit := in.limit()
	list := c.catalog.List()
	start, _ := slices.BinarySearchFunc(list, after.name, func(l *catalog.Listed, name string) int {
		return strings.Compare(l.Name, name)
	})
	for _, listed := range list[start:] {
		read := listed.Unpublished
		if in.AllVersions {
			read = listed.Whole
		}
		f, err := read()
		if err != nil {
			return nil, "", err
		}
		for _, v := range after.rest(f, in.AllVersions) {
			if len(views) == limit {
				last := views[limit-1]
				return views, marker{last.Function.Name, last.Version.Number}.encode(), nil
			}
			qualifier := ""
			if in.AllVersions {
				qualifier = v.Number
			}
			views = append(views, c.view(f, v, qualifier))
		}
	}
	return views, "", nil
}

// marker is the last item of a page, opaque to callers.
type marker struct{ name, version string }

func (m marker) encode() string {
	return base64.RawURLEncoding.EncodeToString([]byte(m.name + ":" + m.version))
}

func decodeMarker(s string) (marker, error) {
	if s == "" {
		return marker{}, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(s)
	name, version, ok := strings.Cut(string(text), ":")
	if err != nil || !ok {
		return marker{}, lambda.Errorf(lambda.CodeInvalidParameterValue, "Invalid Marker: %s", s)
	}
	return marker{name, version}, nil
}

// rest lists the versions of a function that come after the marker: $LATEST
// first, then the numbered ones as they were published.
func (m marker) rest(f *lambda.Function, all bool) []*lambda.Version {
	versions := []*lambda.Version{&f.Latest}
	if all {
		for i := range f.Versions {
			versions = append(versions, &f.Versions[i])
		}
	}
	if f.Name != m.name {
		return versions
	}
	for i, v := range versions {
		if v.Number == m.version {
			return versions[i+1:]
		}
	}
	// The version of the marker has been deleted since; numbers grow.
	return slices.DeleteFunc(versions, func(v *lambda.Version) bool {
		return v.Number == lambda.Latest || !numberAfter(v.Number, m.version)
	})
}

// numberAfter compares two decimal numbers without leading zeros.
func numberAfter(a, b string) bool {
	if len(a) != len(b) {
		return len(a) > len(b)
	}
	return a > b
}
