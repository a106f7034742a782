package control_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/control"
	"thaw/internal/lambda"
	"thaw/internal/store/memory"
)

func publishLayer(t testing.TB, s *server, name, zip string) control.LayerView {
	t.Helper()
	v, err := s.PublishLayerVersion(t.Context(), lambda.LayerRef{Name: name}, control.PublishLayerInput{Zip: []byte(zip)})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func deleteLayer(t testing.TB, s *server, name string, version int64) {
	t.Helper()
	if err := s.DeleteLayerVersion(t.Context(), lambda.LayerRef{Name: name, Version: version}); err != nil {
		t.Fatal(err)
	}
}

// withLayers is an accepted function with layers.
func withLayers(name string, arns ...string) control.CreateFunctionInput {
	in := input(name)
	in.Layers = &arns
	return in
}

func arnsOf(v control.View) (arns []string) {
	for _, l := range v.Version.Layers {
		arns = append(arns, l.ARN)
	}
	return arns
}

func TestPublishLayerVersion(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		in := control.PublishLayerInput{
			Description: "d", License: "MIT", Zip: []byte("content"),
			Runtimes: []string{"python3.13"}, Architectures: []string{"arm64", "x86_64"},
		}
		got, err := s.PublishLayerVersion(t.Context(), lambda.LayerRef{Name: "l"}, in)
		if err != nil {
			t.Fatal(err)
		}
		want := &lambda.LayerVersion{
			Number: 1, Description: "d", License: "MIT", Runtimes: in.Runtimes, Architectures: in.Architectures,
			Code: codeOf("content"), CreatedAt: time.Now().UTC(),
		}
		if diff := cmp.Diff(want, got.Version); diff != "" {
			t.Errorf("version (-want +got):\n%s", diff)
		}
		if want := "arn:aws:lambda:eu-central-1:123456789012:layer:l"; got.LayerARN != want || got.ARN != want+":1" {
			t.Errorf("ARNs %s and %s", got.LayerARN, got.ARN)
		}
		shown, err := s.GetLayerVersion(t.Context(), lambda.LayerRef{Name: "l", Version: 1})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, shown); diff != "" {
			t.Errorf("shown (-published +got):\n%s", diff)
		}
	})
}

// TestLayerNumbersAreNotUsedAgain deletes versions, all of them in the end, and
// starts the server anew in between.
func TestLayerNumbersAreNotUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		defer m.Close()
		for i := range 4 {
			s := start(t, m.Metadata(), control.Options{Settle: settle})
			want := int64(2*i + 1)
			if v := publishLayer(t, s, "l", "a"); v.Version.Number != want {
				t.Errorf("number %d, want %d", v.Version.Number, want)
			}
			publishLayer(t, s, "l", "b")
			deleteLayer(t, s, "l", want+1)
			if i > 0 {
				deleteLayer(t, s, "l", want)
			}
			s.stop(t)
		}
	})
}

func TestLayerRefusals(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		publishLayer(t, s, "l", "a")
		const absent = "The resource you requested does not exist."
		for _, test := range []struct {
			name       string
			ref        lambda.LayerRef
			code, text string
		}{
			{"version zero", lambda.LayerRef{Name: "l"}, parameter, "Layer Version Cannot be less than 1"},
			{"negative version", lambda.LayerRef{Name: "l", Version: -1}, parameter, "Layer Version Cannot be less than 1"},
			{"no such version", lambda.LayerRef{Name: "l", Version: 2}, lambda.CodeResourceNotFound, absent},
			{"no such layer", lambda.LayerRef{Name: "m", Version: 1}, lambda.CodeResourceNotFound, absent},
			{"another region", lambda.LayerRef{Name: "l", Version: 1, Region: "us-east-1", Account: scope.Account}, lambda.CodeResourceNotFound, absent},
			{"another account", lambda.LayerRef{Name: "l", Version: 1, Region: scope.Region, Account: "999999999999"}, lambda.CodeAccessDenied,
				"User: arn:aws:iam::123456789012:root is not authorized to perform: lambda:GetLayerVersion on resource: " +
					"arn:aws:lambda:eu-central-1:999999999999:layer:l:1 because no resource-based policy allows the lambda:GetLayerVersion action"},
		} {
			_, err := s.GetLayerVersion(t.Context(), test.ref)
			if e, ok := errors.AsType[*lambda.Error](err); !ok || e.Code != test.code || e.Message != test.text {
				t.Errorf("%s: %v", test.name, err)
			}
		}
		wantError(t, s.DeleteLayerVersion(t.Context(), lambda.LayerRef{Name: "l"}), parameter, "Layer Version Cannot be less than 1")
		deleteLayer(t, s, "l", 9)
		deleteLayer(t, s, "m", 1)
		_, err := s.PublishLayerVersion(t.Context(), lambda.LayerRef{Name: "l"}, control.PublishLayerInput{Zip: []byte("bad")})
		wantError(t, err, parameter, "Could not unzip uploaded file. Please check your file, then try to upload again.")
		if _, err := s.GetLayerVersion(t.Context(), lambda.LayerRef{Name: "l", Version: 1}); err != nil {
			t.Errorf("the version that was there: %v", err)
		}
	})
}

