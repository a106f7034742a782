package runtimes_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/runtimes"
)

func functionContext() runtimes.FunctionContext {
	return runtimes.FunctionContext{
		Function:            "hello",
		Version:             "$LATEST",
		MemoryMB:            128,
		Handler:             "handler.handler",
		Region:              "us-east-1",
		LogGroup:            "/aws/lambda/hello",
		LogStream:           "2026/11/21/[$LATEST]0123456789abcdef0123456789abcdef",
		LogFormat:           "Text",
		ApplicationLogLevel: "INFO",
		Credentials:         runtimes.Credentials{AccessKeyID: "AK", SecretAccessKey: "SK", SessionToken: "ST"},
		RuntimeAPI:          "169.254.100.1:9001",
		InitType:            "on-demand",
	}
}

func resolve(t *testing.T, name string) runtimes.Runtime {
	t.Helper()
	dir := t.TempDir()
	if name == "python3.12" {
		install(t, dir, name, python312)
	}
	r, err := open(t, dir).Resolve(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEnviron(t *testing.T) {
	common := []string{
		"AWS_ACCESS_KEY_ID=AK",
		"AWS_DEFAULT_REGION=us-east-1",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128",
		"AWS_LAMBDA_FUNCTION_NAME=hello",
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_FORMAT=Text",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/hello",
		"AWS_LAMBDA_LOG_STREAM_NAME=2026/11/21/[$LATEST]0123456789abcdef0123456789abcdef",
		"AWS_LAMBDA_RUNTIME_API=169.254.100.1:9001",
		"AWS_REGION=us-east-1",
		"AWS_SECRET_ACCESS_KEY=SK",
		"AWS_SESSION_TOKEN=ST",
		"AWS_XRAY_CONTEXT_MISSING=LOG_ERROR",
		"AWS_XRAY_DAEMON_ADDRESS=169.254.100.1:2000",
		"LAMBDA_RUNTIME_DIR=/var/runtime",
		"LAMBDA_TASK_ROOT=/var/task",
		"LANG=en_US.UTF-8",
		"TZ=:UTC",
		"_AWS_XRAY_DAEMON_ADDRESS=169.254.100.1",
		"_AWS_XRAY_DAEMON_PORT=2000",
		"_HANDLER=handler.handler",
	}
	only := map[string][]string{
		"python3.12": {
			"AWS_EXECUTION_ENV=AWS_Lambda_python3.12",
			"PYTHONPATH=/var/runtime",
			"PATH=/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
			"LD_LIBRARY_PATH=/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
		},
		"provided.al2023": {
			"PATH=/usr/local/bin:/usr/bin/:/bin:/opt/bin",
			"LD_LIBRARY_PATH=/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
		},
	}
	for name, own := range only {
		want := slices.Concat(common, own)
		slices.Sort(want)
		if diff := cmp.Diff(want, resolve(t, name).Environ(functionContext())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestEnvironMerging(t *testing.T) {
	tests := []struct {
		name string
		tune func(*runtimes.FunctionContext)
		has  []string // "NAME=value", or "NAME" for one that must not be there
	}{
		{"a function's own", func(f *runtimes.FunctionContext) {
			f.Variables = map[string]string{"TABLE": "users", "EMPTY": ""}
		}, []string{"TABLE=users", "EMPTY="}},
		{"defaults may be changed", func(f *runtimes.FunctionContext) {
			f.Variables = map[string]string{"TZ": "Europe/Berlin", "PATH": "/opt/bin", "PYTHONPATH": "/opt/py", "LANG": "C"}
		}, []string{"TZ=Europe/Berlin", "PATH=/opt/bin", "PYTHONPATH=/opt/py", "LANG=C"}},
		{"the platform's unreserved win", func(f *runtimes.FunctionContext) {
			f.Variables = map[string]string{"AWS_XRAY_CONTEXT_MISSING": "IGNORE_ERROR"}
		}, []string{"AWS_XRAY_CONTEXT_MISSING=LOG_ERROR"}},
		{"reserved win", func(f *runtimes.FunctionContext) {
			f.Variables = map[string]string{"_HANDLER": "x", "AWS_REGION": "x", "AWS_LAMBDA_RUNTIME_API": "x", "LAMBDA_TASK_ROOT": "x"}
		}, []string{"_HANDLER=handler.handler", "AWS_REGION=us-east-1", "AWS_LAMBDA_RUNTIME_API=169.254.100.1:9001", "LAMBDA_TASK_ROOT=/var/task"}},
		{"reserved count for nothing where there is no value", func(f *runtimes.FunctionContext) {
			f.Credentials = runtimes.Credentials{}
			f.Variables = map[string]string{"AWS_SESSION_TOKEN": "x", "_X_AMZN_TRACE_ID": "x", "AWS_LAMBDA_METADATA_TOKEN": "x"}
		}, []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "_X_AMZN_TRACE_ID", "AWS_LAMBDA_METADATA_TOKEN", "AWS_LAMBDA_METADATA_API"}},
		{"addresses of services", func(f *runtimes.FunctionContext) {
			f.Services = map[string]string{"AWS_ENDPOINT_URL_LAMBDA": "http://a", "AWS_ENDPOINT_URL_LOGS": "http://b"}
			f.Variables = map[string]string{"AWS_ENDPOINT_URL_LOGS": "http://own"}
		}, []string{"AWS_ENDPOINT_URL_LAMBDA=http://a", "AWS_ENDPOINT_URL_LOGS=http://own"}},
		{"log level", func(f *runtimes.FunctionContext) { f.LogFormat = "JSON" },
			[]string{"AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_LAMBDA_LOG_LEVEL=INFO"}},
		{"no log level for text", func(*runtimes.FunctionContext) {}, []string{"AWS_LAMBDA_LOG_LEVEL"}},
		{"metadata endpoint", func(f *runtimes.FunctionContext) { f.MetadataToken = "tok" },
			[]string{"AWS_LAMBDA_METADATA_API=169.254.100.1:9001", "AWS_LAMBDA_METADATA_TOKEN=tok"}},
		{"no handler", func(f *runtimes.FunctionContext) { f.Handler = "" }, []string{"_HANDLER"}},
		{"names that are none", func(f *runtimes.FunctionContext) {
			f.Variables = map[string]string{"": "x", "A=B": "x", "A\x00": "x", "A": "x\x00y"}
		}, []string{"", "A", "A\x00"}},
	}
	r := resolve(t, "python3.12")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := functionContext()
			tt.tune(&f)
			got := r.Environ(f)
			for _, want := range tt.has {
				if strings.Contains(want, "=") {
					if !slices.Contains(got, want) {
						t.Errorf("%q is missing from\n%s", want, strings.Join(got, "\n"))
					}
				} else if slices.ContainsFunc(got, func(v string) bool { return strings.HasPrefix(v, want+"=") }) {
					t.Errorf("%q is there:\n%s", want, strings.Join(got, "\n"))
				}
			}
		})
	}
}
