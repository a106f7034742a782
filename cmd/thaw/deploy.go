package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/spf13/cobra"

	"thaw/internal/lambda"
)

// deployment is the flags of deploy. A zero value leaves a thing as it is on the
// server, or to the service's default for a new function.
type deployment struct {
	source  string
	name    string
	runtime string
	handler string
	role    string
	arch    string
	memory  int32
	timeout int32
	env     map[string]string
	layers  []string // of flags; nil if there are none
	wait    time.Duration
	method  bundleMethod
}

// defaultRole is what a new function is given: the service wants a role's ARN,
// and no policy is behind this one.
const defaultRole = "arn:aws:iam::000000000000:role/thaw"

func newDeployCommand() *cobra.Command {
	var conn connection
	d := deployment{method: compressed}
	var env []string
	cmd := &cobra.Command{
		Use:   "deploy DIR|ZIP",
		Short: "Create a function from a directory or a zip file, or update it",
		Long: `Create a function, or update it if there is one of this name, and wait until it
can be invoked.

The runtime and the handler are found out from the code unless named: a file
"bootstrap", Go sources (compiled here, with CGO_ENABLED=0), index.mjs or
index.js, a Python file that defines lambda_handler or handler, Java sources
with a method handleRequest (compiled here with javac, against lib/*.jar). Of an
update, whatever no flag names stays as it is. A jar is deployed like a zip.

A directory is zipped such that the same files always give the same package.
--env replaces all the variables of the function, --layer all its layers, of
which the later wins; --layer "" takes them away.`,
		Example: `  thaw deploy ./hello
  thaw deploy ./hello --name greeter --memory 512 --timeout 30 --env STAGE=test
  thaw deploy build/function.zip --runtime python3.12 --handler app.main`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d.source = args[0]
			if _, _, err := sourceFS(d.source); err != nil {
				return err
			}
			if err := d.complete(env); err != nil {
				return err
			}
			t, err := conn.target()
			if err != nil {
				return err
			}
			run := deployer{deployment: d, client: t.uploader(cmd.ErrOrStderr()), progress: newProgress(cmd.ErrOrStderr()), distant: t.Distant}
			ready, _ := installedRuntimes(t.Runtimes)
			result, err := run.deploy(cmd.Context(), ready)
			if err != nil {
				return err
			}
			return result.print(cmd.OutOrStdout(), conn.json)
		},
	}
	conn.addFlags(cmd)
	d.addFlags(cmd, &env, &conn)
	return cmd
}

// addFlags adds those that deploy and dev have in common.
func (d *deployment) addFlags(cmd *cobra.Command, env *[]string, conn *connection) {
	flags := cmd.Flags()
	flags.StringVar(&d.name, "name", "", "the function's `name` (default: the directory's or the zip's)")
	flags.StringVar(&d.runtime, "runtime", "", "runtime `identifier`, such as python3.12 (default: found out)")
	flags.StringVar(&d.handler, "handler", "", "what is called, as `file.function` (default: found out)")
	flags.StringVar(&d.role, "role", "", "`ARN` of the execution role")
	flags.StringVar(&d.arch, "arch", "", "`architecture`: x86_64 or arm64 (default: the function's, or this machine's)")
	numberFlag(cmd, &d.memory, "memory", 0, 128, lambda.MaxMemoryMB, "memory in `MB`, 128 to 10240")
	numberFlag(cmd, &d.timeout, "timeout", 0, 1, int32(lambda.MaxTimeout/time.Second), "the longest an invocation may take, in `seconds`, 1 to 900")
	flags.StringArrayVar(env, "env", nil, "an environment variable as `K=V`; may be repeated")
	flags.StringArrayVar(&d.layers, "layer", nil, "a layer as `NAME`, the newest version, or NAME:VERSION, or an ARN; may be repeated")
	durationFlag(cmd, &d.wait, "wait", 5*time.Minute, time.Millisecond, time.Hour, "the longest to wait until the function is ready")
	completeFlagWith(cmd, "name", conn.completeFunctions(1))
}

