package control_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"thaw/internal/control"
	"thaw/internal/lambda"
	"thaw/internal/store"
	"thaw/internal/store/memory"
)

const arn = "arn:aws:lambda:eu-central-1:123456789012:function:"

var (
	creating = lambda.Status{
		State: lambda.StatePending, StateReason: "The function is being created.", StateReasonCode: "Creating",
	}
	active   = lambda.Status{State: lambda.StateActive, Update: lambda.UpdateSuccessful}
	updating = lambda.Status{
		State: lambda.StateActive, Update: lambda.UpdateInProgress,
		UpdateReason: "The function is being created.", UpdateReasonCode: "Creating",
	}
)

func wantStatus(t *testing.T, v control.View, want lambda.Status) {
	t.Helper()
	if diff := cmp.Diff(want, v.Version.Status); diff != "" {
		t.Errorf("status of %s (-want +got):\n%s", v.ARN, diff)
	}
}

func TestCreateShowsDefaults(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		v := create(t, s, input("f"))
		want := lambda.Version{
			Number:  lambda.Latest,
			Role:    "arn:aws:iam::123456789012:role/r",
			Runtime: "python3.13",
			Handler: "app.handler",
			Resources: lambda.Resources{
				Architecture: "x86_64", MemoryMB: 128, Timeout: 3 * time.Second, EphemeralStorageMB: 512,
			},
			Code:    codeOf("zip one"),
			Logging: lambda.Logging{Format: "Text", Group: "/aws/lambda/f"},
			Tracing: "PassThrough",
			Status:  creating,
		}
		if diff := cmp.Diff(want, *v.Version, cmpopts.IgnoreFields(want, "RevisionID", "LastModified")); diff != "" {
			t.Errorf("created (-want +got):\n%s", diff)
		}
		if v.ARN != arn+"f" {
			t.Errorf("ARN %s", v.ARN)
		}
		prefix := "arn:aws:lambda:eu-central-1::runtime:"
		if hex, ok := strings.CutPrefix(v.RuntimeVersionARN, prefix); !ok || len(hex) != 64 {
			t.Errorf("runtime version ARN %s", v.RuntimeVersionARN)
		}
	})
}

func TestRevisionChangesWithEveryVisibleChange(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		ctx, ref := t.Context(), lambda.Ref{Name: "f"}
		seen := map[string]bool{}
		see := func(v control.View, status lambda.Status) {
			t.Helper()
			wantStatus(t, v, status)
			if seen[v.Version.RevisionID] || len(v.Version.RevisionID) != 36 {
				t.Errorf("revision %q, seen: %v", v.Version.RevisionID, seen)
			}
			seen[v.Version.RevisionID] = true
			if again := get(t, s, "f", ""); again.Version.RevisionID != v.Version.RevisionID {
				t.Error("the revision changes without a change")
			}
		}
		see(create(t, s, input("f")), creating)
		rest()
		see(get(t, s, "f", ""), active)
		v, err := s.UpdateFunctionCode(ctx, ref, control.UpdateCodeInput{Zip: []byte("zip one")})
		if err != nil {
			t.Fatal(err)
		}
		see(v, updating)
		rest()
		see(get(t, s, "f", ""), active)
		v, err = s.UpdateFunctionConfiguration(ctx, ref, control.Settings{Description: new("new")}, v.Version.RevisionID)
		const stale = "The Revision Id provided does not match the latest Revision Id. " +
			"Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
		wantError(t, err, lambda.CodePreconditionFailed, stale)
		_, err = s.UpdateFunctionCode(ctx, ref, control.UpdateCodeInput{Zip: []byte("zip"), RevisionID: "wrong"})
		wantError(t, err, lambda.CodePreconditionFailed, stale)
		current := get(t, s, "f", "").Version.RevisionID
		v, err = s.UpdateFunctionConfiguration(ctx, ref, control.Settings{Description: new("new")}, current)
		if err != nil {
			t.Fatal(err)
		}
		see(v, updating)
		rest()
		see(get(t, s, "f", ""), active)
	})
}

