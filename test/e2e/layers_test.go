package e2e_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"
)

// zipFiles zips files by their names. What begins like a script can be executed.
func zipFiles(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		mode := os.FileMode(0o644)
		if strings.HasPrefix(files[name], "#!") || strings.HasPrefix(files[name], "\x7fELF") {
			mode = 0o755
		}
		if err := addFile(w, name, mode, []byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// layer publishes a layer and deletes that version when the test is over.
func (s *server) layer(t testing.TB, name string, files map[string]string) (arn string) {
	t.Helper()
	out := s.layerKeeping(t, name, files)
	t.Cleanup(func() { s.removeLayer(t, name, out.Version) })
	return aws.ToString(out.LayerVersionArn)
}

func (s *server) layerKeeping(t testing.TB, name string, files map[string]string) *lambda.PublishLayerVersionOutput {
	t.Helper()
	out, err := s.client.PublishLayerVersion(t.Context(), &lambda.PublishLayerVersionInput{
		LayerName: &name, Content: &types.LayerVersionContentInput{ZipFile: zipFiles(t, files)},
	})
	if err != nil {
		t.Fatalf("publish layer %s: %v", name, err)
	}
	return out
}

func (s *server) removeLayer(t testing.TB, name string, version int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), settleLimit) // a cleanup's own is over
	defer cancel()
	if _, err := s.client.DeleteLayerVersion(ctx, &lambda.DeleteLayerVersionInput{LayerName: &name, VersionNumber: &version}); err != nil {
		t.Errorf("delete layer %s: %v", name, err)
	}
}

// filesAnswer is what the function "files" answers.
type filesAnswer struct {
	Read    map[string]string
	List    []string
	Owners  map[string]int
	Ran     string
	Program string
	Wrote   string
}

func files(t testing.TB, layers ...string) spec {
	return spec{runtime: "provided.al2023", handler: "bootstrap", zip: bootstrap(t, "files"), layers: layers}
}

// TestLayersOfManagedRuntimes has a function of every managed runtime use a
// library that a layer brings, in the place that the service has for it.
func TestLayersOfManagedRuntimes(t *testing.T) {
	s := shared(t)
	try := func(runtime string, sp spec, content map[string]string) {
		t.Run(runtime, func(t *testing.T) {
			name := "layers-" + strings.ReplaceAll(runtime, ".", "-")
			sp.runtime, sp.timeout, sp.memory = runtime, 30, 512
			sp.layers = []string{s.layer(t, name, content)}
			s.deploy(t, name, sp)
			var got []string
			s.invoke(t, name, map[string]any{}).decode(t, &got)
			for _, word := range got {
				if word != "from the layer" {
					t.Errorf("answer %q", got)
				}
			}
		})
	}
	for _, runtime := range managed(t, "python") {
		site := "python/lib/" + runtime + "/site-packages/"
		try(runtime, spec{handler: "handler.handler", zip: zipFiles(t, map[string]string{
			"handler.py": "import flat, deep, own\ndef handler(event, context):\n    return [flat.word, deep.word, own.word]\n",
			"own.py":     "word = 'from the layer'  # it is not: the function goes before its layers\n",
		})}, map[string]string{
			"python/flat.py": "word = 'from the layer'\n",
			"python/own.py":  "word = 'from the wrong place'\n",
			site + "deep.py": "word = 'from the layer'\n",
		})
	}
	for _, runtime := range managed(t, "nodejs") {
		major, _, _ := strings.Cut(strings.TrimPrefix(runtime, "nodejs"), ".")
		try(runtime, spec{handler: "index.handler", zip: zipFiles(t, map[string]string{
			"index.mjs": "import { createRequire } from 'node:module';\nimport flat from 'flat';\nimport deep from 'deep';\n" +
				"const required = createRequire(import.meta.url)('flat');\n" +
				"export const handler = async () => [flat.word, deep.word, required.word];\n",
		})}, map[string]string{
			"nodejs/node_modules/flat/index.js":                   "exports.word = 'from the layer';\n",
			"nodejs/node" + major + "/node_modules/deep/index.js": "exports.word = 'from the layer';\n",
		})
	}
	if !hasJDK(t) {
		return
	}
	jar, classes := javaWithLayer(t)
	for _, runtime := range managed(t, "java") {
		try(runtime, spec{handler: "app.App::handle", zip: classes}, map[string]string{"java/lib/words.jar": string(jar)})
	}
}

