package control_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/control"
	"thaw/internal/lambda"
	"thaw/internal/store/memory"
)

// TestReservationsAtTheSameTime: together they take no more than there is, however
// they come.
func TestReservationsAtTheSameTime(t *testing.T) {
	m := memory.New()
	defer m.Close()
	s := start(t, m.Metadata(), control.Options{Quotas: control.Quotas{Concurrency: 500}})
	defer s.stop(t)
	const functions, each = 9, 90 // of which four fit beside the 100 that must be left
	for i := range functions {
		create(t, s, input(fmt.Sprint("f", i)))
	}
	var attempts sync.WaitGroup
	for i := range functions {
		attempts.Go(func() {
			err := s.PutFunctionConcurrency(t.Context(), lambda.Ref{Name: fmt.Sprint("f", i)}, each)
			if _, refused := errors.AsType[*lambda.Error](err); err != nil && !refused {
				t.Error(err)
			}
		})
	}
	attempts.Wait()
	account, err := s.Account(t.Context())
	if err != nil || account.Unreserved != 500-4*each {
		t.Errorf("%d are unreserved, want %d (%v)", account.Unreserved, 500-4*each, err)
	}
}

// TestSmallAccount: who has less than what is to be left over can reserve nothing.
func TestSmallAccount(t *testing.T) {
	m := memory.New()
	defer m.Close()
	s := start(t, m.Metadata(), control.Options{Quotas: control.Quotas{Concurrency: 10}})
	defer s.stop(t)
	create(t, s, input("f"))
	wantError(t, s.PutFunctionConcurrency(t.Context(), lambda.Ref{Name: "f"}, 1), lambda.CodeInvalidParameterValue,
		"Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [10].")
	if err := s.PutFunctionConcurrency(t.Context(), lambda.Ref{Name: "f"}, 0); err != nil {
		t.Errorf("reserve none: %v", err)
	}
}

// TestLoweredAccount: reservations that are there stay, and may shrink.
func TestLoweredAccount(t *testing.T) {
	m := memory.New()
	defer m.Close()
	s := start(t, m.Metadata(), control.Options{})
	create(t, s, input("f"))
	ref := lambda.Ref{Name: "f"}
	if err := s.PutFunctionConcurrency(t.Context(), ref, 900); err != nil {
		t.Fatal(err)
	}
	s.stop(t)
	s = start(t, m.Metadata(), control.Options{Quotas: control.Quotas{Concurrency: 300}})
	defer s.stop(t)
	if account, err := s.Account(t.Context()); err != nil || account.Unreserved != 0 {
		t.Errorf("%d are unreserved (%v)", account.Unreserved, err)
	}
	if err := s.PutFunctionConcurrency(t.Context(), ref, 899); err != nil {
		t.Errorf("shrink: %v", err)
	}
	wantError(t, s.PutFunctionConcurrency(t.Context(), ref, 900), lambda.CodeInvalidParameterValue, "")
}

// TestConcurrencyHistories does random things with two functions and holds what is
// stored against the rules after each.
func TestConcurrencyHistories(t *testing.T) {
	base := *seed
	if base == 0 {
		base = uint64(time.Now().UnixNano())
	}
	for i := range uint64(10) {
		t.Run(fmt.Sprint(base+i), func(t *testing.T) {
			run(t, func(t *testing.T, s *server) {
				random := rand.New(rand.NewPCG(base+i, 1))
				for _, name := range []string{"f0", "f1"} {
					prepare(t, s, name)
				}
				done := 0
				for range 150 {
					err := randomConcurrency(t, s, random)
					if _, refused := errors.AsType[*lambda.Error](err); err != nil && !refused {
						t.Fatal(err)
					}
					if err == nil {
						done++
					}
					checkClaims(t, s)
				}
				if done < 20 {
					t.Errorf("only %d of the changes were made", done)
				}
			})
		})
	}
}

// prepare makes a function with versions 1 and 2 and aliases of them.
func prepare(t *testing.T, s *server, name string) {
	ref := lambda.Ref{Name: name}
	create(t, s, input(name))
	rest()
	for range 2 {
		if _, err := s.PublishVersion(t.Context(), ref, control.PublishInput{}); err != nil {
			t.Fatal(err)
		}
		rest()
		if _, err := s.UpdateFunctionConfiguration(t.Context(), ref, control.Settings{Description: new("changed")}, ""); err != nil {
			t.Fatal(err)
		}
		rest()
	}
	for alias, version := range map[string]string{"a": "1", "b": "2"} {
		if _, err := s.CreateAlias(t.Context(), ref, alias, control.AliasSettings{Version: &version}); err != nil {
			t.Fatal(err)
		}
	}
}

