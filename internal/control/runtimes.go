package control

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"thaw/internal/lambda"
)

// supported are the runtimes that a function may have, as recorded in 2026-01,
// in the order of the recorded text.
var supported = []string{
	"nodejs20.x", "python3.14", "provided.al2023", "python3.12", "python3.13", "nodejs24.x", "nodejs22.x", "java25",
	"python3.10", "python3.11", "java21", "ruby3.3", "ruby3.4", "ruby3.2", "python3.8", "python3.9", "java17",
	"nodejs16.x", "dotnet10", "dotnet8", "java11", "dotnet6", "nodejs18.x", "provided.al2", "java8.al2",
}

// newer are the runtimes that the service's model has gained since. The text is
// left as it was recorded.
var newer = []string{
	"nodejs26.x", "python3.15", "ruby4.0", "java8.al2023", "java11.al2023", "java17.al2023",
}

// deprecated are the runtimes that the model still names and the service no
// longer takes.
var deprecated = []string{
	"dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1", "go1.x", "java8", "nodejs", "nodejs4.3",
	"nodejs4.3-edge", "nodejs6.10", "nodejs8.10", "nodejs10.x", "nodejs12.x", "nodejs14.x", "provided", "python2.7",
	"python3.6", "python3.7", "ruby2.5", "ruby2.7",
}

// Runtimes names every runtime that a function may have.
func Runtimes() []string { return slices.Concat(supported, newer) }

func checkRuntime(name string) error {
	switch {
	case slices.Contains(supported, name), slices.Contains(newer, name):
		return nil
	case slices.Contains(deprecated, name):
		return lambda.Errorf(lambda.CodeInvalidParameterValue,
			"The runtime parameter of %s is no longer supported for creating or updating AWS Lambda functions. "+
				"We recommend you use a supported runtime while creating or updating functions.", name)
	}
	return lambda.Errorf(lambda.CodeInvalidParameterValue,
		"Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [%s] or be a valid ARN",
		name, strings.Join(supported, ", "))
}

// runtimeVersionARN names a version of a runtime by 64 hexadecimal digits. Ours
// are derived from the runtime's name: a server has one version of each.
func runtimeVersionARN(scope lambda.Scope, runtime string) string {
	sum := sha256.Sum256([]byte(runtime))
	return fmt.Sprintf("arn:%s:lambda:%s::runtime:%s", scope.Partition, scope.Region, hex.EncodeToString(sum[:]))
}
