package logs

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	model "thaw/internal/awsapi/gen/logs"
	"thaw/internal/lambda"
	"thaw/internal/telemetry/logstore"
)

const byLastEvent = "LastEventTime"

func (h *Handler) createStream(in *model.CreateLogStreamRequest) error {
	err := h.Store.CreateStream(*in.LogGroupName, *in.LogStreamName)
	if errors.Is(err, logstore.ErrTooManyStreams) {
		return lambda.Errorf(codeLimitExceeded, "The log group has as many log streams as it may have without events in them.")
	}
	return err
}

func (h *Handler) deleteStream(in *model.DeleteLogStreamRequest) error {
	return h.Store.DeleteStream(*in.LogGroupName, *in.LogStreamName)
}

func (h *Handler) describeStreams(ctx context.Context, in *model.DescribeLogStreamsRequest) (*model.DescribeLogStreamsResponse, error) {
	group, err := oneGroup(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	byTime := deref(in.OrderBy) == byLastEvent
	if byTime && in.LogStreamNamePrefix != nil {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	after, err := readStreamToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	if err := h.Store.Settle(ctx); err != nil {
		return nil, err
	}
	streams, err := h.Store.Streams(group)
	if err != nil {
		return nil, err
	}
	order := streamOrder(byTime, deref(in.Descending))
	streams = slices.DeleteFunc(streams, func(s logstore.Stream) bool {
		return !strings.HasPrefix(s.Name, deref(in.LogStreamNamePrefix)) || in.NextToken != nil && order(s, after) <= 0
	})
	slices.SortFunc(streams, order)
	out := &model.DescribeLogStreamsResponse{LogStreams: []model.LogStream{}}
	for i, s := range streams {
		if i == pageSize(in.Limit) {
			out.NextToken = streamToken(streams[i-1])
			break
		}
		out.LogStreams = append(out.LogStreams, h.streamView(group, s))
	}
	return out, nil
}

func streamOrder(byTime, descending bool) func(a, b logstore.Stream) int {
	return func(a, b logstore.Stream) int {
		order := strings.Compare(a.Name, b.Name)
		if byTime {
			order = cmp.Or(a.LastEvent.Compare(b.LastEvent), order)
		}
		if descending {
			return -order
		}
		return order
	}
}

func (h *Handler) streamView(group string, s logstore.Stream) model.LogStream {
	arn, created, stored, sequence := h.groupARN(group)+":log-stream:"+s.Name, s.Created.UnixMilli(), int64(0), sequenceToken
	v := model.LogStream{
		LogStreamName: &s.Name, CreationTime: &created, Arn: &arn, UploadSequenceToken: &sequence,
		StoredBytes: &stored, // as the service says of every stream, since 2019
	}
	if !s.LastEvent.IsZero() {
		v.FirstEventTimestamp, v.LastEventTimestamp, v.LastIngestionTime = ms(s.FirstEvent), ms(s.LastEvent), ms(s.Input)
	}
	return v
}

func ms(t time.Time) *int64 {
	v := t.UnixMilli()
	return &v
}