func randomConcurrency(t *testing.T, s *server, random *rand.Rand) error {
	ref := lambda.Ref{Name: fmt.Sprint("f", random.IntN(2))}
	qualified := ref
	qualified.Qualifier = []string{"1", "2", "a", "b", lambda.Latest}[random.IntN(5)]
	switch random.IntN(6) {
	case 0:
		return s.PutFunctionConcurrency(t.Context(), ref, random.IntN(700))
	case 1:
		return s.DeleteFunctionConcurrency(t.Context(), ref)
	case 2, 3:
		_, err := s.PutProvisionedConcurrency(t.Context(), qualified, 1+random.IntN(400))
		return err
	case 4:
		return s.DeleteProvisionedConcurrency(t.Context(), qualified)
	default:
		version := []string{"1", "2", lambda.Latest}[random.IntN(3)]
		_, err := s.UpdateAlias(t.Context(), ref, []string{"a", "b"}[random.IntN(2)], control.AliasSettings{Version: &version}, "")
		return err
	}
}

// checkClaims is what must be true of all functions together, and of each.
func checkClaims(t *testing.T, s *server) {
	t.Helper()
	account, err := s.Account(t.Context())
	if err != nil || account.Unreserved < lambda.MinUnreservedConcurrency {
		t.Fatalf("%d are left (%v)", account.Unreserved, err)
	}
	for _, r := range s.catalog.Functions() {
		f := r.Function
		if total := f.Configs.TotalProvisioned(); f.Reserved != nil && total > *f.Reserved {
			t.Fatalf("%s: %d are provisioned of %d reserved", f.Name, total, *f.Reserved)
		}
		for _, p := range f.Configs.Provisioned {
			a := f.Alias(p.Qualifier)
			if a == nil {
				continue
			}
			if _, twice := lambda.Find(f.Configs.Provisioned, a.Version); twice || a.Version == lambda.Latest {
				t.Fatalf("%s: the alias %s is provisioned and leads to %s: %+v", f.Name, a.Name, a.Version, f.Configs.Provisioned)
			}
		}
	}
}

// TestProvisioningSettles: however fast it is, it is shown in progress for as long as
// changes are; the answer to a change tells what there was before.
func TestProvisioningSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		defer m.Close()
		ready := control.Provisioning{Allocated: 5, Available: 5, Status: "READY"}
		s := start(t, m.Metadata(), control.Options{Settle: settle, Provisioned: func(*lambda.Function, string) control.Provisioning { return ready }})
		defer s.stop(t)
		in := input("f")
		in.Publish = true
		create(t, s, in)
		rest()
		ref := lambda.Ref{Name: "f", Qualifier: "1"}
		if _, err := s.PutProvisionedConcurrency(t.Context(), ref, 5); err != nil {
			t.Fatal(err)
		}
		shown := func() (one, listed control.Provisioning) {
			view, err := s.GetProvisionedConcurrency(t.Context(), ref)
			if err != nil {
				t.Fatal(err)
			}
			list, _, err := s.ListProvisionedConcurrency(t.Context(), lambda.Ref{Name: "f"}, control.PageInput{})
			if err != nil || len(list) != 1 {
				t.Fatalf("%+v, %v", list, err)
			}
			return view.Provisioning, list[0].Provisioning
		}
		time.Sleep(settle - 1)
		if one, listed := shown(); one != (control.Provisioning{Status: "IN_PROGRESS"}) || listed != one {
			t.Errorf("at first %+v, listed %+v", one, listed)
		}
		time.Sleep(1)
		if one, listed := shown(); one != ready || listed != one {
			t.Errorf("then %+v, listed %+v", one, listed)
		}
		again, err := s.PutProvisionedConcurrency(t.Context(), ref, 6)
		if err != nil || again.Allocated != 5 || again.Status != "IN_PROGRESS" {
			t.Errorf("changed: %+v, %v", again, err)
		}
	})
}
