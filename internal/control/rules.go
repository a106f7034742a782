package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"thaw/internal/lambda"
)

// faults are what is wrong with a request's members, in the form that the
// service's front end words them.
type faults []string

func fault(value any, path, constraint string) string {
	return fmt.Sprintf("Value '%v' at '%s' failed to satisfy constraint: %s", value, path, constraint)
}

func tooLong(value, path string, limit int) string {
	return fault(value, path, "Member must have length less than or equal to "+strconv.Itoa(limit))
}

func (f *faults) checkRange(value int, path string, low, high int) {
	switch {
	case value < low:
		*f = append(*f, fault(value, path, "Member must have value greater than or equal to "+strconv.Itoa(low)))
	case value > high:
		*f = append(*f, fault(value, path, "Member must have value less than or equal to "+strconv.Itoa(high)))
	}
}

func (f faults) message() string {
	errors := "errors"
	if len(f) == 1 {
		errors = "error"
	}
	return fmt.Sprintf("%d validation %s detected: %s", len(f), errors, strings.Join(f, "; "))
}

// err is the front end's exception, which has no Type member.
func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return &lambda.Error{Code: lambda.CodeValidation, Message: f.message(), Untyped: true}
}

// reserved are the variables that the platform sets and nobody else may, from
// the developer guide's list.
var reserved = []string{
	"AWS_ACCESS_KEY",
	"AWS_ACCESS_KEY_ID",
	"AWS_DEFAULT_REGION",
	"AWS_EXECUTION_ENV",
	"AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
	"AWS_LAMBDA_FUNCTION_NAME",
	"AWS_LAMBDA_FUNCTION_VERSION",
	"AWS_LAMBDA_INITIALIZATION_TYPE",
	"AWS_LAMBDA_LOG_GROUP_NAME",
	"AWS_LAMBDA_LOG_STREAM_NAME",
	"AWS_LAMBDA_MAX_CONCURRENCY",
	"AWS_LAMBDA_METADATA_API",
	"AWS_LAMBDA_METADATA_TOKEN",
	"AWS_LAMBDA_RUNTIME_API",
	"AWS_REGION",
	"AWS_SECRET_ACCESS_KEY",
	"AWS_SESSION_TOKEN",
	"LAMBDA_RUNTIME_DIR",
	"LAMBDA_TASK_ROOT",
	"_HANDLER",
	"_X_AMZN_TRACE_ID",
}

func checkEnvironment(variables map[string]string) error {
	const unable = "Lambda was unable to configure your environment variables because the environment variables you have provided "
	var refused []string
	for _, name := range hashOrder(variables) {
		if _, found := slices.BinarySearch(reserved, name); found {
			refused = append(refused, name)
		}
	}
	if len(refused) > 0 {
		return lambda.Errorf(lambda.CodeInvalidParameterValue,
			unable+"contains reserved keys that are currently not supported for modification. "+
				"Reserved keys used in this request: %s", strings.Join(refused, ", "))
	}
	if measured := measure(variables); len(measured) > lambda.MaxEnvironmentBytes {
		return lambda.Errorf(lambda.CodeInvalidParameterValue,
			unable+"exceeded the 4KB limit. String measured: %s", measured)
	}
	return nil
}

// measure is the JSON whose length counts.
func measure(variables map[string]string) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	text := func(s string) {
		// A string always encodes; what the encoder adds is a line feed.
		_ = encoder.Encode(s)
		b.Truncate(b.Len() - 1)
	}
	b.WriteByte('{')
	for i, name := range hashOrder(variables) {
		if i > 0 {
			b.WriteByte(',')
		}
		text(name)
		b.WriteByte(':')
		text(variables[name])
	}
	b.WriteByte('}')
	return b.Bytes()
}

// hashOrder lists a map's keys as the service's texts do. The recorded ones are
// in the order of a Java HashMap: by the bucket of each key's hash, in a table
// of a power of two that is at most three quarters full. Keys of one bucket are
// sorted here; the service has them in the order of the request, which a map
// does not keep.
func hashOrder[V any](m map[string]V) []string {
	size := uint32(16)
	for len(m)*4 > int(size)*3 {
		size *= 2
	}
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		x, y := javaHash(a)&(size-1), javaHash(b)&(size-1)
		if x != y {
			return int(x) - int(y)
		}
		return strings.Compare(a, b)
	})
	return names
}

// javaHash is String.hashCode, spread as HashMap does.
func javaHash(s string) uint32 {
	var h uint32
	for _, r := range s {
		if r > 0xffff && utf8.ValidRune(r) { // two UTF-16 units
			r -= 0x10000
			h = h*31 + uint32(0xd800+r>>10)
			h = h*31 + uint32(0xdc00+r&0x3ff)
			continue
		}
		h = h*31 + uint32(r)
	}
	return h ^ h>>16
}
