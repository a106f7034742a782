package main

import (
	"errors"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func tree(files ...string) fstest.MapFS {
	t := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		t[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return t
}

func TestDetectProject(t *testing.T) {
	const python = "import os\n\ndef handler(event, context):\n    pass\n"
	tests := []struct {
		name     string
		code     fstest.MapFS
		runtimes []string
		want     project
	}{
		{"a bootstrap", tree("bootstrap", "", "main.go", "package main"), nil, project{customRuntime, "bootstrap", false}},
		{"Go sources", tree("hello.go", "// Hello.\npackage main\n"), nil, project{customRuntime, "bootstrap", true}},
		{"an ES module", tree("index.mjs", ""), nil, project{defaultNode, "index.handler", false}},
		{"the newest Node there", tree("index.js", ""), []string{"nodejs20.x", "nodejs24.x", "python3.12", "nodejs22.x"}, project{"nodejs24.x", "index.handler", false}},
		{"the Node asked for", tree("index.js", "", ".nvmrc", "v20.11.0\n"), []string{"nodejs24.x"}, project{"nodejs20.x", "index.handler", false}},
		{"main of package.json", tree("package.json", `{"main":"./src/start.js"}`, "src/start.js", "", "index.js", ""), nil, project{defaultNode, "src/start.handler", false}},
		{"main that is not there", tree("package.json", `{"main":"dist/x.js"}`, "index.js", ""), nil, project{defaultNode, "index.handler", false}},
		{"Python", tree("handler.py", python), nil, project{defaultPython, "handler.handler", false}},
		{"the only Python file", tree("greet.py", python), nil, project{defaultPython, "greet.handler", false}},
		{"lambda_function first", tree("app.py", python, "lambda_function.py", "def lambda_handler(e, c): pass"), nil, project{defaultPython, "lambda_function.lambda_handler", false}},
		{"3.13 is newer than 3.9", tree("app.py", python), []string{"python3.9", "python3.13", "python3.10"}, project{"python3.13", "app.handler", false}},
		{"the Python asked for", tree("app.py", python, ".python-version", "3.11.7"), []string{"python3.13"}, project{"python3.11", "app.handler", false}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := detectFor("", test.code, test.runtimes)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDetectNothing(t *testing.T) {
	tests := map[string]fstest.MapFS{
		"a Go library":           tree("lib.go", "package lib\n"),
		"two Python files":       tree("a.py", "def handler(e, c): pass", "b.py", "def handler(e, c): pass"),
		"no handler":             tree("app.py", "def other(): pass"),
		"a nested function":      tree("app.py", "class A:\n    def handler(self): pass"),
		"nothing at all":         tree(),
		"a directory bootstrap/": tree("bootstrap/x", ""),
	}
	for name, code := range tests {
		if got, err := detectFor("", code, nil); !errors.Is(err, errUndetected) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

func TestFunctionName(t *testing.T) {
	tests := []struct{ source, want string }{
		{"/a/hello", "hello"},
		{"/a/hello/", "hello"},
		{"/a/hello.zip", "hello"},
		{"/a/my function (2)", "my-function-2"},
		{"/a/x.y", "x-y"},
		{"/", ""},
		{"/a/!!!", ""},
	}
	for _, test := range tests {
		got, err := functionName(test.source)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("functionName(%q) = %q, %v, want %q", test.source, got, err, test.want)
		}
	}
}