func TestUpdateInProgressRefusesAnother(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		ctx, ref := t.Context(), lambda.Ref{Name: "f"}
		create(t, s, input("f"))
		_, err := s.UpdateFunctionConfiguration(ctx, ref, control.Settings{}, "")
		wantError(t, err, lambda.CodeResourceConflict, "")
		rest()
		if _, err := s.UpdateFunctionConfiguration(ctx, ref, control.Settings{}, ""); err != nil {
			t.Fatal(err)
		}
		const text = "The operation cannot be performed at this time. An update is in progress for resource: " + arn + "f"
		_, err = s.UpdateFunctionConfiguration(ctx, ref, control.Settings{}, "")
		wantError(t, err, lambda.CodeResourceConflict, text)
		_, err = s.UpdateFunctionCode(ctx, ref, control.UpdateCodeInput{Zip: []byte("zip")})
		wantError(t, err, lambda.CodeResourceConflict, text)
		rest()
		if _, err = s.UpdateFunctionCode(ctx, ref, control.UpdateCodeInput{Zip: []byte("zip")}); err != nil {
			t.Error(err)
		}
	})
}

func TestPublishOnCreate(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		in := input("f")
		in.Publish = true
		v := create(t, s, in)
		if v.ARN != arn+"f" || v.Version.Number != "1" {
			t.Errorf("created %s, version %s", v.ARN, v.Version.Number)
		}
		wantStatus(t, v, creating)
		rest()
		for qualifier, want := range map[string]string{"": arn + "f", "$LATEST": arn + "f:$LATEST", "1": arn + "f:1"} {
			v := get(t, s, "f", qualifier)
			wantStatus(t, v, active)
			if v.ARN != want {
				t.Errorf("ARN %s, want %s", v.ARN, want)
			}
		}
		if get(t, s, "f", "1").Version.RevisionID == get(t, s, "f", "").Version.RevisionID {
			t.Error("version 1 and $LATEST share a revision")
		}
	})
}

func TestPublishOnUpdate(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		ctx, ref := t.Context(), lambda.Ref{Name: "f"}
		create(t, s, input("f"))
		rest()
		publish := func(zip string) control.View {
			t.Helper()
			v, err := s.UpdateFunctionCode(ctx, ref, control.UpdateCodeInput{Zip: []byte(zip), Publish: true})
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		v := publish("zip two")
		if v.ARN != arn+"f:1" || v.Version.Number != "1" || v.Version.Code != codeOf("zip two") {
			t.Errorf("published %s, version %+v", v.ARN, v.Version)
		}
		wantStatus(t, v, creating)
		wantStatus(t, get(t, s, "f", "$LATEST"), updating)
		if get(t, s, "f", "").Version.RevisionID == v.Version.RevisionID {
			t.Error("version 1 and $LATEST share a revision")
		}
		rest()
		wantStatus(t, get(t, s, "f", "1"), active)

		// Nothing has changed since: the same version is the answer.
		if v := publish("zip two"); v.Version.Number != "1" || v.Version.Status != active {
			t.Errorf("published an unchanged function as %s, %+v", v.Version.Number, v.Version.Status)
		}
		rest()
		if _, err := s.UpdateFunctionConfiguration(ctx, ref, control.Settings{Description: new("d")}, ""); err != nil {
			t.Fatal(err)
		}
		rest()
		if v := publish("zip two"); v.Version.Number != "2" || v.Version.Description != "d" {
			t.Errorf("published as %s: %q", v.Version.Number, v.Version.Description)
		}
		rest()
		if v := get(t, s, "f", "1"); v.Version.Description != "" {
			t.Errorf("version 1 has changed: %q", v.Version.Description)
		}
		// A number is never used again.
		if err := s.DeleteFunction(ctx, lambda.Ref{Name: "f", Qualifier: "2"}); err != nil {
			t.Fatal(err)
		}
		if v := publish("zip three"); v.Version.Number != "3" {
			t.Errorf("published as %s after 2 was deleted", v.Version.Number)
		}
	})
}

