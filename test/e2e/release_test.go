package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
)

// released is what every client sees of a release: of two versions behind an
// alias, of which the second gets half of the invocations and is taken back. That
// forty of them all go to one happens once in 10¹¹ runs.
const released = `{
	"first": "1",
	"alias": ["NAME:live", "1", false],
	"before": ["1 one NAME:live"],
	"second": "2",
	"again": "2",
	"weights": {"2": 0.5},
	"shifted": ["1 one NAME:live", "2 two NAME:live"],
	"stale": ["PreconditionFailedException", "PreconditionFailedException"],
	"pointed": ["ResourceConflictException", "ResourceConflictException"],
	"back": ["1 one NAME:live"],
	"versions": ["$LATEST", "1"],
	"aliases": ["live"],
	"lost": ["ResourceNotFoundException", "ResourceNotFoundException"],
	"gone": ["ResourceNotFoundException", "ResourceNotFoundException"]
}`

func wantReleased(t *testing.T, name string, saw []byte) {
	t.Helper()
	var got, want any
	if err := json.Unmarshal(saw, &got); err != nil {
		t.Fatalf("%v: %s", err, saw)
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(released, "NAME", name)), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the client saw (-want +got):\n%s", diff)
	}
}

// releaseBy runs a client's script.
func (s *server) releaseBy(t *testing.T, name string, program ...string) {
	t.Helper()
	sp := goEcho(t)
	path := filepath.Join(t.TempDir(), "function.zip")
	if err := os.WriteFile(path, sp.zip, 0o600); err != nil {
		t.Fatal(err)
	}
	wantReleased(t, name, s.run(t, filepath.Dir(path), program[0], append(program[1:], name, sp.runtime, sp.handler, path)...))
}

func TestReleaseByBoto3(t *testing.T) {
	s := shared(t)
	script, err := filepath.Abs("testdata/clients/release.py")
	if err != nil {
		t.Fatal(err)
	}
	s.releaseBy(t, "release-boto3", client(t, "python"), script)
}

// TestReleaseByJavaScript uses the SDK that comes with the Node.js runtime.
func TestReleaseByJavaScript(t *testing.T) {
	s := shared(t)
	script, err := filepath.Abs("testdata/clients/release.cjs")
	if err != nil {
		t.Fatal(err)
	}
	runtime := filepath.Join(runtimesDir(t), node(t))
	modules := "NODE_PATH=" + filepath.Join(runtime, "runtime", "node_modules")
	s.releaseBy(t, "release-js", "/usr/bin/env", modules, filepath.Join(runtime, "lang", "bin", "node"), script)
}

// TestReleaseByGo does with the Go SDK what the scripts of the others do.
func TestReleaseByGo(t *testing.T) {
	s := shared(t)
	r := &releaser{t: t, server: s, name: "release-go", seen: map[string]any{}}
	sp := goEcho(t)
	sp.env = map[string]string{"GREETING": "one"}
	s.deployKeeping(t, r.name, sp)
	r.rollOut()
	r.rollBack()
	saw, err := json.Marshal(r.seen)
	if err != nil {
		t.Fatal(err)
	}
	wantReleased(t, r.name, saw)
}

// releaser is one release in the hands of the Go SDK.
type releaser struct {
	t      *testing.T
	server *server
	name   string
	seen   map[string]any
	first  string // revision of the alias
}

func (r *releaser) rollOut() {
	t, c, ctx := r.t, r.server.client, r.t.Context()
	r.seen["first"] = r.publish(aws.String("the first"))
	alias, err := c.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: &r.name, Name: aws.String("live"), FunctionVersion: aws.String("1")})
	if err != nil {
		t.Fatal(err)
	}
	r.first = *alias.RevisionId
	r.seen["alias"] = []any{tailOf(*alias.AliasArn), *alias.FunctionVersion, alias.RoutingConfig != nil}
	r.seen["before"] = r.several(2)
	_, err = c.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: &r.name,
		Environment: &types.Environment{Variables: map[string]string{"GREETING": "two"}}})
	if err != nil {
		t.Fatal(err)
	}
	r.server.waitUpdated(t, r.name)
	r.seen["second"] = r.publish(nil)
	r.seen["again"] = r.publish(nil)
	shifted, err := r.route(map[string]float64{"2": 0.5}, alias.RevisionId)
	if err != nil {
		t.Fatal(err)
	}
	r.seen["weights"] = shifted.RoutingConfig.AdditionalVersionWeights
	r.seen["shifted"] = r.several(40)
}

func (r *releaser) rollBack() {
	t, c, ctx := r.t, r.server.client, r.t.Context()
	_, err := r.route(nil, &r.first)
	r.seen["stale"] = refusal[*types.PreconditionFailedException](t, err)
	_, err = c.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &r.name, Qualifier: aws.String("2")})
	r.seen["pointed"] = refusal[*types.ResourceConflictException](t, err)
	if _, err := r.route(map[string]float64{}, nil); err != nil {
		t.Fatal(err)
	}
	r.seen["back"] = r.several(5)
	if _, err := c.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &r.name, Qualifier: aws.String("2")}); err != nil {
		t.Fatal(err)
	}
	r.seen["versions"], r.seen["aliases"] = r.lists()
	if _, err := c.DeleteAlias(ctx, &lambda.DeleteAliasInput{FunctionName: &r.name, Name: aws.String("live")}); err != nil {
		t.Fatal(err)
	}
	_, err = c.Invoke(ctx, &lambda.InvokeInput{FunctionName: &r.name, Qualifier: aws.String("live")})
	r.seen["lost"] = refusal[*types.ResourceNotFoundException](t, err)
	r.server.remove(t, r.name)
	_, err = c.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: &r.name, Qualifier: aws.String("1")})
	r.seen["gone"] = refusal[*types.ResourceNotFoundException](t, err)
}

