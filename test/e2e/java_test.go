package e2e_test

import (
	"archive/zip"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// javaClasses compiles the handlers against Amazon's library, as a customer does.
func javaClasses(t *testing.T, runtime string) []byte {
	t.Helper()
	core, err := filepath.Glob(filepath.Join(runtimesDir(t), runtime, "runtime", "lib", "aws-lambda-java-core-*.jar"))
	if err != nil || len(core) != 1 {
		t.Fatalf("aws-lambda-java-core of %s: %v, %v", runtime, core, err)
	}
	sources, err := filepath.Glob("testdata/functions/java/*.java")
	if err != nil || len(sources) == 0 {
		t.Fatalf("sources: %v, %v", sources, err)
	}
	out := t.TempDir()
	args := append([]string{"--release", "17", "-classpath", core[0], "-d", out}, sources...)
	if text, err := exec.Command("javac", args...).CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, text)
	}
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	if err := w.AddFS(os.DirFS(out)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// hasJDK tells whether there can be a Java runtime, which is made of the machine's
// own.
func hasJDK(t testing.TB) bool {
	t.Helper()
	if _, err := exec.LookPath("javac"); err != nil {
		t.Log("this machine has no JDK: nothing is tried in Java")
		return false
	}
	return true
}

// TestJava: each kind of handler of aws-lambda-java-core is served cold and warm,
// and the init of the cold one is told and billed.
func TestJava(t *testing.T) {
	if !hasJDK(t) {
		t.Skip("this machine has no JDK, and the runtimes are made of the machine's own")
	}
	s := shared(t)
	type event = map[string]any
	tests := []struct {
		name, handler string
		event         any
		cold, warm    event // answers; nil members are not compared
		initMS        float64
	}{
		{"pojo", "app.Orders::buy", event{"item": "tea", "count": 21},
			event{"item": "tea", "total": 42.0, "served": 1.0}, event{"item": "tea", "total": 42.0, "served": 2.0}, 0},
		{"stream", "app.Streams", event{"a": "b"}, event{"got": event{"a": "b"}}, event{"got": event{"a": "b"}}, 0},
		{"handler", "app.Tell", event{"name": "Ada"},
			event{"name": "Ada", "memoryMB": 512.0, "inTime": true}, event{"name": "Ada", "memoryMB": 512.0, "inTime": true}, 400},
	}
	for _, runtime := range managed(t, "java") {
		packed := javaClasses(t, runtime)
		for _, tt := range tests {
			t.Run(runtime+" "+tt.name, func(t *testing.T) {
				name := strings.NewReplacer(".", "-").Replace(runtime) + "-" + tt.name
				s.deploy(t, name, spec{runtime: runtime, handler: tt.handler, zip: packed, memory: 512, timeout: 30})
				for i, want := range []event{tt.cold, tt.warm} {
					a := s.invoke(t, name, tt.event)
					var got event
					a.decode(t, &got)
					if tt.handler == "app.Tell" {
						want["function"], want["requestId"] = name, a.RequestID
						a.match(t, "asked for Ada")
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("invocation %d (-want +got):\n%s", i, diff)
					}
					checkInit(t, a, i == 0, tt.initMS)
				}
			})
		}
		t.Run(runtime+" fails", func(t *testing.T) {
			name := strings.NewReplacer(".", "-").Replace(runtime) + "-fails"
			s.deploy(t, name, spec{runtime: runtime, handler: "app.Orders::buy", zip: packed, memory: 512, timeout: 30})
			got := s.invoke(t, name, event{"count": -1}).failed(t)
			if got.ErrorType != "java.lang.IllegalArgumentException" || got.ErrorMessage != "less than nothing" || len(got.StackTrace) == 0 {
				t.Errorf("failed with %+v", got)
			}
			var after event
			s.invoke(t, name, event{"item": "tea", "count": 1}).decode(t, &after)
			if after["served"] != 1.0 { // by the same machine: one that failed serves on
				t.Errorf("after a failure: %v", after)
			}
		})
	}
}

var reportLine = regexp.MustCompile(`REPORT RequestId: \S+\tDuration: ([\d.]+) ms\tBilled Duration: (\d+) ms\tMemory Size: 512 MB\tMax Memory Used: (\d+) MB\t(?:Init Duration: ([\d.]+) ms\t)?`)

// checkInit holds the report of an invocation to having begun with an init of at
// least so many milliseconds, or with none.
func checkInit(t *testing.T, a answer, cold bool, leastMS float64) {
	t.Helper()
	found := reportLine.FindStringSubmatch(a.Log)
	if found == nil {
		t.Fatalf("no report in:\n%s", a.Log)
	}
	number := func(text string) float64 {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatalf("%q in %s: %v", text, found[0], err)
		}
		return n
	}
	if (found[4] != "") != cold {
		t.Fatalf("cold is %v, and the report is %s", cold, found[0])
	}
	run, billed := number(found[1]), number(found[2])
	init := 0.0
	if cold {
		if init = number(found[4]); init <= 0 || init < leastMS {
			t.Errorf("the init took %v ms, and the class alone takes %v", init, leastMS)
		}
	}
	if billed < run+init-0.02 || billed > run+init+1.02 { // both are rounded
		t.Errorf("billed are %v ms of %v and %v", billed, run, init)
	}
	if peak := number(found[3]); peak < 20 || peak > 512 {
		t.Errorf("a Java machine in %v MB", peak)
	}
}
