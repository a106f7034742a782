package control_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/control"
	"thaw/internal/lambda"
)

func TestListPages(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		var want, wantAll []string
		for i := range 120 {
			name := fmt.Sprintf("f%03d", i)
			in := input(name)
			in.Publish = i%2 == 0
			create(t, s, in)
			want = append(want, arn+name)
			wantAll = append(wantAll, arn+name+":$LATEST")
			if in.Publish {
				wantAll = append(wantAll, arn+name+":1")
			}
		}
		for _, limit := range []int{0, 1, 7, 50, 10000} {
			if diff := cmp.Diff(want, list(t, s, control.ListInput{Max: limit})); diff != "" {
				t.Errorf("pages of %d (-want +got):\n%s", limit, diff)
			}
			if diff := cmp.Diff(wantAll, list(t, s, control.ListInput{Max: limit, AllVersions: true})); diff != "" {
				t.Errorf("pages of %d, all versions (-want +got):\n%s", limit, diff)
			}
		}
		_, _, err := s.ListFunctions(t.Context(), control.ListInput{Marker: "?"})
		wantError(t, err, lambda.CodeInvalidParameterValue, "")
	})
}

// list reads all pages.
func list(t *testing.T, s *server, in control.ListInput) (arns []string) {
	t.Helper()
	limit := 50
	if in.Max > 0 && in.Max < limit {
		limit = in.Max
	}
	for {
		views, next, err := s.ListFunctions(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range views {
			arns = append(arns, v.ARN)
		}
		if next == "" && len(views) <= limit {
			return arns
		}
		if len(views) != limit {
			t.Fatalf("%d items on a page, want %d", len(views), limit)
		}
		in.Marker = next
	}
}

// TestListWhileDeleting deletes what the marker names between two pages.
func TestListWhileDeleting(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		for _, name := range []string{"a", "b", "c"} {
			create(t, s, input(name))
		}
		_, next, err := s.ListFunctions(t.Context(), control.ListInput{Max: 2})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.DeleteFunction(t.Context(), lambda.Ref{Name: "b"}); err != nil {
			t.Fatal(err)
		}
		views, _, err := s.ListFunctions(t.Context(), control.ListInput{Marker: next})
		if err != nil || len(views) != 1 || views[0].Function.Name != "c" {
			t.Errorf("next page: %+v, %v", views, err)
		}
	})
}
