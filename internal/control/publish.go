package control

import (
	"reflect"
	"strconv"

	"thaw/internal/lambda"
)

// publish makes a numbered version of $LATEST, unless the last one is the same,
// and returns its index in Versions. Numbers are never used again. Publishing
// changes the RevisionId of $LATEST too, which the change that it is part of has
// done already.
func publish(f *lambda.Function) int {
	if last := len(f.Versions) - 1; last >= 0 && sameVersion(f.Latest, f.Versions[last]) {
		return last
	}
	f.LastPublished++
	v := f.Latest
	v.Number = strconv.Itoa(f.LastPublished)
	v.Status = pending()
	touch(&v)
	f.Versions = append(f.Versions, v)
	return len(f.Versions) - 1
}

// sameVersion compares code and configuration.
func sameVersion(a, b lambda.Version) bool {
	for _, v := range []*lambda.Version{&a, &b} {
		v.Number, v.RevisionID, v.LastModified = "", "", lambda.Version{}.LastModified
		v.Status = lambda.Status{}
		v.Code.Unzipped = 0 // which an older server has not recorded
	}
	return reflect.DeepEqual(a, b)
}