// complete checks the flags and fills in what does not depend on the code.
func (d *deployment) complete(env []string) error {
	var err error
	if d.env, err = parseVariables(env); err != nil {
		return err
	}
	if err := checkLayerNames(d.layers); err != nil {
		return err
	}
	if d.arch != "" && d.arch != "x86_64" && d.arch != "arm64" {
		return usageError("--arch must be x86_64 or arm64")
	}
	if d.name != "" {
		return nil
	}
	d.name, err = functionName(d.source)
	return err
}

// parseVariables reads the values of --env; there is no map if there are none.
func parseVariables(pairs []string) (map[string]string, error) {
	var variables map[string]string
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, usageError("--env %q is not of the form K=V", pair)
		}
		if variables == nil {
			variables = make(map[string]string, len(pairs))
		}
		variables[key] = value
	}
	return variables, nil
}

// deployResult is what deploy answers.
type deployResult struct {
	Function   string `json:"function"`
	ARN        string `json:"arn"`
	Created    bool   `json:"created"`
	Runtime    string `json:"runtime"`
	Handler    string `json:"handler"`
	MemoryMB   int32  `json:"memory_mb"`
	TimeoutS   int32  `json:"timeout_seconds"`
	CodeSize   int64  `json:"code_size"`
	CodeSHA256 string `json:"code_sha256"`
}

func (r deployResult) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(w, r)
	}
	verb := "updated"
	if r.Created {
		verb = "created"
	}
	_, err := fmt.Fprintf(w, "%s %s  %s  %s  %d MB  %d s  %d bytes\n",
		verb, r.Function, r.Runtime, r.Handler, r.MemoryMB, r.TimeoutS, r.CodeSize)
	return err
}

// deployer carries one deployment out.
type deployer struct {
	deployment
	client   *sdk.Client
	progress progress
	// distant is set if the runtimes of the server are not known here.
	distant bool
}

func (d *deployer) deploy(ctx context.Context, runtimes []string) (deployResult, error) {
	current, err := d.client.GetFunctionConfiguration(ctx, &sdk.GetFunctionConfigurationInput{FunctionName: &d.name})
	var missing *types.ResourceNotFoundException
	create := errors.As(err, &missing)
	if err != nil && !create {
		return deployResult{}, err
	}
	if !create {
		d.keep(current)
	}
	if d.arch == "" {
		d.arch = map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	}
	code, err := d.pack(ctx, runtimes)
	if err != nil {
		return deployResult{}, err
	}
	if d.layers != nil {
		if d.layers, err = layerARNs(ctx, d.client, d.layers); err != nil {
			return deployResult{}, err
		}
	}
	if create {
		err = d.create(ctx, code)
	} else {
		err = d.update(ctx, code, current)
	}
	if err != nil {
		return deployResult{}, err
	}
	ready, err := d.untilReady(ctx)
	if err != nil {
		return deployResult{}, err
	}
	d.warnOfRuntime(string(ready.Runtime), runtimes)
	return deployResult{
		Function:   d.name,
		ARN:        aws.ToString(ready.FunctionArn),
		Created:    create,
		Runtime:    string(ready.Runtime),
		Handler:    aws.ToString(ready.Handler),
		MemoryMB:   aws.ToInt32(ready.MemorySize),
		TimeoutS:   aws.ToInt32(ready.Timeout),
		CodeSize:   ready.CodeSize,
		CodeSHA256: aws.ToString(ready.CodeSha256),
	}, nil
}

// warnOfRuntime tells of a function that is deployed and cannot run yet. Which
// runtimes there are is known of a server on this machine only; nil means that
// it is not.
func (d *deployer) warnOfRuntime(runtime string, installed []string) {
	if installed == nil || strings.HasPrefix(runtime, "provided.") || slices.Contains(installed, runtime) {
		return
	}
	has := "none but " + customRuntime
	if len(installed) > 0 {
		has = strings.Join(installed, ", ")
	}
	fmt.Fprintf(d.progress.w, "thaw: warning: %s cannot run yet: the runtime %s is not installed on this server, which has %s; name another with --runtime\n", d.name, runtime, has)
}

