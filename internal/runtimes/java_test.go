package runtimes_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/runtimes"
)

// mounted is the directory that a runtime has at a place inside.
func mounted(t testing.TB, r runtimes.Runtime, target string) string {
	t.Helper()
	for _, m := range r.Mounts {
		if m.Target == target {
			return m.Source
		}
	}
	t.Fatalf("%s has nothing at %s", r.Name, target)
	return ""
}

// javaCore is the library that handlers are compiled against.
func javaCore(t testing.TB, r runtimes.Runtime) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(mounted(t, r, "/var/runtime"), "lib", "aws-lambda-java-core-*.jar"))
	if err != nil || len(found) != 1 {
		t.Fatalf("aws-lambda-java-core: found %v, %v", found, err)
	}
	return found[0]
}

func jdk(t testing.TB, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Skipf("compiling Java: %v", err)
	}
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// compileJava makes a task of classes, as a zip or a jar of them is unpacked.
func compileJava(t testing.TB, r runtimes.Runtime, sources map[string]string) string {
	t.Helper()
	dir, out := t.TempDir(), t.TempDir()
	args := []string{"javac", "--release", "17", "-classpath", javaCore(t, r), "-d", out}
	for name, body := range sources {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	jdk(t, args...)
	return out
}

// exampleJar builds the example and gives a task that has it as a library.
func exampleJar(t testing.TB, r runtimes.Runtime) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"javac", "jar"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("compiling Java: %v", err)
		}
	}
	jdk(t, filepath.Join("..", "..", "examples", "java", "build.sh"), javaCore(t, r), filepath.Join(dir, "lib", "hello.jar"))
	return dir
}

var javaSources = map[string]string{
	"Streams.java": `
package app;
import com.amazonaws.services.lambda.runtime.*;
import java.io.*;
public class Streams implements RequestStreamHandler {
    public void handleRequest(InputStream in, OutputStream out, Context context) throws IOException {
        out.write("[".getBytes());
        in.transferTo(out);
        out.write("]".getBytes());
    }
}`,
	"Orders.java": `
package app;
import java.io.File;
import java.lang.management.ManagementFactory;
import java.util.*;
public class Orders {
    public static class Order { public String item; private int count; public int getCount() { return count; } public void setCount(int n) { count = n; } }
    public static class Receipt { public String getItem() { return item; } public int getTotal() { return total; } String item; int total; }
    public Receipt buy(Order order) { Receipt r = new Receipt(); r.item = order.item; r.total = order.getCount() * 2; return r; }
    public String fail(Object event) { throw new IllegalStateException("no good"); }
    public String wrapped(Object event) { return System.getenv("WRAPPED"); }
    public String log(Object event, com.amazonaws.services.lambda.runtime.Context context) {
        System.out.println("plain");
        context.getLogger().log("first\nsecond");
        return "logged";
    }
    public Map<String, Object> tell(Object event) {
        Map<String, Object> m = new TreeMap<>();
        m.put("home", System.getProperty("java.home"));
        m.put("directory", System.getProperty("user.dir"));
        m.put("heapMB", Runtime.getRuntime().maxMemory() >> 20);
        m.put("arguments", ManagementFactory.getRuntimeMXBean().getInputArguments());
        m.put("tmp", new File("/tmp/.libaws-lambda-jni.so").exists());
        m.put("loader", Orders.class.getClassLoader().getClass().getSimpleName());
        return m;
    }
}`,
}