func (r *releaser) publish(description *string) string {
	r.t.Helper()
	out, err := r.server.client.PublishVersion(r.t.Context(), &lambda.PublishVersionInput{FunctionName: &r.name, Description: description})
	if err != nil {
		r.t.Fatal(err)
	}
	waiter := lambda.NewPublishedVersionActiveWaiter(r.server.client, func(o *lambda.PublishedVersionActiveWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 100*time.Millisecond
	})
	in := &lambda.GetFunctionConfigurationInput{FunctionName: &r.name, Qualifier: out.Version}
	if err := waiter.Wait(r.t.Context(), in, settleLimit); err != nil {
		r.t.Fatal(err)
	}
	return *out.Version
}

func (r *releaser) route(weights map[string]float64, revision *string) (*lambda.UpdateAliasOutput, error) {
	return r.server.client.UpdateAlias(r.t.Context(), &lambda.UpdateAliasInput{FunctionName: &r.name, Name: aws.String("live"), RevisionId: revision,
		RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: weights}})
}

// several invokes the alias and returns the different answers.
func (r *releaser) several(n int) []string {
	r.t.Helper()
	var found []string
	for range n {
		out, err := r.server.client.Invoke(r.t.Context(), &lambda.InvokeInput{FunctionName: &r.name, Qualifier: aws.String("live"), Payload: []byte("{}")})
		if err != nil {
			r.t.Fatal(err)
		}
		var e echoed
		answer{Payload: string(out.Payload), FunctionError: aws.ToString(out.FunctionError)}.decode(r.t, &e)
		found = append(found, *out.ExecutedVersion+" "+e.Greeting+" "+tailOf(e.ARN))
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func (r *releaser) lists() (versions, aliases []string) {
	r.t.Helper()
	pages := lambda.NewListVersionsByFunctionPaginator(r.server.client, &lambda.ListVersionsByFunctionInput{FunctionName: &r.name, MaxItems: aws.Int32(1)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		for _, v := range page.Versions {
			versions = append(versions, *v.Version)
		}
	}
	out, err := r.server.client.ListAliases(r.t.Context(), &lambda.ListAliasesInput{FunctionName: &r.name})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, a := range out.Aliases {
		aliases = append(aliases, *a.Name)
	}
	return versions, aliases
}

// refusal is the code of an error, and whether the SDK gives it its type.
func refusal[E error](t *testing.T, err error) []string {
	t.Helper()
	var told smithy.APIError
	var typed E
	if !errors.As(err, &told) || !errors.As(err, &typed) {
		t.Fatalf("error %v", err)
	}
	return []string{told.ErrorCode(), strings.TrimPrefix(fmt.Sprintf("%T", typed), "*types.")}
}

// tailOf is an ARN's function and qualifier.
func tailOf(arn string) string {
	return strings.SplitN(arn, ":", 7)[6]
}

// TestReleaseByCLI has no number of invocations: each costs the CLI a second.
func TestReleaseByCLI(t *testing.T) {
	s := shared(t)
	c := &cli{t: t, server: s, program: client(t, "aws"), dir: t.TempDir(), name: "release-cli"}
	sp := goEcho(t)
	c.write("function.zip", sp.zip)
	c.write("event.json", []byte("{}"))
	c.aws("create-function", "--runtime", sp.runtime, "--handler", sp.handler, "--role", role, "--timeout", "10",
		"--zip-file", "fileb://function.zip", "--environment", "Variables={GREETING=one}")
	c.aws("wait function-active-v2")
	c.want("publish", c.aws("publish-version", "--query", "[Version,State]"), "1\tActive")
	c.aws("wait published-version-active", "--qualifier", "1")
	c.want("alias", c.aws("create-alias", "--name", "live", "--function-version", "1", "--query", "[FunctionVersion,RoutingConfig]"), "1\tNone")
	live := func(what, version string) {
		t.Helper()
		c.want(what, c.aws("invoke", "--qualifier", "live", "--payload", "fileb://event.json", "--query", "ExecutedVersion", "answer.json"), version)
	}
	live("invoke", "1")
	c.aws("update-function-configuration", "--environment", "Variables={GREETING=two}")
	c.aws("wait function-updated-v2")
	c.want("publish", c.aws("publish-version", "--query", "Version"), "2")
	c.aws("wait published-version-active", "--qualifier", "2")
	c.want("shift", c.aws("update-alias", "--name", "live", "--routing-config", "AdditionalVersionWeights={2=1}",
		"--query", "RoutingConfig.AdditionalVersionWeights"), "1.0")
	live("invoke what was shifted", "2")
	c.want("roll back", c.aws("update-alias", "--name", "live", "--routing-config", "{}", "--query", "[FunctionVersion,RoutingConfig]"), "1\tNone")
	live("invoke what was rolled back", "1")
	c.aws("delete-function", "--qualifier", "2")
	c.want("versions", c.aws("list-versions-by-function", "--query", "Versions[].Version"), "$LATEST\t1")
	c.want("aliases", c.aws("list-aliases", "--query", "Aliases[].Name"), "live")
	c.aws("delete-alias", "--name", "live")
	c.aws("delete-function")
}
