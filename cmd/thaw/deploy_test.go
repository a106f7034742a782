package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// TestDeployKeepsTheArchitecture: as all else that no flag names.
func TestDeployKeepsTheArchitecture(t *testing.T) {
	server, dir := startFake(t, isolate(t)), filepath.Join(t.TempDir(), "hello")
	for _, step := range []struct {
		flags []string
		code  int
		want  types.Architecture
	}{
		{[]string{"--arch", "arm64"}, 0, types.ArchitectureArm64},
		{nil, 1, types.ArchitectureArm64},
		{[]string{"--arch", "x86_64"}, 2, types.ArchitectureX8664},
		{nil, 3, types.ArchitectureX8664},
		{[]string{"--arch", "arm64"}, 3, types.ArchitectureArm64}, // of the same code
	} {
		writeFile(t, filepath.Join(dir, "handler.py"), fmt.Sprintf("def handler(event, context):\n    return %d\n", step.code))
		if _, stderr, code := runVerb(t, "", append([]string{"deploy", dir}, step.flags...)...); code != exitOK {
			t.Fatal(stderr)
		}
		got, err := server.client().GetFunctionConfiguration(t.Context(), &sdk.GetFunctionConfigurationInput{FunctionName: aws.String("hello")})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Architectures, []types.Architecture{step.want}) {
			t.Errorf("deploy %v: %v, want %s", step.flags, got.Architectures, step.want)
		}
	}
}
