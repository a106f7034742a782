package usage_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"thaw/internal/telemetry/usage"
)

// FuzzDecode: what is read is what was written, and nothing that is read brings
// the server down.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1,"date":"2000-01-01","functions":[{"function":"f","invocations":1,"errors":0,"billed_ms":5,"init_ms":2,"mb_ms":640,"init_mb_ms":256}]}`))
	f.Add([]byte(`{"version":1,"date":"2000-01-01","functions":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		day, err := usage.Decode(data)
		if err != nil {
			return
		}
		written, err := usage.Encode(day)
		if err != nil {
			t.Fatal(err)
		}
		again, err := usage.Decode(written)
		if diff := cmp.Diff(day, again, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%v, %s", err, diff)
		}
	})
}
