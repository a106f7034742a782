package logs_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"thaw/internal/telemetry/logstore"
)

// TestTooManyStreams tells a client whose group has as many streams as it may have.
func TestTooManyStreams(t *testing.T) {
	s := newServer(t, nil)
	if err := s.store.CreateGroup(logstore.Group{Name: group}); err != nil {
		t.Fatal(err)
	}
	var err error
	for i := 0; err == nil; i++ {
		err = s.store.CreateStream(group, fmt.Sprint(i))
	}
	if !errors.Is(err, logstore.ErrTooManyStreams) {
		t.Fatal(err)
	}
	_, err = s.client.CreateLogStream(t.Context(), &sdk.CreateLogStreamInput{LogGroupName: aws.String(group), LogStreamName: aws.String("more")})
	refused(t, "one more", err, "LimitExceededException", "")
}