// keep takes over from the function that is there what no flag names.
func (d *deployer) keep(current *sdk.GetFunctionConfigurationOutput) {
	if d.runtime == "" {
		d.runtime = string(current.Runtime)
	}
	if d.handler == "" {
		d.handler = aws.ToString(current.Handler)
	}
	if d.arch == "" && len(current.Architectures) > 0 {
		d.arch = string(current.Architectures[0])
	}
}

// pack makes the zip, and fills in the runtime and the handler that the code
// shows where no flag named them.
func (d *deployer) pack(ctx context.Context, runtimes []string) ([]byte, error) {
	code, isDir, err := sourceFS(d.source)
	if err != nil {
		return nil, err
	}
	var found project
	if d.runtime == "" || d.handler == "" || isDir {
		found, err = detectFor(d.runtime, code, runtimes)
		if err != nil && (d.runtime == "" || d.handler == "") {
			return nil, usageError("%s: %w", d.source, err)
		}
	}
	if d.runtime == "" {
		d.runtime = found.Runtime
		if d.distant && !found.Compile && d.runtime != customRuntime {
			d.progress.step("the runtimes of the server are not known here: taking %s; name another with --runtime", d.runtime)
		}
	}
	if d.handler == "" {
		d.handler = found.Handler
	}
	switch {
	case !isDir:
		return os.ReadFile(d.source)
	case found.Compile && strings.HasPrefix(d.runtime, "provided"):
		return d.compile(ctx)
	case found.Compile && strings.HasPrefix(d.runtime, "java"):
		return d.compileJava(ctx)
	}
	d.progress.step("zipping %s", d.source)
	return bundleDir(d.source, d.method)
}

// compile builds Go sources to the one program that a custom runtime starts.
func (d *deployer) compile(ctx context.Context) ([]byte, error) {
	compiler, err := findGo()
	if err != nil {
		return nil, err
	}
	d.progress.step("compiling %s", d.source)
	out, err := os.MkdirTemp("", "thaw-deploy-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(out)
	program := filepath.Join(out, "bootstrap")
	// lambda.norpc leaves out the protocol of the retired go1.x runtime.
	cmd := exec.CommandContext(ctx, compiler, "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w -buildid=", "-o", program, ".")
	cmd.Dir = d.source
	goarch := map[string]string{"x86_64": "amd64", "arm64": "arm64"}[d.arch]
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+goarch)
	cmd.Stdout, cmd.Stderr = d.progress.w, d.progress.w
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("compile %s: %w%s", d.source, err, moduleHint(d.source))
	}
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	return bundleFile("bootstrap", content, d.method)
}

// goRoot is where Go's own instructions install it; sudo's PATH leaves it out.
const goRoot = "/usr/local/go/bin"

func findGo() (string, error) {
	if path, err := exec.LookPath("go"); err == nil {
		return path, nil
	}
	if path, err := exec.LookPath(filepath.Join(goRoot, "go")); err == nil {
		return path, nil
	}
	return "", fmt.Errorf("go is neither in the PATH nor in %s (sudo has a PATH of its own): install it from https://go.dev/dl, "+
		"or compile elsewhere and deploy the program as a file named bootstrap", goRoot)
}

// moduleHint is the advice for Go sources that are part of no module.
func moduleHint(dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return ""
		}
		if dir == filepath.Dir(dir) {
			return `: there is no go.mod; make one in the directory of the sources with "go mod init NAME", then "go mod tidy"`
		}
	}
}

func (d *deployer) create(ctx context.Context, code []byte) error {
	d.progress.step("creating %s (%s, %d bytes)", d.name, d.runtime, len(code))
	role := d.role
	if role == "" {
		role = defaultRole
	}
	input := &sdk.CreateFunctionInput{
		FunctionName:  &d.name,
		Role:          &role,
		Runtime:       types.Runtime(d.runtime),
		Handler:       &d.handler,
		Code:          &types.FunctionCode{ZipFile: code},
		Architectures: []types.Architecture{types.Architecture(d.arch)},
		MemorySize:    optional(d.memory),
		Timeout:       optional(d.timeout),
		Layers:        d.layers,
	}
	if d.env != nil {
		input.Environment = &types.Environment{Variables: d.env}
	}
	_, err := d.client.CreateFunction(ctx, input)
	return err
}

