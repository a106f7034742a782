package runtimes_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// listFunctions is the one operation of the service that a function asks for in
// these tests.
func listFunctions(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"Functions":[{"FunctionName":"neighbour"}]}`)
}

// A handler uses the SDK that the runtime brings, without having packed it.
func TestSDK(t *testing.T) {
	tests := []struct{ name, family, handler, file, body string }{
		{"boto3", "python", "app.handler", "app.py", `
import boto3
client = boto3.client("lambda")
def handler(event, context):
    return [f["FunctionName"] for f in client.list_functions()["Functions"]]
`},
		{"ES module", "nodejs", "app.handler", "app.mjs", `
import { LambdaClient, ListFunctionsCommand } from "@aws-sdk/client-lambda";
const client = new LambdaClient();
export const handler = async () =>
  (await client.send(new ListFunctionsCommand())).Functions.map((f) => f.FunctionName);
`},
		{"CommonJS", "nodejs", "app.handler", "app.js", `
const { LambdaClient, ListFunctionsCommand } = require("@aws-sdk/client-lambda");
const client = new LambdaClient();
exports.handler = async () =>
  (await client.send(new ListFunctionsCommand())).Functions.map((f) => f.FunctionName);
`},
		{"CommonJS that imports", "nodejs", "app.handler", "app.js", `
exports.handler = async () => {
  const { Lambda } = await import("@aws-sdk/client-lambda");
  return (await new Lambda().listFunctions()).Functions.map((f) => f.FunctionName);
};
`},
	}
	for _, tt := range tests {
		for _, r := range languages(t, tt.family) {
			t.Run(r.Name+" "+tt.name, func(t *testing.T) {
				p := startWith(t, r, task(t, map[string]string{tt.file: tt.body}), tt.handler, func(address string) map[string]string {
					return map[string]string{"AWS_ENDPOINT_URL": "http://" + address}
				})
				if got := p.invoke(t, "{}"); got.to != "response" || strings.ReplaceAll(got.body, " ", "") != `["neighbour"]` {
					t.Errorf("posted %+v", got)
				}
			})
		}
	}
}

// "import" finds what is in NODE_PATH, in its order, and after what is the
// function's own.
func TestNodePathOfModules(t *testing.T) {
	pack := func(place string) string { return "export default " + `"` + place + `"` }
	code := task(t, map[string]string{
		"app.mjs": `
import own from "own";
import layered from "layered";
import { extra } from "@scope/layered/extra";
export const handler = async () => [own, layered, extra, import.meta.resolve("layered")];
`,
		"missing.mjs":                                  `import "nothing-of-this-name"; export const handler = async () => 1;`,
		"node_modules/own/package.json":                `{"type": "module", "exports": "./index.js"}`,
		"node_modules/own/index.js":                    pack("task"),
		"one/node_modules/own/index.mjs":               pack("one"),
		"one/node_modules/own/package.json":            `{"exports": "./index.mjs"}`,
		"one/node_modules/layered/index.mjs":           pack("one"),
		"one/node_modules/layered/package.json":        `{"exports": {"import": "./index.mjs"}}`,
		"two/node_modules/layered/index.mjs":           pack("two"),
		"two/node_modules/layered/package.json":        `{"exports": {"import": "./index.mjs"}}`,
		"two/node_modules/@scope/layered/extra.mjs":    `export const extra = "two"`,
		"two/node_modules/@scope/layered/package.json": `{"exports": {"./extra": "./extra.mjs"}}`,
	})
	variables := map[string]string{"NODE_PATH": "/var/task/none:/var/task/one/node_modules:/var/task/two/node_modules"}
	for _, r := range languages(t, "nodejs") {
		t.Run(r.Name, func(t *testing.T) {
			got := start(t, r, code, "app.handler", variables).invoke(t, "{}")
			if want := `["task","one","two","file:///var/task/one/node_modules/layered/index.mjs"]`; got.body != want {
				t.Errorf("posted %+v, want %s", got, want)
			}
			got = start(t, r, code, "missing.handler", variables).wait(t)
			want := "Cannot find package 'nothing-of-this-name' imported from /var/task/missing.mjs"
			if got.to != "init/error" || decode(t, got.body)["errorMessage"] != want {
				t.Errorf("posted %+v, want init/error with %q", got, want)
			}
		})
	}
}