// pages lists all, a few at a time, and checks the sizes of pages.
func pages(t *testing.T, max int, list func(marker string) ([]control.LayerView, string, error)) (shown []string) {
	t.Helper()
	for marker := ""; ; {
		views, next, err := list(marker)
		if err != nil {
			t.Fatal(err)
		}
		if len(views) > max || next != "" && len(views) != max {
			t.Fatalf("a page of %d, want %d", len(views), max)
		}
		for _, v := range views {
			shown = append(shown, fmt.Sprintf("%s:%d", v.Layer.Name, v.Version.Number))
		}
		if next == "" {
			return shown
		}
		marker = next
	}
}

func TestListLayers(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		publish := func(name string, runtimes, architectures []string) {
			_, err := s.PublishLayerVersion(t.Context(), lambda.LayerRef{Name: name},
				control.PublishLayerInput{Zip: []byte("z"), Runtimes: runtimes, Architectures: architectures})
			if err != nil {
				t.Fatal(err)
			}
		}
		publish("b", []string{"python3.13"}, []string{"x86_64"})
		publish("b", []string{"nodejs22.x"}, []string{"x86_64", "arm64"})
		publish("a", nil, nil)
		publish("c", []string{"python3.13"}, nil)
		publish("gone", []string{"python3.13"}, nil)
		deleteLayer(t, s, "gone", 1)
		for _, test := range []struct {
			in   control.ListLayersInput
			want []string
		}{
			{control.ListLayersInput{}, []string{"a:1", "b:2", "c:1"}},
			{control.ListLayersInput{Runtime: "python3.13"}, []string{"b:1", "c:1"}},
			{control.ListLayersInput{Architecture: "arm64"}, []string{"b:2"}},
			{control.ListLayersInput{Runtime: "python3.13", Architecture: "arm64"}, nil},
		} {
			for _, max := range []int{1, 2, 50} {
				got := pages(t, max, func(marker string) ([]control.LayerView, string, error) {
					in := test.in
					in.Marker, in.Max = marker, max
					return s.ListLayers(t.Context(), in)
				})
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("%+v by %d (-want +got):\n%s", test.in, max, diff)
				}
			}
		}
	})
}