func TestJavaClient(t *testing.T) {
	for _, r := range languages(t, "java") {
		code := compileJava(t, r, javaSources)
		if err := os.WriteFile(filepath.Join(code, "wrapper"), []byte("#!/bin/sh\nexport WRAPPED=yes\nexec \"$@\"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Run(r.Name, func(t *testing.T) {
			t.Run("stream", func(t *testing.T) {
				if got := start(t, r, code, "app.Streams", nil).invoke(t, `{"a":1}`); got.to != "response" || got.body != `[{"a":1}]` {
					t.Errorf("posted %+v", got)
				}
			})
			t.Run("object", func(t *testing.T) {
				p := start(t, r, code, "app.Orders::buy", nil)
				got := p.invoke(t, `{"item":"tea","count":21}`)
				if diff := cmp.Diff(map[string]any{"item": "tea", "total": 42.0}, decode(t, got.body)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				// A machine that warns of something would do so in every function's log.
				if p.stop(); p.output.Len() != 0 {
					t.Errorf("printed %q, want nothing", &p.output)
				}
			})
			t.Run("handler fails", func(t *testing.T) {
				p := start(t, r, code, "app.Orders::fail", nil)
				for range 2 { // the process lives on
					got := p.invoke(t, "{}")
					body := decode(t, got.body)
					if got.to != "error" || body["errorType"] != "java.lang.IllegalStateException" || body["errorMessage"] != "no good" {
						t.Errorf("posted %+v", got)
					}
				}
			})
			t.Run("no such class", func(t *testing.T) {
				// This client begins, and tells it at each event.
				got := start(t, r, code, "app.Missing", nil).invoke(t, "{}")
				if got.to != "error" || decode(t, got.body)["errorMessage"] != "Class not found: app.Missing" {
					t.Errorf("posted %+v", got)
				}
			})
			t.Run("framed log", func(t *testing.T) {
				p := start(t, r, code, "app.Orders::log", nil)
				p.invoke(t, "{}")
				if got := p.frame(t); got != "first\nsecond" {
					t.Errorf("framed %q, want the record of two lines", got)
				}
			})
			checkWrapper(t, r, code, "app.Orders::wrapped")
			checkJavaOptions(t, r, code)
		})
	}
}

// checkJavaOptions holds the machine's settings to the function's memory, and lets
// JAVA_TOOL_OPTIONS have the last word.
func checkJavaOptions(t *testing.T, r runtimes.Runtime, code string) {
	tests := []struct {
		name, options string
		minMB, maxMB  float64
		has, lacks    string
	}{
		{"own memory", "", 90, 112, "-XX:TieredStopAtLevel=1", "-Xmx"},
		{"chosen memory", "-Xmx64m", 50, 64, "-Xmx64m", "-XX:MaxHeapSize"},
		{"chosen compiler", "-XX:TieredStopAtLevel=4", 90, 112, "-XX:TieredStopAtLevel=4", "-XX:TieredStopAtLevel=1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var variables map[string]string
			if tt.options != "" {
				variables = map[string]string{"JAVA_TOOL_OPTIONS": tt.options}
			}
			p := start(t, r, code, "app.Orders::tell", variables)
			got := decode(t, p.invoke(t, "{}").body)
			if mb, _ := got["heapMB"].(float64); mb < tt.minMB || mb > tt.maxMB {
				t.Errorf("a heap of %v MiB in 128, want %v to %v", got["heapMB"], tt.minMB, tt.maxMB)
			}
			var arguments []string
			for _, a := range got["arguments"].([]any) {
				arguments = append(arguments, a.(string))
			}
			if all := strings.Join(arguments, " "); !strings.Contains(all, tt.has) || strings.Contains(all, tt.lacks) {
				t.Errorf("the machine has %q, want %s and no %s", all, tt.has, tt.lacks)
			}
			want := map[string]any{"home": "/var/lang", "directory": "/var/task", "tmp": false, "loader": "CustomerClassLoader"}
			for name, value := range want {
				if got[name] != value {
					t.Errorf("%s is %v, want %v", name, got[name], value)
				}
			}
		})
	}
}

// The archive of classes must be one that the machine takes: it says nothing where it
// does not, and starts more slowly.
func TestJavaArchive(t *testing.T) {
	for _, r := range languages(t, "java") {
		t.Run(r.Name, func(t *testing.T) {
			if _, err := os.Stat(filepath.Join(mounted(t, r, "/var/runtime"), "lib", "runtime.jsa")); err != nil {
				t.Skipf("the runtime was built without one: %v", err)
			}
			options := map[string]string{"JAVA_TOOL_OPTIONS": "-Xlog:class+load:stdout"}
			p := start(t, r, compileJava(t, r, javaSources), "app.Streams", options)
			p.invoke(t, "{}")
			p.stop()
			const class = "com.amazonaws.services.lambda.runtime.api.client.AWSLambda source: shared objects file (top)"
			if !strings.Contains(p.output.String(), class) {
				t.Error("the client does not come from the archive")
			}
			// The task is another class path than the archive's, and must not matter.
			if strings.Contains(p.output.String(), "mismatch") {
				t.Error("the archive does not fit")
			}
		})
	}
}