func TestDryRunChangesNothing(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		ctx, ref := t.Context(), lambda.Ref{Name: "f"}
		create(t, s, input("f"))
		rest()
		before := get(t, s, "f", "")
		v, err := s.UpdateFunctionCode(ctx, ref, control.UpdateCodeInput{Zip: []byte("zip two"), DryRun: true, Publish: true})
		if err != nil {
			t.Fatal(err)
		}
		if v.Version.Code != codeOf("zip two") || v.Version.Number != lambda.Latest {
			t.Errorf("dry run shows %+v", v.Version)
		}
		rest()
		if diff := cmp.Diff(before.Function, get(t, s, "f", "").Function); diff != "" {
			t.Errorf("dry run changed (-before +after):\n%s", diff)
		}
		_, err = s.UpdateFunctionCode(ctx, ref, control.UpdateCodeInput{Zip: []byte("bad"), DryRun: true})
		wantError(t, err, lambda.CodeInvalidParameterValue, "")
	})
}

func TestDelete(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		ctx := t.Context()
		in := input("f")
		in.Publish = true
		create(t, s, in)
		rest()
		err := s.DeleteFunction(ctx, lambda.Ref{Name: "f", Qualifier: "$LATEST"})
		wantError(t, err, lambda.CodeInvalidParameterValue, "$LATEST version cannot be deleted without deleting the function.")
		err = s.DeleteFunction(ctx, lambda.Ref{Name: "f", Qualifier: "live"})
		wantError(t, err, lambda.CodeInvalidParameterValue, "Deletion of aliases is not currently supported.")
		if err := s.DeleteFunction(ctx, lambda.Ref{Name: "f", Qualifier: "7"}); err != nil {
			t.Errorf("version that is not there: %v", err)
		}
		if err := s.DeleteFunction(ctx, lambda.Ref{Name: "f", Qualifier: "1"}); err != nil {
			t.Error(err)
		}
		_, err = s.GetFunction(ctx, lambda.Ref{Name: "f", Qualifier: "1"})
		wantError(t, err, lambda.CodeResourceNotFound, "Function not found: "+arn+"f:1")
		if err := s.DeleteFunction(ctx, lambda.Ref{Name: "f"}); err != nil {
			t.Error(err)
		}
		for _, ref := range []lambda.Ref{{Name: "f"}, {Name: "f", Qualifier: "1"}} {
			wantError(t, s.DeleteFunction(ctx, ref), lambda.CodeResourceNotFound, "Function not found: "+arn+"f")
		}
		wantStatus(t, create(t, s, input("f")), creating)
	})
}

func TestActivationOfADeletedFunction(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		create(t, s, input("f"))
		if err := s.DeleteFunction(t.Context(), lambda.Ref{Name: "f"}); err != nil {
			t.Fatal(err)
		}
		rest()
		if _, err := s.GetFunction(t.Context(), lambda.Ref{Name: "f"}); err == nil {
			t.Error("activation brought a deleted function back")
		}
	})
}

func TestActivationFails(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		ctx, ref := t.Context(), lambda.Ref{Name: "f"}
		s.packages.broken[codeOf("zip one").SHA256] = true
		create(t, s, input("f"))
		rest()
		v := get(t, s, "f", "")
		if v.Version.Status.State != lambda.StateFailed || v.Version.Status.StateReason == "" {
			t.Errorf("status %+v", v.Version.Status)
		}
		if _, err := s.UpdateFunctionCode(ctx, ref, control.UpdateCodeInput{Zip: []byte("zip two")}); err != nil {
			t.Fatal(err)
		}
		rest()
		wantStatus(t, get(t, s, "f", ""), active)
		if _, err := s.UpdateFunctionCode(ctx, ref, control.UpdateCodeInput{Zip: []byte("zip one")}); err != nil {
			t.Fatal(err)
		}
		rest()
		v = get(t, s, "f", "")
		if v.Version.Status.State != lambda.StateActive || v.Version.Status.Update != lambda.UpdateFailed {
			t.Errorf("status %+v", v.Version.Status)
		}
	})
}

