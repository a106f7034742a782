// Command stranger is all that is in the root directory of a test: its shell, and
// a runtime client that tells what it sees there.
package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
)

const api = "/2018-06-01/runtime/invocation/"

func main() {
	base := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + api
	for {
		next, err := http.Get(base + "next")
		if err != nil {
			os.Exit(1)
		}
		next.Body.Close()
		answer, err := json.Marshal(view())
		if err != nil {
			os.Exit(1)
		}
		id := next.Header.Get("Lambda-Runtime-Aws-Request-Id")
		sent, err := http.Post(base+id+"/response", "application/json", bytes.NewReader(answer))
		if err != nil {
			os.Exit(1)
		}
		sent.Body.Close()
	}
}

func view() map[string]any {
	code, _ := os.ReadFile("/var/task/code.txt")
	system, _ := os.ReadFile("/etc/os-release")
	hosts, _ := os.ReadFile("/etc/hosts")
	_, host := os.Stat("/usr")
	_, null := os.Stat("/dev/null")
	_, self := os.Stat("/proc/self/status")
	return map[string]any{
		"args": os.Args, "code": string(code), "system": string(system),
		"handler": os.Getenv("_HANDLER"), "greeting": os.Getenv("GREETING"), "env": os.Getenv("AWS_EXECUTION_ENV"),
		"host is seen": host == nil, "devices": null == nil, "proc": self == nil,
		"own hosts": bytes.Contains(hosts, []byte("sandbox.localdomain")),
		"tmp":       os.WriteFile("/tmp/x", nil, 0o600) == nil,
		"root":      os.WriteFile("/var/runtime/x", nil, 0o600) == nil,
		"uid":       os.Getuid(),
	}
}
