package native_test

import (
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/linux/pid1"
	"thaw/internal/sandbox/native"
)

func TestRootStepsFollowTheHost(t *testing.T) {
	dir, file := &fstest.MapFile{Mode: fs.ModeDir | 0o755}, &fstest.MapFile{Mode: 0o644}
	link := func(target string) *fstest.MapFile {
		return &fstest.MapFile{Mode: fs.ModeSymlink | 0o777, Data: []byte(target)}
	}
	tests := map[string]struct {
		host fstest.MapFS
		want []pid1.Step // of what depends on the host
	}{
		"/usr merged": {
			host: fstest.MapFS{
				"usr": dir, "usr/bin": dir, "usr/lib": dir, "bin": link("usr/bin"), "lib": link("usr/lib"),
				"root": dir, "home": dir, "etc/shadow": file, "etc/ssl/private": dir, "etc/ssl/certs": dir, "etc/ld.so.cache": file,
			},
			want: []pid1.Step{
				native.Directory("usr"), native.Bind("usr"),
				native.Symlink("bin", "usr/bin"), native.Symlink("lib", "usr/lib"),
				native.File("etc/ld.so.cache", ""), native.Bind("etc/ld.so.cache"),
				native.Directory("etc/ssl"), native.Directory("etc/ssl/certs"), native.Bind("etc/ssl/certs"),
			},
		},
		"/usr not merged": {
			host: fstest.MapFS{"usr": dir, "bin": dir, "sbin": dir, "lib": dir, "etc": dir},
			want: []pid1.Step{
				native.Directory("usr"), native.Bind("usr"), native.Directory("bin"), native.Bind("bin"),
				native.Directory("sbin"), native.Bind("sbin"), native.Directory("lib"), native.Bind("lib"),
			},
		},
	}
	common, err := native.RootSteps(fstest.MapFS{"etc": dir})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			steps, err := native.RootSteps(test.host)
			if err != nil {
				t.Fatal(err)
			}
			var got []pid1.Step
			for _, s := range steps {
				if !slices.Contains(common, s) {
					got = append(got, s)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if last := steps[len(steps)-1]; last != (pid1.Step{Kind: pid1.StepSeal, Path: "."}) {
				t.Errorf("the last step is %+v, want the root sealed", last)
			}
		})
	}
}
