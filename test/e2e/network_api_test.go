package e2e_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
)

// called is what the functions that call the API answer.
type called struct {
	Answer  any    `json:"answer"`
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// callers are functions that use the SDK of their runtime unpackaged, in each
// language that has one.
func callers(t *testing.T) map[string]spec {
	return map[string]spec{
		"python": {runtime: python(t), handler: "handler.handler", zip: source(t, "python/calls"), memory: 256, timeout: 30},
		"node":   {runtime: node(t), handler: "index.handler", zip: source(t, "node/calls"), memory: 256, timeout: 30},
	}
}

// call invokes a caller.
func (s *server) call(t *testing.T, name string, event map[string]any) called {
	t.Helper()
	var c called
	s.invoke(t, name, event).decode(t, &c)
	return c
}

// TestFunctionsCallTheServer: a handler lists functions and invokes another, on
// the server that runs it, and names neither an address nor a key.
func TestFunctionsCallTheServer(t *testing.T) {
	for _, auth := range []string{"sigv4", "none"} {
		t.Run(auth, func(t *testing.T) {
			s := start(t, "--auth", auth, "--function-allow", "lambda:InvokeFunction,lambda:List*")
			s.deployKeeping(t, "echo", goEcho(t))
			for language, sp := range callers(t) {
				s.deployKeeping(t, language, sp)
			}
			for language := range callers(t) {
				want := called{Answer: []any{"echo", "node", "python"}}
				if diff := cmp.Diff(want, s.call(t, language, map[string]any{"call": "list"})); diff != "" {
					t.Errorf("%s lists (-want +got):\n%s", language, diff)
				}
				value := "from " + language
				got := s.call(t, language, map[string]any{"call": "invoke", "function": "echo", "value": value})
				if diff := cmp.Diff(called{Answer: value}, got); diff != "" {
					t.Errorf("%s invokes (-want +got):\n%s", language, diff)
				}
			}
		})
	}
}

// TestFunctionsMayDoNothingUnlessToldSo: the same handlers on a server that allows
// nothing, and one that allows something else.
func TestFunctionsMayDoNothingUnlessToldSo(t *testing.T) {
	for name, flags := range map[string][]string{
		"nothing allowed": nil, "something else": {"--function-allow", "lambda:GetFunction*"}, "without authentication": {"--auth", "none"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, flags...)
			s.deployKeeping(t, "echo", goEcho(t))
			for language, sp := range callers(t) {
				s.deployKeeping(t, language, sp)
				const arn = "arn:aws:lambda:us-east-1:000000000000:function:echo"
				want := denied(language, "lambda:ListFunctions", "*")
				if diff := cmp.Diff(want, s.call(t, language, map[string]any{"call": "list"})); diff != "" {
					t.Errorf("%s lists (-want +got):\n%s", language, diff)
				}
				want = denied(language, "lambda:InvokeFunction", arn)
				if diff := cmp.Diff(want, s.call(t, language, map[string]any{"call": "invoke", "function": "echo"})); diff != "" {
					t.Errorf("%s invokes (-want +got):\n%s", language, diff)
				}
			}
		})
	}
}

// TestCredentialsEndWithTheEnvironment takes a function's credentials outside: they
// are good there too, for what the function may, until its environment is gone.
func TestCredentialsEndWithTheEnvironment(t *testing.T) {
	s := start(t)
	s.deployKeeping(t, "python", callers(t)["python"])
	answer, ok := s.call(t, "python", map[string]any{"call": "credentials"}).Answer.([]any)
	if !ok || len(answer) != 3 {
		t.Fatalf("credentials: %v", answer)
	}
	client := lambda.New(lambda.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + s.address), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(answer[0].(string), answer[1].(string), answer[2].(string)),
	})
	_, err := client.ListFunctions(t.Context(), &lambda.ListFunctionsInput{})
	wantError(t, err, 403, "AccessDeniedException", denied("python", "lambda:ListFunctions", "*").Message)
	s.remove(t, "python")
	err = eventually(settleLimit, func() error {
		_, err := client.ListFunctions(t.Context(), &lambda.ListFunctionsInput{})
		var told smithy.APIError
		if errors.As(err, &told) && told.ErrorCode() == "UnrecognizedClientException" {
			return nil
		}
		return fmt.Errorf("the credentials are answered with %v", err)
	})
	if err != nil {
		t.Error(err)
	}
}

func denied(function, action, resource string) called {
	return called{Status: 403, Code: "AccessDeniedException", Message: fmt.Sprintf(
		"User: arn:aws:sts::000000000000:assumed-role/e2e/%s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %s action",
		function, action, resource, action)}
}
