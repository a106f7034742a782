package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// function is a function of the benchmark, in the form that each side needs.
type function struct {
	word     string // in the scenarios' names
	runtime  string
	handler  string
	memoryMB int
	dir      string // unpacked
	lang     string // the interpreter's directory; empty if the function brings all
	client   string // the runtime interface client's directory
}

// event is what every invocation carries.
const event = `{"key1":"value1","key2":"value2","key3":"value3"}`

const (
	// oneCPU is the memory that buys one whole vCPU, in MB.
	oneCPU = 1769
	// smallest is the smallest memory of a function, in MB.
	smallest = 128
)

// functions readies those of the benchmark's functions whose runtime is there;
// missing names the others.
func functions(source, work, runtimes string) (found []function, missing []string, err error) {
	binary := filepath.Join(work, "go")
	if err := os.MkdirAll(binary, 0o755); err != nil {
		return nil, nil, err
	}
	if err := goBuild(filepath.Join(binary, "bootstrap"), "./"+filepath.Join(source, "functions", "go")); err != nil {
		return nil, nil, err
	}
	found = []function{
		{word: "go", runtime: "provided.al2023", handler: "bootstrap", memoryMB: oneCPU, dir: binary},
		{word: "go128", runtime: "provided.al2023", handler: "bootstrap", memoryMB: smallest, dir: binary},
	}
	for _, managed := range []function{
		{word: "python", handler: "handler.handler"},
		{word: "node", handler: "index.handler"},
		{word: "java", handler: "Echo::handleRequest"},
	} {
		name := built(runtimes, preferred(managed.word))
		if name == "" {
			missing = append(missing, managed.word)
			continue
		}
		managed.runtime = name
		managed.memoryMB = oneCPU
		managed.dir = filepath.Join(source, "functions", managed.word)
		if managed.word == "java" {
			if managed.dir, err = javaBuild(managed.dir, work, name); err != nil {
				return nil, nil, err
			}
		}
		managed.lang = filepath.Join(runtimes, name, "lang")
		managed.client = filepath.Join(runtimes, name, "runtime")
		found = append(found, managed)
	}
	return found, missing, nil
}

// preferred are a language's runtimes, those that most functions use first.
func preferred(word string) []string {
	switch word {
	case "python":
		return []string{"python3.13", "python3.12", "python3.14", "python3.11", "python3.10"}
	case "java":
		return []string{"java17", "java21", "java25", "java11"}
	}
	return []string{"nodejs22.x", "nodejs24.x", "nodejs20.x"}
}

// javaBuild compiles a function in Java for a runtime and returns the classes'
// directory.
func javaBuild(source, work, runtime string) (string, error) {
	files, err := filepath.Glob(filepath.Join(source, "*.java"))
	if err != nil {
		return "", err
	}
	out := filepath.Join(work, "java")
	args := append([]string{"-d", out, "--release", strings.TrimPrefix(runtime, "java")}, files...)
	if text, err := exec.Command("javac", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("compile %s: %w\n%s", source, err, text)
	}
	return out, nil
}

// built finds the first of the runtimes that is there.
func built(runtimes string, names []string) string {
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(runtimes, name, "runtime.json")); err == nil {
			return name
		}
	}
	return ""
}

func goBuild(out, pkg string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-tags=lambda.norpc", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, text)
	}
	return nil
}

// zipped is the function's package.
func (f function) zipped() ([]byte, error) {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	if err := w.AddFS(os.DirFS(f.dir)); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// environ is a runtime process's environment where no server makes it.
func (f function) environ() []string {
	return []string{
		"_HANDLER=" + f.handler,
		"AWS_LAMBDA_FUNCTION_NAME=f",
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(f.memoryMB),
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/f",
		"AWS_LAMBDA_LOG_STREAM_NAME=s",
		"AWS_REGION=us-east-1",
		"LAMBDA_TASK_ROOT=/var/task",
		"LAMBDA_RUNTIME_DIR=/var/runtime",
		"LANG=en_US.UTF-8",
		"TZ=:UTC",
		"PATH=/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/usr/sbin:/sbin:/opt/bin",
		"LD_LIBRARY_PATH=/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
		"PYTHONPATH=/var/runtime",
		"NODE_PATH=/var/runtime/node_modules:/var/runtime:/var/task",
	}
}