func TestListLayerVersions(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		for i := range 12 {
			in := control.PublishLayerInput{Zip: []byte("z")}
			if i%5 == 0 {
				in.Runtimes = []string{"java21"}
			}
			if _, err := s.PublishLayerVersion(t.Context(), lambda.LayerRef{Name: "l"}, in); err != nil {
				t.Fatal(err)
			}
		}
		deleteLayer(t, s, "l", 10)
		list := func(name string, in control.ListLayersInput, max int) []string {
			return pages(t, max, func(marker string) ([]control.LayerView, string, error) {
				in.Marker, in.Max = marker, max
				return s.ListLayerVersions(t.Context(), lambda.LayerRef{Name: name}, in)
			})
		}
		all := []string{"l:12", "l:11", "l:9", "l:8", "l:7", "l:6", "l:5", "l:4", "l:3", "l:2", "l:1"}
		for _, max := range []int{1, 3, 11, 50} {
			if diff := cmp.Diff(all, list("l", control.ListLayersInput{}, max)); diff != "" {
				t.Errorf("by %d (-want +got):\n%s", max, diff)
			}
		}
		if diff := cmp.Diff([]string{"l:11", "l:6", "l:1"}, list("l", control.ListLayersInput{Runtime: "java21"}, 1)); diff != "" {
			t.Errorf("of a runtime (-want +got):\n%s", diff)
		}
		if got := list("absent", control.ListLayersInput{}, 50); len(got) != 0 {
			t.Errorf("a layer that is not there has %v", got)
		}
		_, _, err := s.ListLayerVersions(t.Context(), lambda.LayerRef{Name: "l"}, control.ListLayersInput{Marker: "?"})
		wantError(t, err, parameter, "Invalid Marker: ?")
		// The version that the last page ended with is deleted before the next.
		_, next, err := s.ListLayerVersions(t.Context(), lambda.LayerRef{Name: "l"}, control.ListLayersInput{Max: 3})
		if err != nil {
			t.Fatal(err)
		}
		deleteLayer(t, s, "l", 9)
		views, _, err := s.ListLayerVersions(t.Context(), lambda.LayerRef{Name: "l"}, control.ListLayersInput{Marker: next, Max: 1})
		if err != nil || len(views) != 1 || views[0].Version.Number != 8 {
			t.Errorf("after a marker that is gone: %+v, %v", views, err)
		}
	})
}

// TestDeletedLayersStayWithFunctions: what a function was given it keeps, with the
// content, and nobody else can have it.
func TestDeletedLayersStayWithFunctions(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		one, two := publishLayer(t, s, "l", "one"), publishLayer(t, s, "m", "two")
		create(t, s, withLayers("f", one.ARN, two.ARN))
		rest()
		deleteLayer(t, s, "l", 1)
		deleteLayer(t, s, "m", 1)
		rest()
		if diff := cmp.Diff([]string{one.ARN, two.ARN}, arnsOf(get(t, s, "f", ""))); diff != "" {
			t.Errorf("layers (-want +got):\n%s", diff)
		}
		if !s.packages.keeps("one") || !s.packages.keeps("two") {
			t.Error("the content of a deleted layer that is in use was removed")
		}
		_, err := s.CreateFunction(t.Context(), withLayers("g", one.ARN))
		wantError(t, err, parameter, "Layer version "+one.ARN+" does not exist.")

		// Another setting leaves them; a version has them; then they are let go.
		ref := lambda.Ref{Name: "f"}
		if _, err := s.UpdateFunctionConfiguration(t.Context(), ref, control.Settings{Description: new("d")}, ""); err != nil {
			t.Fatal(err)
		}
		rest()
		if got := arnsOf(get(t, s, "f", "")); len(got) != 2 {
			t.Errorf("after another setting the layers are %v", got)
		}
		v, err := s.UpdateFunctionCode(t.Context(), ref, control.UpdateCodeInput{Zip: []byte("zip two"), Publish: true})
		if err != nil {
			t.Fatal(err)
		}
		rest()
		if _, err := s.UpdateFunctionConfiguration(t.Context(), ref, control.Settings{Layers: layers()}, ""); err != nil {
			t.Fatal(err)
		}
		rest()
		if got := arnsOf(get(t, s, "f", "")); got != nil {
			t.Errorf("layers that were taken away: %v", got)
		}
		if !s.packages.keeps("one") {
			t.Error("the content that a published version has was removed")
		}
		if err := s.DeleteFunction(t.Context(), lambda.Ref{Name: "f", Qualifier: v.Version.Number}); err != nil {
			t.Fatal(err)
		}
		rest()
		if s.packages.keeps("one") || s.packages.keeps("two") {
			t.Error("the content of a deleted layer that nobody uses is kept")
		}
	})
}

