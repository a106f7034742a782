package control_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"thaw/internal/control"
	"thaw/internal/lambda"
)

func wantKept(t *testing.T, s *server, zips ...string) {
	t.Helper()
	for _, zip := range []string{"zip one", "zip two", "zip three"} {
		want := strings.Contains(strings.Join(zips, ","), zip)
		if got := s.packages.keeps(zip); got != want {
			t.Errorf("%s is kept: %t, want %t", zip, got, want)
		}
	}
}

func TestUnusedCodeIsCollected(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		ctx, ref := t.Context(), lambda.Ref{Name: "f"}
		update := func(in control.UpdateCodeInput) {
			t.Helper()
			if _, err := s.UpdateFunctionCode(ctx, ref, in); err != nil {
				t.Fatal(err)
			}
			rest()
		}
		create(t, s, input("f"))
		rest()
		wantKept(t, s, "zip one")
		update(control.UpdateCodeInput{Zip: []byte("zip two"), DryRun: true})
		wantKept(t, s, "zip one")
		update(control.UpdateCodeInput{Zip: []byte("zip two"), Publish: true})
		wantKept(t, s, "zip two")
		update(control.UpdateCodeInput{Zip: []byte("zip three")})
		wantKept(t, s, "zip two", "zip three") // version 1 has the one
		if err := s.DeleteFunction(ctx, lambda.Ref{Name: "f", Qualifier: "1"}); err != nil {
			t.Fatal(err)
		}
		rest()
		wantKept(t, s, "zip three")
		if err := s.DeleteFunction(ctx, ref); err != nil {
			t.Fatal(err)
		}
		rest()
		wantKept(t, s)
	})
}

func TestUsedCodeIsCollectedLater(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		create(t, s, input("f"))
		rest()
		s.packages.hold(codeOf("zip one")) // as an environment does
		if err := s.DeleteFunction(t.Context(), lambda.Ref{Name: "f"}); err != nil {
			t.Fatal(err)
		}
		rest()
		wantKept(t, s, "zip one")
		s.packages.Release(codeOf("zip one"))
		time.Sleep(time.Minute)
		wantKept(t, s)
	})
}

func TestCollectionIsTriedAgain(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		create(t, s, input("f"))
		rest()
		s.packages.mu.Lock()
		s.packages.failing = errors.New("input/output error")
		s.packages.mu.Unlock()
		if err := s.DeleteFunction(t.Context(), lambda.Ref{Name: "f"}); err != nil {
			t.Fatal(err)
		}
		rest()
		s.packages.mu.Lock()
		s.packages.failing = nil
		s.packages.mu.Unlock()
		wantKept(t, s, "zip one")
		time.Sleep(time.Minute)
		wantKept(t, s)
		if !strings.Contains(s.logs.String(), "input/output error") {
			t.Error("the error was not logged")
		}
	})
}

// A write whose outcome is not known may yet show: its code must be there then.
func TestCodeOfAnUnknownOutcomeIsKept(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.CreateFunction(ctx, input("f")); err == nil {
			t.Fatal("created with a context that has ended")
		}
		rest()
		in := input("g")
		in.Zip = []byte("zip two")
		create(t, s, in)
		if err := s.DeleteFunction(t.Context(), lambda.Ref{Name: "g"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		wantKept(t, s, "zip one") // and the other is collected
	})
}

// What lost a race or broke a rule after its code was kept holds nothing.
func TestRefusedChangesHoldNothing(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		create(t, s, input("f"))
		in := control.UpdateCodeInput{Zip: []byte("zip two"), RevisionID: "stale", DryRun: true}
		_, err := s.UpdateFunctionCode(t.Context(), lambda.Ref{Name: "f"}, in)
		wantError(t, err, lambda.CodePreconditionFailed, "")
		rest()
		wantKept(t, s, "zip one")
		for sum, n := range s.packages.held {
			if n != 0 {
				t.Errorf("%s is held %d times", sum, n)
			}
		}
	})
}