// javaWithLayer compiles a library, as a jar, and a function that needs it.
func javaWithLayer(t *testing.T) (jar, classes []byte) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"words/Words.java": "package words;\npublic class Words { public static String word() { return \"from the layer\"; } }\n",
		"app/App.java": "package app;\nimport java.util.*;\npublic class App {\n" +
			"  public List<String> handle(Map<String, Object> event) { return List.of(words.Words.word()); }\n}\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "javac", "--release", "17", "-d", "out", "words/Words.java", "app/App.java")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	class := func(name string) string {
		content, err := os.ReadFile(filepath.Join(dir, "out", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	return zipFiles(t, map[string]string{"words/Words.class": class("words/Words.class")}),
		zipFiles(t, map[string]string{"app/App.class": class("app/App.class")})
}

// TestLayersAreMerged: later layers win, programs are in PATH, nothing can be
// changed, by one layer as by five.
func TestLayersAreMerged(t *testing.T) {
	s := shared(t)
	arns := []string{s.layer(t, "merged-0", map[string]string{
		"who": "0", "only-0": "0", "dir/0": "0", "bin/which-one": "#!/bin/sh\necho 0 $1\n",
	})}
	for i := range 4 {
		n := fmt.Sprint(i + 1)
		arns = append(arns, s.layer(t, "merged-"+n, map[string]string{
			"who": n, "dir/" + n: n, "bin/which-one": "#!/bin/sh\necho " + n + " $1\n",
		}))
	}
	for count := 1; count <= 5; count += 2 {
		name, last := fmt.Sprintf("merged-%d", count), fmt.Sprint(count-1)
		s.deploy(t, name, files(t, arns[:count]...))
		var got filesAnswer
		s.invoke(t, name, map[string]any{
			"read": []string{"/opt/who", "/opt/only-0", "/opt/dir/0", "/opt/dir/" + last},
			"run":  []string{"which-one", "x"}, "write": "/opt/new", "list": "/opt",
		}).decode(t, &got)
		want := map[string]string{"/opt/who": last, "/opt/only-0": "0", "/opt/dir/0": "0", "/opt/dir/" + last: last}
		if diff := cmp.Diff(want, got.Read); diff != "" {
			t.Errorf("%d layers (-want +got):\n%s", count, diff)
		}
		if got.Ran != last+" x\n" || got.Program != "/opt/bin/which-one" {
			t.Errorf("%d layers: %s said %q", count, got.Program, got.Ran)
		}
		if want := "open /opt/new: read-only file system"; got.Wrote != want {
			t.Errorf("%d layers: write: %q, want %q", count, got.Wrote, want)
		}
		if want := 6 + count; len(got.List) != want {
			t.Errorf("%d layers: %d files and directories, want %d: %q", count, len(got.List), want, got.List)
		}
	}
	var got filesAnswer
	s.deploy(t, "reversed", files(t, arns[4], arns[0]))
	s.invoke(t, "reversed", map[string]any{"read": []string{"/opt/who"}}).decode(t, &got)
	if got.Read["/opt/who"] != "0" {
		t.Errorf("the last of two layers in the other order is not seen: %q", got.Read)
	}
}

// TestLayersOfAFunctionChange: the next invocation sees what the update says.
func TestLayersOfAFunctionChange(t *testing.T) {
	s := shared(t)
	one, two := s.layer(t, "change-1", map[string]string{"who": "1"}), s.layer(t, "change-2", map[string]string{"who": "2"})
	s.deploy(t, "change", files(t, one))
	for _, step := range []struct {
		layers []string
		want   string
	}{{nil, "1"}, {[]string{one, two}, "2"}, {[]string{}, "open /opt/who: no such file or directory"}, {[]string{one}, "1"}} {
		if step.layers != nil {
			in := &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("change"), Layers: step.layers}
			if _, err := s.client.UpdateFunctionConfiguration(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			s.waitUpdated(t, "change")
		}
		var got filesAnswer
		s.invoke(t, "change", map[string]any{"read": []string{"/opt/who"}}).decode(t, &got)
		if got.Read["/opt/who"] != step.want {
			t.Errorf("with %v: %q, want %q", step.layers, got.Read, step.want)
		}
	}
}

// TestBootstrapFromALayer has a custom runtime come from a layer, and one from the
// function go before it.
func TestBootstrapFromALayer(t *testing.T) {
	s := shared(t)
	program, err := os.ReadFile(house.program(t, "./test/e2e/testdata/functions/go/files", "-tags=lambda.norpc"))
	if err != nil {
		t.Fatal(err)
	}
	arn := s.layer(t, "bootstrap", map[string]string{"bootstrap": string(program)})
	s.deploy(t, "without", spec{runtime: "provided.al2023", handler: "x", layers: []string{arn}, zip: zipFiles(t, map[string]string{"data": "d"})})
	var got filesAnswer
	s.invoke(t, "without", map[string]any{"read": []string{"/var/task/data"}}).decode(t, &got)
	if got.Read["/var/task/data"] != "d" {
		t.Errorf("read %q", got.Read)
	}
	sp := goEcho(t)
	sp.layers = []string{arn}
	s.deploy(t, "with", sp)
	if _, err := s.invoke(t, "with", map[string]any{"value": 7}).echo(7); err != nil {
		t.Error(err)
	}
}

// TestWrapperFromALayer has a script of a layer start the runtime's own program
// with another variable and another argument.
func TestWrapperFromALayer(t *testing.T) {
	s := shared(t)
	arn := s.layer(t, "wrapper", map[string]string{
		"wrapper": "#!/bin/sh\nexport GREETING=\"from the wrapper, $GREETING\"\nexec \"$@\"\n",
	})
	for language, sp := range map[string]spec{"python": pythonEcho(t, python(t)), "node": nodeEcho(t, node(t))} {
		sp.layers = []string{arn}
		sp.env = map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper", "GREETING": "hello"}
		s.deploy(t, "wrapped-"+language, sp)
		got, err := s.invoke(t, "wrapped-"+language, map[string]any{"value": 1}).echo(1)
		if err != nil || got.Greeting != "from the wrapper, hello" {
			t.Errorf("%s: greeting %q, %v", language, got.Greeting, err)
		}
	}
}

// TestDeletedLayer deletes a layer that a function has: it has it still, in new
// environments and after another start of the server, until it lets it go; then
// the content is removed, but not below an environment that has it mounted.
func TestDeletedLayer(t *testing.T) {
	dir := t.TempDir()
	s := startIn(t, dir)
	publish := func(content string) string {
		out, err := s.client.PublishLayerVersion(t.Context(), &lambda.PublishLayerVersionInput{
			LayerName: aws.String("deleted"), Content: &types.LayerVersionContentInput{ZipFile: zipFiles(t, map[string]string{"who": content})},
		})
		if err != nil {
			t.Fatal(err)
		}
		return aws.ToString(out.LayerVersionArn)
	}
	configure := func(in *lambda.UpdateFunctionConfigurationInput) {
		t.Helper()
		in.FunctionName = aws.String("keeper")
		if _, err := s.client.UpdateFunctionConfiguration(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		s.waitUpdated(t, "keeper")
	}
	check := func(want string) {
		t.Helper()
		var got filesAnswer
		s.invoke(t, "keeper", map[string]any{"read": []string{"/opt/who"}}).decode(t, &got)
		if got.Read["/opt/who"] != want {
			t.Errorf("read %q, want %q", got.Read, want)
		}
	}
	arn := publish("1")
	s.deployKeeping(t, "keeper", files(t, arn))
	check("1")
	s.removeLayer(t, "deleted", 1)
	check("1")
	configure(&lambda.UpdateFunctionConfigurationInput{Description: aws.String("another environment")})
	check("1")
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	s = startIn(t, dir)
	check("1")
	_, err := s.client.GetLayerVersionByArn(t.Context(), &lambda.GetLayerVersionByArnInput{Arn: &arn})
	wantError(t, err, 404, "ResourceNotFoundException", "The resource you requested does not exist.")
	_, err = s.client.CreateFunction(t.Context(), files(t, arn).input("late"))
	wantError(t, err, 400, "InvalidParameterValueException", "Layer version "+arn+" does not exist.")
	if got := publish("2"); got != strings.TrimSuffix(arn, "1")+"2" {
		t.Errorf("the next version is %s", got)
	}
	s.removeLayer(t, "deleted", 2)
	configure(&lambda.UpdateFunctionConfigurationInput{Layers: []string{}})
	check("open /opt/who: no such file or directory")
	err = eventually(settleLimit, func() error {
		if n := len(s.trees(t)); n != 1 {
			return fmt.Errorf("%d packages are kept, want the function's alone", n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestLayerOfARunningInvocation lets everybody forget a layer, and its content be
// collected, while an invocation has yet to read it.
func TestLayerOfARunningInvocation(t *testing.T) {
	s := start(t)
	publish := func(content string) *lambda.PublishLayerVersionOutput {
		out, err := s.client.PublishLayerVersion(t.Context(), &lambda.PublishLayerVersionInput{
			LayerName: aws.String("running"), Content: &types.LayerVersionContentInput{ZipFile: zipFiles(t, map[string]string{"who": content})},
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	s.deploy(t, "running", spec{
		runtime: python(t), handler: "handler.handler", timeout: 30, layers: []string{aws.ToString(publish("still here").LayerVersionArn)},
		zip: zipFiles(t, map[string]string{"handler.py": "import time\ndef handler(event, context):\n" +
			"    print('begun', flush=True)\n    time.sleep(event['seconds'])\n    return open('/opt/who').read()\n"}),
	})
	ended := make(chan answer, 1)
	go func() {
		a, err := s.tryInvoke(t.Context(), "running", map[string]any{"seconds": 6})
		if err != nil {
			a.FunctionError = err.Error()
		}
		ended <- a
	}()
	err := eventually(settleLimit, func() error {
		if log, err := s.log(t, "running"); err != nil || !strings.Contains(log, "begun") {
			return fmt.Errorf("the invocation has not begun: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	kept := s.trees(t)
	in := &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("running"), Layers: []string{}}
	if _, err := s.client.UpdateFunctionConfiguration(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	s.removeLayer(t, "running", 1)
	// When another layer's content, which comes and goes after it, has been collected,
	// this one's has been looked at.
	s.removeLayer(t, "running", publish("not mounted").Version)
	if err := eventually(settleLimit, func() error {
		if n := len(s.trees(t)); n > len(kept) {
			return fmt.Errorf("%d packages, want %d", n, len(kept))
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	var got string
	(<-ended).decode(t, &got)
	if got != "still here" {
		t.Errorf("the invocation read %q", got)
	}
}

// trees lists the packages that are unpacked.
func (s *server) trees(t testing.TB) (names []string) {
	t.Helper()
	found, err := os.ReadDir(filepath.Join(s.dir, "code", "trees"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range found {
		names = append(names, d.Name())
	}
	return names
}

// TestLayersAreShared: the content of one layer is there once, however many have
// it, and under whatever names.
func TestLayersAreShared(t *testing.T) {
	s := shared(t)
	before := len(s.trees(t))
	content := map[string]string{"shared": strings.Repeat("x", 1<<20)}
	one, two := s.layer(t, "shared-1", content), s.layer(t, "shared-2", content)
	for i, arn := range []string{one, one, two} {
		name := fmt.Sprintf("shared-%d", i)
		s.deploy(t, name, files(t, arn))
		var got filesAnswer
		s.invoke(t, name, map[string]any{"list": "/opt"}).decode(t, &got)
		if len(got.List) != 2 {
			t.Errorf("%s sees %q", name, got.List)
		}
	}
	if got := len(s.trees(t)) - before; got > 2 { // the function's and the layer's
		t.Errorf("%d packages are unpacked for three functions with one program and one layer", got)
	}
}

// TestLayersByCLI goes through the operations with the AWS CLI.
func TestLayersByCLI(t *testing.T) {
	s := shared(t)
	program, dir := client(t, "aws"), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "layer.zip"), zipFiles(t, map[string]string{"who": "cli"}), 0o600); err != nil {
		t.Fatal(err)
	}
	call := func(args ...string) map[string]any {
		t.Helper()
		out := s.run(t, dir, program, append([]string{"lambda", "--output", "json"}, args...)...)
		got := map[string]any{}
		if len(bytes.TrimSpace(out)) > 0 {
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		return got
	}
	published := call("publish-layer-version", "--layer-name", "cli", "--zip-file", "fileb://layer.zip", "--description", "d",
		"--compatible-runtimes", "python3.12", "nodejs22.x", "--license-info", "MIT")
	arn, _ := published["LayerVersionArn"].(string)
	if published["Version"] != 1.0 || !strings.HasSuffix(arn, ":layer:cli:1") || published["LicenseInfo"] != "MIT" {
		t.Errorf("published %v", published)
	}
	for _, args := range [][]string{
		{"get-layer-version", "--layer-name", "cli", "--version-number", "1"},
		{"get-layer-version-by-arn", "--arn", arn},
	} {
		got := call(args...)
		delete(got["Content"].(map[string]any), "Location")
		want := maps.Clone(published)
		delete(want["Content"].(map[string]any), "Location")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-published +got):\n%s", args[0], diff)
		}
	}
	if got := call("list-layers", "--compatible-runtime", "nodejs22.x")["Layers"].([]any); len(got) != 1 {
		t.Errorf("layers %v", got)
	}
	if got := call("list-layer-versions", "--layer-name", "cli", "--compatible-architecture", "arm64")["LayerVersions"].([]any); len(got) != 0 {
		t.Errorf("versions for another architecture %v", got)
	}
	call("delete-layer-version", "--layer-name", "cli", "--version-number", "1")
	if got := call("list-layer-versions", "--layer-name", "cli")["LayerVersions"].([]any); len(got) != 0 {
		t.Errorf("versions after the deletion: %v", got)
	}
}

// TestLayersByVerbs does with Thaw's own command line what the help of "layers"
// shows.
func TestLayersByVerbs(t *testing.T) {
	s := shared(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"words/python/words.py": "word = 'from the layer'\n",
		"hello/app.py":          "import words\ndef handler(event, context):\n    return words.word\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.thaw(t, "layers", "publish", filepath.Join(dir, "words"), "--runtime", python(t))
	s.thaw(t, "deploy", filepath.Join(dir, "hello"), "--name", "by-verbs", "--runtime", python(t), "--layer", "words")
	t.Cleanup(func() { s.thaw(t, "rm", "by-verbs") })
	if got := s.thaw(t, "layers"); !strings.Contains(got, "words") {
		t.Errorf("listed: %s", got)
	}
	s.thaw(t, "layers", "rm", "words:1")
	if got := strings.TrimSpace(s.thaw(t, "invoke", "by-verbs")); got != `"from the layer"` {
		t.Errorf("answer %s", got)
	}
	if got := s.thaw(t, "layers", "words", "--json"); strings.TrimSpace(got) != "[]" {
		t.Errorf("versions after the last is deleted: %s", got)
	}
}
