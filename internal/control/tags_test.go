package control_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/control"
	"thaw/internal/lambda"
	"thaw/internal/store/memory"
)

func TestTagsOfMappings(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		const uuid = "6f0f7c2e-0000-4000-8000-00000000000a"
		arn := "arn:aws:lambda:eu-central-1:123456789012:event-source-mapping:" + uuid
		if _, err := s.catalog.PutMapping(t.Context(), &lambda.Mapping{UUID: uuid, Tags: map[string]string{"a": "1"}}, 0); err != nil {
			t.Fatal(err)
		}
		if err := s.TagResource(t.Context(), arn, map[string]string{"b": "2"}); err != nil {
			t.Fatal(err)
		}
		if err := s.UntagResource(t.Context(), arn, []string{"a"}); err != nil {
			t.Fatal(err)
		}
		tags, err := s.ListTags(t.Context(), arn)
		if diff := cmp.Diff(map[string]string{"b": "2"}, tags); diff != "" || err != nil {
			t.Errorf("tags (-want +got):\n%s%v", diff, err)
		}
		elsewhere := "arn:aws:lambda:eu-west-1:123456789012:event-source-mapping:" + uuid
		_, err = s.ListTags(t.Context(), elsewhere)
		wantError(t, err, lambda.CodeResourceNotFound, "Event source mapping not found: "+elsewhere)
	})
}

// TestTagsAtTheSameTime: of many changes at one time none is lost.
func TestTagsAtTheSameTime(t *testing.T) {
	m := memory.New()
	defer m.Close()
	s := start(t, m.Metadata(), control.Options{})
	defer s.stop(t)
	create(t, s, input("f"))
	const arn = "arn:aws:lambda:eu-central-1:123456789012:function:f"
	want := map[string]string{}
	var changes sync.WaitGroup
	for i := range 8 {
		key := fmt.Sprint(i)
		want[key] = key
		changes.Go(func() {
			if err := s.TagResource(t.Context(), arn, map[string]string{key: key}); err != nil {
				t.Error(err)
			}
		})
	}
	changes.Wait()
	tags, err := s.ListTags(t.Context(), arn)
	if diff := cmp.Diff(want, tags); diff != "" || err != nil {
		t.Errorf("tags (-want +got):\n%s%v", diff, err)
	}
}