func TestRestartResumesActivation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		defer m.Close()
		s := start(t, m.Metadata(), control.Options{Settle: time.Hour})
		in := input("new")
		in.Publish = true
		create(t, s, in)
		s.stop(t)

		s = start(t, m.Metadata(), control.Options{})
		synctest.Wait()
		wantStatus(t, get(t, s, "new", ""), active)
		wantStatus(t, get(t, s, "new", "1"), active)
		s.stop(t)

		s = start(t, m.Metadata(), control.Options{Settle: time.Hour})
		if _, err := s.UpdateFunctionConfiguration(t.Context(), lambda.Ref{Name: "new"}, control.Settings{}, ""); err != nil {
			t.Fatal(err)
		}
		s.stop(t)
		s = start(t, m.Metadata(), control.Options{})
		defer s.stop(t)
		synctest.Wait()
		wantStatus(t, get(t, s, "new", ""), active)
	})
}

func TestOneOfManyCreatesWins(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		var won, lost atomic.Int32
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				_, err := s.CreateFunction(t.Context(), input("f"))
				if err == nil {
					won.Add(1)
					return
				}
				lost.Add(1)
				wantError(t, err, lambda.CodeResourceConflict, "Function already exist: f")
			})
		}
		wg.Wait()
		if won.Load() != 1 || lost.Load() != 99 {
			t.Errorf("%d creates won, %d lost", won.Load(), lost.Load())
		}
	})
}

// TestNoUpdateIsLost has callers change different settings at the same time:
// each is refused while another's is in progress, and then comes through whole.
func TestNoUpdateIsLost(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		create(t, s, input("f"))
		rest()
		changes := []control.Settings{
			{Description: new("d")},
			{MemoryMB: new(512)},
			{TimeoutSeconds: new(60)},
			{Handler: new("h.h")},
			{Environment: &map[string]string{"K1": "V"}},
			{Recorded: map[string][]byte{"KMSKeyArn": []byte(`"k"`)}},
			{Recorded: map[string][]byte{"VpcConfig": []byte(`{}`)}},
			{Logging: &lambda.Logging{Format: "JSON"}},
		}
		var wg sync.WaitGroup
		for _, change := range changes {
			wg.Go(func() { updateUntilDone(t, s, change) })
		}
		wg.Wait()
		rest()
		got := get(t, s, "f", "").Version
		want := *got
		want.Description, want.Handler = "d", "h.h"
		want.Resources.MemoryMB, want.Resources.Timeout = 512, time.Minute
		want.Environment = map[string]string{"K1": "V"}
		want.Recorded = map[string][]byte{"KMSKeyArn": []byte(`"k"`), "VpcConfig": []byte(`{}`)}
		want.Logging = lambda.Logging{Format: "JSON", Group: "/aws/lambda/f", ApplicationLevel: "INFO", SystemLevel: "INFO"}
		want.Status = active
		if diff := cmp.Diff(want, *got); diff != "" {
			t.Errorf("a change was lost (-want +got):\n%s", diff)
		}
	})
}

func updateUntilDone(t *testing.T, s *server, change control.Settings) {
	for range 100 {
		_, err := s.UpdateFunctionConfiguration(t.Context(), lambda.Ref{Name: "f"}, change, "")
		if err == nil {
			return
		}
		wantError(t, err, lambda.CodeResourceConflict, "")
		time.Sleep(settle / 3)
	}
	t.Error("update never came through")
}

// meddler lets somebody else's change come in just before a write.
type meddler struct {
	store.Metadata
	change atomic.Pointer[func()]
}

func (m *meddler) before(change func()) { m.change.Store(&change) }

