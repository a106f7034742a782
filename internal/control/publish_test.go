package control_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"thaw/internal/control"
	"thaw/internal/lambda"
	"thaw/internal/store/memory"
)

// TestPublishedIsActive: a version is ready as soon as $LATEST is, and its code
// stays when $LATEST gets other.
func TestPublishedIsActive(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		ctx, ref := t.Context(), lambda.Ref{Name: "f"}
		create(t, s, input("f"))
		rest()
		v, err := s.PublishVersion(ctx, ref, control.PublishInput{CodeSHA256: codeOf("zip one").SHA256})
		if err != nil {
			t.Fatal(err)
		}
		wantStatus(t, v, active)
		revision := v.Version.RevisionID
		if _, err := s.UpdateFunctionCode(ctx, ref, control.UpdateCodeInput{Zip: []byte("zip two")}); err != nil {
			t.Fatal(err)
		}
		rest()
		if v := get(t, s, "f", "1"); v.Version.Code != codeOf("zip one") || v.Version.RevisionID != revision || v.ARN != arn+"f:1" {
			t.Errorf("version 1 is now %+v", v.Version)
		}
		wantKept(t, s, "zip one", "zip two")
	})
}

// TestPublishAfterAFailedUpdate: what cannot be made ready is not published as
// if it were.
func TestPublishAfterAFailedUpdate(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		ctx, ref := t.Context(), lambda.Ref{Name: "f"}
		create(t, s, input("f"))
		rest()
		s.packages.lose("zip two")
		if _, err := s.UpdateFunctionCode(ctx, ref, control.UpdateCodeInput{Zip: []byte("zip two")}); err != nil {
			t.Fatal(err)
		}
		rest()
		v, err := s.PublishVersion(ctx, ref, control.PublishInput{})
		if err != nil {
			t.Fatal(err)
		}
		wantStatus(t, v, creating)
		rest()
		if state := get(t, s, "f", "1").Version.Status.State; state != lambda.StateFailed {
			t.Errorf("state %s, want Failed", state)
		}
	})
}

// TestPublishCountsForTheQuota: each version with its whole size, one that is
// there already not again.
func TestPublishCountsForTheQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		defer m.Close()
		s := start(t, m.Metadata(), control.Options{Quotas: control.Quotas{CodeStorage: 20}})
		defer s.stop(t)
		in := input("f")
		in.Zip = []byte("0123456789") // 10
		create(t, s, in)
		synctest.Wait()
		for range 2 {
			if v, err := s.PublishVersion(t.Context(), lambda.Ref{Name: "f"}, control.PublishInput{}); err != nil || v.Version.Number != "1" {
				t.Fatal(v.Version, err)
			}
		}
		if _, err := s.UpdateFunctionConfiguration(t.Context(), lambda.Ref{Name: "f"}, control.Settings{Description: new("d")}, ""); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		_, err := s.PublishVersion(t.Context(), lambda.Ref{Name: "f"}, control.PublishInput{})
		wantError(t, err, lambda.CodeCodeStorageExceeded, "Code storage limit exceeded.")
	})
}

// TestAliasesAndVersionsAtTheSameTime has aliases made and versions deleted by
// many: in the end every alias leads to a version that is there.
func TestAliasesAndVersionsAtTheSameTime(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		ctx, ref := t.Context(), lambda.Ref{Name: "f"}
		create(t, s, input("f"))
		rest()
		const versions = 8
		for i := range versions {
			if _, err := s.UpdateFunctionConfiguration(ctx, ref, control.Settings{Description: new(fmt.Sprint(i))}, ""); err != nil {
				t.Fatal(err)
			}
			rest()
			if _, err := s.PublishVersion(ctx, ref, control.PublishInput{}); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		made, deleted := make([]error, versions), make([]error, versions)
		for i := range versions {
			n := fmt.Sprint(i + 1)
			wg.Go(func() { _, made[i] = s.CreateAlias(ctx, ref, "a"+n, control.AliasSettings{Version: &n}) })
			wg.Go(func() { deleted[i] = s.DeleteFunction(ctx, lambda.Ref{Name: "f", Qualifier: n}) })
		}
		wg.Wait()
		for i := range versions {
			n := fmt.Sprint(i + 1)
			_, alias := s.GetAlias(ctx, ref, "a"+n)
			_, version := s.GetFunction(ctx, lambda.Ref{Name: "f", Qualifier: n})
			if (made[i] == nil) != (alias == nil) || (deleted[i] == nil) != (version != nil) || (made[i] == nil) == (deleted[i] == nil) {
				t.Errorf("%s: alias made: %v, there: %v; version deleted: %v, there: %v", n, made[i], alias, deleted[i], version)
			}
			var refused *lambda.Error
			if err := errors.Join(made[i], deleted[i]); !errors.As(err, &refused) {
				t.Errorf("%s: %v", n, err)
			}
		}
	})
}
