package environment

import (
	"strconv"
	"strings"

	"thaw/internal/runtimes"
)

// RuntimeAPIAddress is where code inside finds the Runtime API. A driver may open
// its socket ahead.
const RuntimeAPIAddress = "169.254.100.1:9001"

// framesFD is the descriptor of the framed log pipe inside: the first after the
// standard three.
const framesFD = 3

// framesVariable tells runtime clients of it; they take it out of the
// environment before a function sees it.
const framesVariable = "_LAMBDA_TELEMETRY_LOG_FD"

// variables are what all processes of the environment see.
func (e *Environment) variables() []string {
	v := e.opts.Version
	return e.opts.Runtime.Environ(runtimes.FunctionContext{
		Function:            e.opts.Function,
		Version:             v.Number,
		MemoryMB:            v.Resources.MemoryMB,
		Handler:             v.Handler,
		Region:              e.opts.Scope.Region,
		LogGroup:            v.Logging.Group,
		LogStream:           e.stream.Name(),
		LogFormat:           v.Logging.Format,
		ApplicationLogLevel: v.Logging.ApplicationLevel,
		RuntimeAPI:          RuntimeAPIAddress,
		InitType:            e.opts.InitType,
		MetadataToken:       e.metadataToken,
		Variables:           v.Environment,
		Services:            e.guest.Variables,
		Credentials:         e.guest.Credentials,
	})
}

// environ is the environment of the runtime's process.
func (e *Environment) environ() []string {
	return append(e.variables(), framesVariable+"="+strconv.Itoa(framesFD))
}

// runtimeOnly are variables that extensions do not see, from the Extensions API's
// reference.
var runtimeOnly = map[string]bool{
	"AWS_EXECUTION_ENV": true, "AWS_LAMBDA_LOG_GROUP_NAME": true, "AWS_LAMBDA_LOG_STREAM_NAME": true,
	"AWS_XRAY_CONTEXT_MISSING": true, "AWS_XRAY_DAEMON_ADDRESS": true,
	"LAMBDA_RUNTIME_DIR": true, "LAMBDA_TASK_ROOT": true,
}

// extensionEnviron is the environment of an extension's process: no name in it
// begins with an underscore.
func (e *Environment) extensionEnviron() []string {
	var out []string
	for _, v := range e.variables() {
		name, _, _ := strings.Cut(v, "=")
		if !runtimeOnly[name] && !strings.HasPrefix(name, "_") {
			out = append(out, v)
		}
	}
	return out
}

// zoneID names the availability zone that a region's environments are in, in the
// service's short form: use1-az1 of us-east-1.
func zoneID(region string) string {
	place, rest, _ := strings.Cut(region, "-")
	direction, number, ok := strings.Cut(rest, "-")
	if !ok {
		return region
	}
	short := map[string]string{"northeast": "ne", "northwest": "nw", "southeast": "se", "southwest": "sw"}[direction]
	if short == "" && direction != "" {
		short = direction[:1]
	}
	return place + short + number + "-az1"
}
