package control_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"thaw/internal/control"
	"thaw/internal/lambda"
	"thaw/internal/store/memory"
)

// shelf is a fake of package s3: it has the keys of one bucket.
type shelf struct {
	t     *testing.T
	keys  map[string]string
	asked int
}

func (s *shelf) Get(_ context.Context, object lambda.S3Object, limit int64) (*os.File, error) {
	s.asked++
	if limit != lambda.MaxUnzipped {
		s.t.Errorf("the limit is %d", limit)
	}
	content, ok := s.keys[object.Key+object.Version]
	switch {
	case object.Key == "unreachable":
		return nil, errors.New("connection refused")
	case object.Bucket != "bucket" || !ok:
		return nil, lambda.Errorf(lambda.CodeInvalidParameterValue, "no such object")
	}
	name := filepath.Join(s.t.TempDir(), "object")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		return nil, err
	}
	return os.Open(name)
}

// TestCodeFromObjects takes code and layers from objects as if they had come in
// the request.
func TestCodeFromObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		defer m.Close()
		objects := &shelf{t: t, keys: map[string]string{"one": "zip one", "one.v2": "zip two", "layer": "zip of a layer", "bad": "bad", "large": "0123456789012345678901234567890"}}
		s := start(t, m.Metadata(), control.Options{Objects: objects, Quotas: control.Quotas{CodeStorage: 30}})
		defer s.stop(t)
		ctx := t.Context()
		in := input("f")
		in.Zip, in.Object = nil, lambda.S3Object{Bucket: "bucket", Key: "one"}
		if v := create(t, s, in); v.Version.Code != codeOf("zip one") {
			t.Errorf("code %+v", v.Version.Code)
		}
		synctest.Wait()
		update := control.UpdateCodeInput{Object: lambda.S3Object{Bucket: "bucket", Key: "one", Version: ".v2"}}
		v, err := s.UpdateFunctionCode(ctx, lambda.Ref{Name: "f"}, update)
		if err != nil || v.Version.Code != codeOf("zip two") {
			t.Errorf("%+v, %v", v.Version, err)
		}
		synctest.Wait()
		layer, err := s.PublishLayerVersion(ctx, lambda.LayerRef{Name: "l"}, control.PublishLayerInput{Object: lambda.S3Object{Bucket: "bucket", Key: "layer"}})
		if err != nil || layer.Version.Code != codeOf("zip of a layer") {
			t.Errorf("%+v, %v", layer.Version, err)
		}
		added := s.packages.adds
		for key, want := range map[string]string{
			"none": lambda.CodeInvalidParameterValue, "bad": lambda.CodeInvalidParameterValue, "large": lambda.CodeCodeStorageExceeded,
		} {
			update.Object = lambda.S3Object{Bucket: "bucket", Key: key}
			_, err := s.UpdateFunctionCode(ctx, lambda.Ref{Name: "f"}, update)
			wantError(t, err, want, "")
		}
		if s.packages.adds != added+1 { // "bad" was looked into
			t.Error("code beyond the quota was unpacked")
		}
		update.Object.Key = "unreachable"
		_, err = s.UpdateFunctionCode(ctx, lambda.Ref{Name: "f"}, update)
		if _, told := errors.AsType[*lambda.Error](err); told || err == nil {
			t.Errorf("error %v", err)
		}
		// What is refused anyway is not fetched.
		asked := objects.asked
		_, err = s.CreateFunction(ctx, in)
		wantError(t, err, lambda.CodeResourceConflict, "")
		if objects.asked != asked {
			t.Error("an object was fetched for a function that is there")
		}
	})
}

func TestObjectsWithoutAService(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		in := input("f")
		in.Zip, in.Object = nil, lambda.S3Object{Bucket: "bucket", Key: "one"}
		_, err := s.CreateFunction(t.Context(), in)
		wantError(t, err, lambda.CodeInvalidParameterValue, "")
	})
}