func (m *meddler) Put(ctx context.Context, key string, value []byte, expect store.Revision) (store.Revision, error) {
	if change := m.change.Swap(nil); change != nil {
		(*change)()
	}
	return m.Metadata.Put(ctx, key, value, expect)
}

func TestLostRacesAreRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		defer m.Close()
		meddler := &meddler{Metadata: m.Metadata()}
		s := start(t, meddler, control.Options{Settle: settle})
		defer s.stop(t)
		ctx, ref := t.Context(), lambda.Ref{Name: "f"}
		in := input("f")
		in.Publish = true
		create(t, s, in)
		rest()
		// A change that both can be made after: the two are merged.
		meddler.before(func() {
			if err := s.DeleteFunction(ctx, lambda.Ref{Name: "f", Qualifier: "1"}); err != nil {
				t.Error(err)
			}
		})
		v, err := s.UpdateFunctionConfiguration(ctx, ref, control.Settings{Description: new("d")}, "")
		if err != nil || v.Version.Description != "d" || len(v.Function.Versions) != 0 {
			t.Errorf("updated to %+v, %v", v, err)
		}
		rest()
		// A change that the second one may not follow.
		meddler.before(func() {
			if _, err := s.UpdateFunctionConfiguration(ctx, ref, control.Settings{Description: new("first")}, ""); err != nil {
				t.Error(err)
			}
		})
		_, err = s.UpdateFunctionConfiguration(ctx, ref, control.Settings{Description: new("second")}, "")
		wantError(t, err, lambda.CodeResourceConflict, "")
		rest()
		if got := get(t, s, "f", "").Version.Description; got != "first" {
			t.Errorf("description %q", got)
		}
		// The activation loses the race for a flip.
		if _, err := s.UpdateFunctionConfiguration(ctx, ref, control.Settings{}, ""); err != nil {
			t.Fatal(err)
		}
		meddler.before(func() {
			r, _ := s.catalog.Function("f")
			f := *r.Function
			f.Tags = map[string]string{"k": "v"}
			if _, err := s.catalog.PutFunction(ctx, &f, r.Revision); err != nil {
				t.Error(err)
			}
		})
		rest()
		v = get(t, s, "f", "")
		wantStatus(t, v, active)
		if v.Function.Tags["k"] != "v" {
			t.Error("the activation has overwritten a change")
		}
	})
}

func TestInternalErrorsAreNotTheUsers(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		in := input("f")
		in.Zip = []byte("disk full")
		_, err := s.CreateFunction(t.Context(), in)
		var user *lambda.Error
		if err == nil || errors.As(err, &user) {
			t.Errorf("error %v: want one that is not shown", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.CreateFunction(ctx, input("g")); err == nil || errors.As(err, &user) {
			t.Errorf("error %v: want one that is not shown", err)
		}
	})
}

// A clock that is set back makes no change older than the one before: whoever
// orders versions by their time keeps the newest.
func TestEveryChangeIsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		defer m.Close()
		s := start(t, m.Metadata(), control.Options{})
		defer s.stop(t)
		ctx, ref := t.Context(), lambda.Ref{Name: "f"}
		create(t, s, input("f"))
		synctest.Wait()
		// The clock was an hour ahead when the function was changed last.
		r, _ := s.catalog.Function("f")
		ahead := *r.Function
		ahead.Latest.LastModified = time.Now().Add(time.Hour)
		if _, err := s.catalog.PutFunction(ctx, &ahead, r.Revision); err != nil {
			t.Fatal(err)
		}
		before := ahead.Latest.LastModified
		for range 3 {
			synctest.Wait()
			v, err := s.UpdateFunctionConfiguration(ctx, ref, control.Settings{MemoryMB: new(256)}, "")
			if err != nil {
				t.Fatal(err)
			}
			if step := v.Version.LastModified.Sub(before); step < time.Millisecond {
				t.Errorf("modified %v after the change before, want a millisecond or more", step)
			}
			before = v.Version.LastModified
		}
	})
}
