package runtimes

import (
	"slices"
	"strconv"
	"strings"
)

// FunctionContext is what the variables of an environment tell about its
// function.
type FunctionContext struct {
	Function  string
	Version   string // "$LATEST" or a number
	MemoryMB  int
	Handler   string
	Region    string
	LogGroup  string
	LogStream string
	// LogFormat is "Text" or "JSON"; ApplicationLogLevel matters for JSON only.
	LogFormat           string
	ApplicationLogLevel string
	Credentials         Credentials
	// RuntimeAPI is the host:port at which the code reaches the Runtime API.
	RuntimeAPI string
	// InitType is one of "on-demand", "provisioned-concurrency", "snap-start".
	InitType string
	// MetadataToken authorises the metadata endpoint, which has the Runtime API's
	// address. Empty: there is no such endpoint, and no variable tells of it.
	MetadataToken string
	// Services are variables that lead clients to services of this server.
	Services map[string]string
	// Variables are the ones that the function's configuration sets.
	Variables map[string]string
}

// Credentials are those of the function's role. What is empty is left out.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
}

// Where the service promises the X-Ray daemon to be.
const (
	xrayHost = "169.254.100.1"
	xrayPort = "2000"
)

// reserved are the variables that a configuration may not name: control refuses
// them, and here they count for nothing. _X_AMZN_TRACE_ID is set by the runtime
// client, for each invocation.
var reserved = [...]string{
	"_HANDLER", "_X_AMZN_TRACE_ID",
	"AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
	"AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
	"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
	"AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
	"AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
	"AWS_LAMBDA_MAX_CONCURRENCY", "AWS_LAMBDA_METADATA_API", "AWS_LAMBDA_METADATA_TOKEN",
}

// Environ is the whole environment of the runtime's process, sorted, each as
// "NAME=value". Where several set one name, the later of these wins: the
// runtime's defaults, the addresses of services, the function's configuration,
// the platform's unreserved variables, credentials, the runtime, the platform. So a function may extend
// PATH or choose TZ, and can never change a reserved variable.
func (r Runtime) Environ(f FunctionContext) []string {
	all := make(map[string]string, 48)
	put := func(layer map[string]string) {
		for name, value := range layer {
			all[name] = value
		}
	}
	put(r.base())
	put(r.defaults)
	put(f.Services)
	for name, value := range f.Variables {
		if !slices.Contains(reserved[:], name) {
			all[name] = value
		}
	}
	put(unreserved(f))
	put(nonEmpty(map[string]string{
		"AWS_ACCESS_KEY_ID":     f.Credentials.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY": f.Credentials.SecretAccessKey,
		"AWS_SESSION_TOKEN":     f.Credentials.SessionToken,
	}))
	put(r.runtimeVariables(f))
	put(platform(f))
	list := make([]string, 0, len(all))
	for name, value := range all {
		// A name that the kernel would split elsewhere is no variable.
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0) {
			continue
		}
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// base is what the service's base images set.
func (r Runtime) base() map[string]string {
	path, libraries := "", ""
	if r.ExecutionEnv != "" { // an interpreter is there
		path, libraries = "/var/lang/bin:", "/var/lang/lib:"
	}
	return map[string]string{
		"LANG": "en_US.UTF-8",
		"TZ":   ":UTC",
		"PATH": path + "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
		"LD_LIBRARY_PATH": libraries +
			"/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
	}
}

// unreserved are variables that a configuration may name, to no effect.
func unreserved(f FunctionContext) map[string]string {
	v := map[string]string{
		"AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
		"AWS_XRAY_DAEMON_ADDRESS":  xrayHost + ":" + xrayPort,
		"_AWS_XRAY_DAEMON_ADDRESS": xrayHost,
		"_AWS_XRAY_DAEMON_PORT":    xrayPort,
		"AWS_LAMBDA_LOG_FORMAT":    f.LogFormat,
	}
	if f.LogFormat == "JSON" {
		v["AWS_LAMBDA_LOG_LEVEL"] = f.ApplicationLogLevel
	}
	return nonEmpty(v)
}

func (r Runtime) runtimeVariables(f FunctionContext) map[string]string {
	v := map[string]string{
		"_HANDLER":               f.Handler,
		"AWS_EXECUTION_ENV":      r.ExecutionEnv,
		"AWS_LAMBDA_RUNTIME_API": f.RuntimeAPI,
		"LAMBDA_TASK_ROOT":       "/var/task",
		"LAMBDA_RUNTIME_DIR":     "/var/runtime",
	}
	if f.MetadataToken != "" {
		v["AWS_LAMBDA_METADATA_API"] = f.RuntimeAPI
		v["AWS_LAMBDA_METADATA_TOKEN"] = f.MetadataToken
	}
	return nonEmpty(v)
}

func platform(f FunctionContext) map[string]string {
	return nonEmpty(map[string]string{
		"AWS_REGION":                      f.Region,
		"AWS_DEFAULT_REGION":              f.Region,
		"AWS_LAMBDA_FUNCTION_NAME":        f.Function,
		"AWS_LAMBDA_FUNCTION_VERSION":     f.Version,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(f.MemoryMB),
		"AWS_LAMBDA_LOG_GROUP_NAME":       f.LogGroup,
		"AWS_LAMBDA_LOG_STREAM_NAME":      f.LogStream,
		"AWS_LAMBDA_INITIALIZATION_TYPE":  f.InitType,
	})
}

func nonEmpty(v map[string]string) map[string]string {
	for name, value := range v {
		if value == "" {
			delete(v, name)
		}
	}
	return v
}
