package e2e_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// mappingState waits until a mapping is in a state; "" is for one that is gone.
func (s *server) mappingState(t *testing.T, uuid *string, want string) *lambda.GetEventSourceMappingOutput {
	t.Helper()
	var out *lambda.GetEventSourceMappingOutput
	err := eventually(settleLimit, func() (err error) {
		out, err = s.client.GetEventSourceMapping(t.Context(), &lambda.GetEventSourceMappingInput{UUID: uuid})
		var gone *types.ResourceNotFoundException
		switch {
		case want == "" && errors.As(err, &gone):
			return nil
		case err != nil:
			return err
		case aws.ToString(out.State) != want:
			return fmt.Errorf("the mapping is %s, not %q", aws.ToString(out.State), want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestMappingsByGo takes an event source mapping through its life with the Go SDK,
// a killed server in between.
func TestMappingsByGo(t *testing.T) {
	dir := t.TempDir()
	needRoot(t)
	s := startIn(t, dir)
	ctx := t.Context()
	s.deployKeeping(t, "mapped", goEcho(t))
	queue := "arn:aws:sqs:us-east-1:000000000000:q"
	in := &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("mapped"), EventSourceArn: &queue, Enabled: aws.Bool(false),
		FilterCriteria: &types.FilterCriteria{Filters: []types.Filter{{Pattern: aws.String(`{"body":{"kind":["order"]}}`)}}}}
	made, err := s.client.CreateEventSourceMapping(ctx, in)
	if err != nil || aws.ToString(made.State) != "Disabled" || aws.ToInt32(made.BatchSize) != 10 {
		t.Fatalf("created %+v, %v", made, err)
	}
	var conflict *types.ResourceConflictException
	if _, err := s.client.CreateEventSourceMapping(ctx, in); !errors.As(err, &conflict) {
		t.Errorf("created again: %v", err)
	}
	_, err = s.client.UpdateEventSourceMapping(ctx, &lambda.UpdateEventSourceMappingInput{UUID: made.UUID, Enabled: aws.Bool(true), BatchSize: aws.Int32(7)})
	if err != nil {
		t.Fatal(err)
	}
	s.kill()
	s = startIn(t, dir)
	got := s.mappingState(t, made.UUID, "Enabled")
	if aws.ToInt32(got.BatchSize) != 7 || len(got.FilterCriteria.Filters) != 1 || aws.ToString(got.FunctionArn) != "arn:aws:lambda:us-east-1:000000000000:function:mapped" {
		t.Errorf("after a restart: %+v", got)
	}
	if _, err := s.client.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String("mapped")}); err != nil {
		t.Fatal(err)
	}
	pages := lambda.NewListEventSourceMappingsPaginator(s.client, &lambda.ListEventSourceMappingsInput{EventSourceArn: &queue})
	page, err := pages.NextPage(ctx)
	if err != nil || len(page.EventSourceMappings) != 1 || pages.HasMorePages() {
		t.Errorf("listed %+v, %v", page, err)
	}
	if _, err := s.client.DeleteEventSourceMapping(ctx, &lambda.DeleteEventSourceMappingInput{UUID: made.UUID}); err != nil {
		t.Fatal(err)
	}
	s.mappingState(t, made.UUID, "")
}
