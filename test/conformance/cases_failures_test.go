package conformance_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// failureCases are functions that fail.
func failureCases() []derived {
	fail := func(name, file, code string) derived {
		return derived{suite: behaviour, name: "TestLambdaErrors::test_" + name, steps: func(r *run) {
			r.createUsual("", m{"Runtime": "python3.13", "Handler": file + ".handler", "Code": m{"ZipFile": pack(file+".py", code)}})
			r.invoke("invocation_error", nil)
		}}
	}
	cases := []derived{
		fail("lambda_handler_error", "lambda_handler_error", "def handler(event, context):\n    raise Exception(\"Handler fails\")\n"),
		fail("lambda_handler_exit", "lambda_handler_exit", "import sys\n\ndef handler(event, context):\n    sys.exit(0)\n"),
		fail("lambda_runtime_error", "lambda_runtime_error", "raise Exception(\"Runtime startup fails\")\n"),
		fail("lambda_runtime_exit", "lambda_runtime_exit", "import sys\n\nsys.exit(0)\n"),
	}
	for name, payload := range map[string]string{
		`body-n\x87r\x9e\xe9\xb5\xd7I\xee\x9bmt`: "n\x87r\x9e\xe9\xb5\xd7I\xee\x9bmt",
		`message-\x99\xeb,j\x07\xa1zYh`:          "\x99\xeb,j\x07\xa1zYh",
	} {
		kind, _, _ := strings.Cut(name, "-")
		cases = append(cases, derived{
			suite: behaviour, name: "TestLambdaErrors::test_lambda_invoke_payload_encoding_error[" + name + "]",
			steps: func(r *run) {
				r.createUsual("", nil)
				r.invoke("invoke_function_invalid_payload_"+kind, m{"Payload": blob([]byte(payload))})
			},
		})
	}
	cases = append(cases, each("lambda_common", "TestLambdaRuntimesCommon::test_uncaught_exception_invoke", func(r *run) {
		code := pack("handler.py", "def handler(event, context):\n    raise Exception(f\"Failed: {event['error_msg']}\")\n")
		if strings.HasPrefix(r.param, "nodejs") {
			code = pack("index.js", "exports.handler = async (event) => { throw new Error(`Error: ${event.error_msg}`) }\n")
		}
		uncaught(r, m{"Code": m{"ZipFile": code}})
	}, "python3.8", "python3.9", "python3.10", "python3.11", "python3.12", "python3.13", "nodejs20.x", "nodejs22.x", "nodejs24.x")...)
	cases = append(cases, each("lambda_common", "TestLambdaRuntimesCommon::test_uncaught_exception_invoke", func(r *run) {
		uncaught(r, m{"Code": m{"ZipFile": blob(javaProgram(r, "echo/Handler.java"))}})
	}, "java17", "java25")...)
	// What was recorded was written in Rust; what its runtime reports is passed on.
	cases = append(cases, each("lambda_common", "TestLambdaRuntimesCommon::test_uncaught_exception_invoke", func(r *run) {
		bootstrap := m{"ZipFile": pack("bootstrap", goProgram(r, "custom"))}
		r.create("create_function_result", uncaughtInput(r, m{"Code": bootstrap}))
		r.call("", "UpdateFunctionConfiguration", m{"FunctionName": r.fn, "Environment": m{"Variables": m{
			"ERROR_TYPE":   "&alloc::boxed::Box<dyn core::error::Error + core::marker::Send + core::marker::Sync>",
			"ERROR_FORMAT": "Error: %q",
		}}})
		r.settle(r.fn)
		r.invoke("error_result", someError)
	}, "provided.al2", "provided.al2023")...)
	return append(cases, each("lambda_runtimes", "TestGoProvidedRuntimes::test_uncaught_exception_invoke", func(r *run) {
		uncaught(r, m{"Code": m{"ZipFile": pack("bootstrap", goProgram(r, "gofail"))}})
	}, "provided.al2", "provided.al2023")...)
}

var someError = m{"Payload": blob([]byte(`{"error_msg": "some_error_msg"}`))}

// uncaught has a function fail. On a busy machine its first run may take longer than
// its three seconds, which the recordings have too.
func uncaught(r *run, over m) {
	r.create("create_function_result", uncaughtInput(r, over))
	for range 3 {
		if answer := r.invoke("error_result", someError); !strings.Contains(fmt.Sprint(answer["Payload"]), "Sandbox.Timedout") {
			return
		}
	}
}

func uncaughtInput(r *run, over m) m {
	return with(m{"Runtime": r.param, "Handler": usualHandler(r.param), "MemorySize": 1024}, over)
}

// javaProgram compiles a class of testdata against the library of a runtime.
func javaProgram(r *run, source string) []byte {
	core, err := filepath.Glob(filepath.Join(runtimes(r.t), r.param, "runtime", "lib", "aws-lambda-java-core-*.jar"))
	if err != nil || len(core) != 1 {
		r.stopf("aws-lambda-java-core of %s: %v, %v", r.param, core, err)
	}
	out := r.t.TempDir()
	text, err := exec.Command("javac", "--release", "17", "-classpath", core[0], "-d", out, filepath.Join("testdata", "java", source)).CombinedOutput()
	if err != nil {
		r.stopf("javac: %v\n%s", err, text)
	}
	class := strings.TrimSuffix(source, ".java") + ".class"
	content, err := os.ReadFile(filepath.Join(out, class))
	if err != nil {
		r.stopf("%v", err)
	}
	return zipped(0, class, string(content))
}

// goProgram builds a function of testdata.
func goProgram(r *run, name string) string {
	file := filepath.Join(r.t.TempDir(), "bootstrap")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-tags", "lambda.norpc", "-o", file, "./testdata/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		r.stopf("go build: %v\n%s", err, out)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		r.stopf("%v", err)
	}
	return string(content)
}