// update sends what differs: an update of the code ends every idle execution
// environment, so that the same code is not sent again.
func (d *deployer) update(ctx context.Context, code []byte, current *sdk.GetFunctionConfigurationOutput) error {
	if !isReady(current.State, current.LastUpdateStatus) {
		if _, err := d.untilReady(ctx); err != nil {
			return err
		}
	}
	digest := sha256.Sum256(code)
	sameArch := len(current.Architectures) == 0 || d.arch == string(current.Architectures[0]) // it goes with the code
	if sameArch && base64.StdEncoding.EncodeToString(digest[:]) == aws.ToString(current.CodeSha256) {
		d.progress.step("the code of %s is the same", d.name)
	} else {
		d.progress.step("updating the code of %s (%d bytes)", d.name, len(code))
		input := &sdk.UpdateFunctionCodeInput{FunctionName: &d.name, ZipFile: code, Architectures: []types.Architecture{types.Architecture(d.arch)}}
		if _, err := d.client.UpdateFunctionCode(ctx, input); err != nil {
			return err
		}
	}
	input, changed := d.configuration(current)
	if !changed {
		return nil
	}
	if _, err := d.untilReady(ctx); err != nil {
		return err
	}
	d.progress.step("updating the configuration of %s", d.name)
	_, err := d.client.UpdateFunctionConfiguration(ctx, input)
	return err
}

// configuration holds the settings that a flag or the code names and that are
// another on the server.
func (d *deployer) configuration(current *sdk.GetFunctionConfigurationOutput) (input *sdk.UpdateFunctionConfigurationInput, changed bool) {
	input = &sdk.UpdateFunctionConfigurationInput{FunctionName: &d.name}
	if d.runtime != string(current.Runtime) {
		input.Runtime, changed = types.Runtime(d.runtime), true
	}
	if d.handler != aws.ToString(current.Handler) {
		input.Handler, changed = &d.handler, true
	}
	if d.role != "" && d.role != aws.ToString(current.Role) {
		input.Role, changed = &d.role, true
	}
	if d.memory != 0 && d.memory != aws.ToInt32(current.MemorySize) {
		input.MemorySize, changed = &d.memory, true
	}
	if d.timeout != 0 && d.timeout != aws.ToInt32(current.Timeout) {
		input.Timeout, changed = &d.timeout, true
	}
	if d.env != nil {
		input.Environment, changed = &types.Environment{Variables: d.env}, true
	}
	if d.layers != nil && !sameLayers(d.layers, current.Layers) {
		input.Layers, changed = d.layers, true
	}
	return input, changed
}

// untilReady waits until the function can be invoked with all that was asked.
func (d *deployer) untilReady(ctx context.Context) (*sdk.GetFunctionConfigurationOutput, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, d.wait, fmt.Errorf("%s is not ready after %s", d.name, d.wait))
	defer cancel()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		if pause == time.Second { // once, after as long a time
			d.progress.once("waiting until %s is ready", d.name)
		}
		got, err := d.client.GetFunctionConfiguration(ctx, &sdk.GetFunctionConfigurationInput{FunctionName: &d.name})
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			return nil, err
		case got.State == types.StateFailed:
			return nil, fmt.Errorf("%s cannot be made ready: %s", d.name, aws.ToString(got.StateReason))
		case got.LastUpdateStatus == types.LastUpdateStatusFailed:
			return nil, fmt.Errorf("the update of %s has failed: %s", d.name, aws.ToString(got.LastUpdateStatusReason))
		case isReady(got.State, got.LastUpdateStatus):
			return got, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

func isReady(state types.State, update types.LastUpdateStatus) bool {
	return state != types.StatePending && update != types.LastUpdateStatusInProgress
}

func optional(n int32) *int32 {
	if n == 0 {
		return nil
	}
	return &n
}

// openZip opens a zip file for looking at its names and contents.
func openZip(name string) (fs.FS, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > lambda.MaxZip {
		return nil, zipTooLarge(info.Size())
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return zip.NewReader(bytes.NewReader(content), int64(len(content)))
}
