// Package conformance compares the built program with recorded answers of the
// real service, call by call.
//
// The recordings hold answers and no requests. Each recorded case is derived
// here from its name, its answers and the API's documentation into a function
// that issues the calls with boto3, because the answers were recorded as boto3
// returned them: its own refusals and the members it drops are part of them.
// Then both sides are compared; tokens of a recording ("<uuid:1>") stand for any
// one value, the same token for the same value and two for two.
//
// The recordings are not in this repository. THAW_RECORDED names their folder,
// one JSON file for each suite:
//
//	THAW_RECORDED=DIR go test ./test/conformance -v          compares, and reports case by case
//	THAW_RECORDED=DIR go test ./test/conformance -update     and takes the new matches into the list
//
// testdata/matched.txt lists what was found to match, each case with a digest of
// this server's own answers (what varies replaced by tokens). Without recordings
// the digests alone are compared, so that a change of an answer is noticed
// everywhere. The list may grow; a case of it that matches no more fails the
// test, and only a person takes one out of it.
//
// Like those of package e2e, the tests need root, the managed runtimes and a
// Python environment, and know the same variables.
package conformance
