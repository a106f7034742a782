package control_test

import (
	"testing"
	"testing/synctest"

	"thaw/internal/control"
	"thaw/internal/lambda"
	"thaw/internal/store/memory"
)

// TestCodeStorage counts every version with its whole size.
func TestCodeStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		defer m.Close()
		s := start(t, m.Metadata(), control.Options{Quotas: control.Quotas{CodeStorage: 20}})
		defer s.stop(t)
		ctx := t.Context()
		in := input("f")
		in.Zip = []byte("0123456789")
		create(t, s, in) // 10
		synctest.Wait()
		unpacked := s.packages.adds
		in.Name, in.Zip = "g", []byte("01234567890")
		_, err := s.CreateFunction(ctx, in)
		wantError(t, err, lambda.CodeCodeStorageExceeded, "")
		in.Zip, in.Publish = []byte("012345"), true
		_, err = s.CreateFunction(ctx, in)
		wantError(t, err, lambda.CodeCodeStorageExceeded, "")
		ref := lambda.Ref{Name: "f"}
		update := control.UpdateCodeInput{Zip: []byte("01234567890"), Publish: true}
		_, err = s.UpdateFunctionCode(ctx, ref, update)
		wantError(t, err, lambda.CodeCodeStorageExceeded, "")
		if s.packages.adds != unpacked {
			t.Error("code beyond the quota was unpacked")
		}
		update.Publish = false
		if _, err := s.UpdateFunctionCode(ctx, ref, update); err != nil { // 11: it replaces
			t.Error(err)
		}
		synctest.Wait()
		in.Zip, in.Publish = []byte("012345678"), false
		create(t, s, in) // 20
		synctest.Wait()
		if err := s.DeleteFunction(ctx, ref); err != nil {
			t.Fatal(err)
		}
		in.Name = "h"
		create(t, s, in)
	})
}