// TestLayerContentIsHeldByAChange deletes and collects a layer while a change that
// names it is on its way.
func TestLayerContentIsHeldByAChange(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		l := publishLayer(t, s, "l", "one")
		create(t, s, input("f"))
		rest()
		s.packages.acquiring = func() { deleteLayer(t, s, "l", 1) }
		_, err := s.UpdateFunctionConfiguration(t.Context(), lambda.Ref{Name: "f"}, control.Settings{Layers: layers(l.ARN)}, "")
		wantError(t, err, parameter, "Layer version "+l.ARN+" does not exist.")
		s.packages.acquiring = nil
		rest()
		if s.packages.keeps("one") {
			t.Error("a change that was refused holds the layer's content")
		}
	})
}

func TestSharedContentIsKeptOnce(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		publishLayer(t, s, "l", "same")
		publishLayer(t, s, "m", "same")
		in := input("f")
		in.Zip = []byte("same")
		create(t, s, in)
		rest()
		deleteLayer(t, s, "l", 1)
		if err := s.DeleteFunction(t.Context(), lambda.Ref{Name: "f"}); err != nil {
			t.Fatal(err)
		}
		rest()
		if !s.packages.keeps("same") {
			t.Error("content that one layer has still is gone")
		}
		deleteLayer(t, s, "m", 1)
		rest()
		if s.packages.keeps("same") {
			t.Error("content that nobody names is kept")
		}
	})
}

func TestCodeAndLayersTogether(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		l := publishLayer(t, s, "l", "200000000 bytes unzipped")
		m := publishLayer(t, s, "m", "62144000 bytes unzipped")
		in := withLayers("f", l.ARN, m.ARN)
		in.Zip = []byte("1 bytes unzipped")
		const tooMuch = "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is %d bytes."
		_, err := s.CreateFunction(t.Context(), in)
		wantError(t, err, parameter, fmt.Sprintf(tooMuch, 262144001))
		in.Zip = []byte("0 bytes unzipped")
		create(t, s, in)
		rest()
		ref := lambda.Ref{Name: "f"}
		_, err = s.UpdateFunctionCode(t.Context(), ref, control.UpdateCodeInput{Zip: []byte("9 bytes unzipped")})
		wantError(t, err, parameter, fmt.Sprintf(tooMuch, 262144009))
		if _, err := s.UpdateFunctionConfiguration(t.Context(), ref, control.Settings{Layers: layers(l.ARN)}, ""); err != nil {
			t.Fatal(err)
		}
		rest()
		if _, err := s.UpdateFunctionCode(t.Context(), ref, control.UpdateCodeInput{Zip: []byte("9 bytes unzipped")}); err != nil {
			t.Fatal(err)
		}
		rest()
		_, err = s.UpdateFunctionConfiguration(t.Context(), ref, control.Settings{Layers: layers(m.ARN, l.ARN)}, "")
		wantError(t, err, parameter, fmt.Sprintf(tooMuch, 262144009))
		if got := arnsOf(get(t, s, "f", "")); len(got) != 1 || !strings.HasSuffix(got[0], ":l:1") {
			t.Errorf("layers after a refusal: %v", got)
		}
	})
}

func TestLayersCountAsStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		defer m.Close()
		s := start(t, m.Metadata(), control.Options{Settle: settle, Quotas: control.Quotas{CodeStorage: 20}})
		defer s.stop(t)
		publishLayer(t, s, "l", "0123456789")
		publishLayer(t, s, "l", "0123456789")
		_, err := s.PublishLayerVersion(t.Context(), lambda.LayerRef{Name: "m"}, control.PublishLayerInput{Zip: []byte("0")})
		wantError(t, err, lambda.CodeCodeStorageExceeded, "Code storage limit exceeded.")
		in := input("f")
		in.Zip = []byte("0")
		_, err = s.CreateFunction(t.Context(), in)
		wantError(t, err, lambda.CodeCodeStorageExceeded, "Code storage limit exceeded.")
		deleteLayer(t, s, "l", 1)
		create(t, s, in)
		rest()
	})
}

// TestLayerThatCannotBeMounted fails the function that has it.
func TestLayerThatCannotBeMounted(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		l := publishLayer(t, s, "l", "one")
		create(t, s, withLayers("f", l.ARN))
		s.packages.lose("one")
		rest()
		if v := get(t, s, "f", ""); v.Version.Status.State != lambda.StateFailed {
			t.Errorf("state %s with a layer that is gone", v.Version.Status.State)
		}
	})
}
