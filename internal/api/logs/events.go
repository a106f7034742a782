package logs

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	model "thaw/internal/awsapi/gen/logs"
	"thaw/internal/iam"
	"thaw/internal/telemetry/logstore"
	"thaw/internal/telemetry/logstore/pattern"
)

// The service's bounds on a batch of events.
const (
	maxBatch   = 1 << 20 // bytes of UTF-8, and eventBytes for each event
	eventBytes = 26
	maxSpan    = 24 * time.Hour
	maxEarly   = 2 * time.Hour
	maxLate    = 14 * 24 * time.Hour
)

// sequenceToken is what older clients send back; its value does not matter any
// more.
const sequenceToken = "00000000000000000000000000000000000000000000000000000000"

func (h *Handler) putEvents(_ context.Context, in *model.PutLogEventsRequest) (*model.PutLogEventsResponse, error) {
	if err := checkBatch(in.LogEvents); err != nil {
		return nil, err
	}
	group, err := h.Store.Group(*in.LogGroupName)
	if err != nil {
		return nil, err
	}
	taken, rejected := h.choose(in.LogEvents, group.Retention)
	// An empty batch is put too: it tells whether the stream is there.
	if err := h.Store.Put(group.Name, *in.LogStreamName, taken); err != nil {
		return nil, err
	}
	next := sequenceToken
	return &model.PutLogEventsResponse{NextSequenceToken: &next, RejectedLogEventsInfo: rejected}, nil
}

func checkBatch(events []model.InputLogEvent) error {
	total := 0
	for i, e := range events {
		size := len(*e.Message) + eventBytes
		if size > maxBatch {
			return invalid("Log event too large: %d bytes exceeds limit of %d", size, maxBatch)
		}
		total += size
		if i > 0 && *e.Timestamp < *events[i-1].Timestamp {
			return invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
	}
	if total > maxBatch {
		return invalid("Upload too large: %d bytes exceeds limit of %d", total, maxBatch)
	}
	if first, last := *events[0].Timestamp, *events[len(events)-1].Timestamp; last-first > maxSpan.Milliseconds() {
		return invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	return nil
}

// choose parts what is taken from what is too old, past the retention or too new.
func (h *Handler) choose(events []model.InputLogEvent, retention int) ([]logstore.Event, *model.RejectedLogEventsInfo) {
	now := h.Now()
	old, expired, early := now.Add(-maxLate).UnixMilli(), int64(math.MinInt64), now.Add(maxEarly).UnixMilli()
	if retention > 0 {
		expired = now.AddDate(0, 0, -retention).UnixMilli()
	}
	var taken []logstore.Event
	var info model.RejectedLogEventsInfo
	for i, e := range events {
		end := i + 1
		switch at := *e.Timestamp; {
		case at < expired:
			info.ExpiredLogEventEndIndex = &end
		case at < old:
			info.TooOldLogEventEndIndex = &end
		case at > early:
			if info.TooNewLogEventStartIndex == nil {
				info.TooNewLogEventStartIndex = &i
			}
		default:
			taken = append(taken, logstore.Event{At: time.UnixMilli(at), Message: *e.Message})
		}
	}
	if len(taken) == len(events) {
		return taken, nil
	}
	return taken, &info
}

// searchShare is the part of the processors, one in so many, that searches from
// inside may have all together.
const searchShare = 4

// search reads one page. Functions search one after the other: a search may take a
// second of a processor, and is not of their own share.
func (h *Handler) search(ctx context.Context, q logstore.Query) (logstore.Page, error) {
	if c, _ := iam.CallerOf(ctx); c.Session != nil {
		select {
		case h.searches <- struct{}{}:
			defer func() { <-h.searches }()
		case <-ctx.Done():
			return logstore.Page{}, ctx.Err()
		}
	}
	return h.Store.Search(ctx, q)
}

func (h *Handler) getEvents(ctx context.Context, in *model.GetLogEventsRequest) (*model.GetLogEventsResponse, error) {
	group, err := oneGroup(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	q := logstore.Query{
		Group: group, Stream: func(name string) bool { return name == *in.LogStreamName }, Limit: deref(in.Limit),
		From: logstore.Position{At: deref(in.StartTime)}, Backward: !deref(in.StartFromHead),
	}
	if in.EndTime != nil {
		q.To = logstore.Position{At: *in.EndTime}
	}
	start := q.From
	if in.NextToken != nil {
		from, err := readPlace(*in.NextToken)
		if err != nil {
			return nil, err
		}
		from.narrow(&q)
		start = from.Position
	}
	if err := h.Store.HasStreams(ctx, group, []string{*in.LogStreamName}); err != nil {
		return nil, err
	}
	page, err := h.search(ctx, q)
	if err != nil {
		return nil, err
	}
	return eventsView(page, start, q.Backward), nil
}

// eventsView has tokens for both directions always; at an end of the log the one
// that leads beyond it is the one that was sent.
func eventsView(page logstore.Page, start logstore.Position, backward bool) *model.GetLogEventsResponse {
	before, after := start, start
	if n := len(page.Events); n > 0 {
		first, last := page.Events[0], page.Events[n-1]
		before = logstore.Position{At: first.At.UnixMilli(), Seq: first.Seq}
		after = logstore.Position{At: last.At.UnixMilli(), Seq: last.Seq + 1}
	} else if page.More {
		before, after = page.Next, page.Next
	}
	if page.More && backward {
		before = page.Next
	} else if page.More {
		after = page.Next
	}
	out := &model.GetLogEventsResponse{Events: []model.OutputLogEvent{}}
	for _, e := range page.Events {
		out.Events = append(out.Events, model.OutputLogEvent{Timestamp: ms(e.At), IngestionTime: ms(e.Ingested), Message: &e.Message})
	}
	forwardToken, backwardToken := place{after, 'f'}.String(), place{before, 'b'}.String()
	out.NextForwardToken, out.NextBackwardToken = &forwardToken, &backwardToken
	return out
}

// narrow turns a search to what lies in the direction of a place.
func (p place) narrow(q *logstore.Query) {
	q.Backward = p.direction == 'b'
	switch {
	case q.Backward && (q.To == logstore.Position{} || p.Compare(q.To) < 0):
		q.To = p.Position
	case !q.Backward && p.Compare(q.From) > 0:
		q.From = p.Position
	}
}

func (h *Handler) filterEvents(ctx context.Context, in *model.FilterLogEventsRequest) (*model.FilterLogEventsResponse, error) {
	q, err := h.filterQuery(ctx, in)
	if err != nil {
		return nil, err
	}
	page, err := h.search(ctx, *q)
	if err != nil {
		return nil, err
	}
	out := &model.FilterLogEventsResponse{Events: []model.FilteredLogEvent{}, SearchedLogStreams: []model.SearchedLogStream{}}
	for _, e := range page.Events {
		id := e.ID()
		out.Events = append(out.Events, model.FilteredLogEvent{
			LogStreamName: &e.Stream, Timestamp: ms(e.At), IngestionTime: ms(e.Ingested), Message: &e.Message, EventId: &id,
		})
	}
	next := place{page.Next, 'f'}
	if q.Backward {
		slices.Reverse(out.Events) // the latest are asked for first
		next.direction = 'b'
	}
	if page.More {
		out.NextToken = nameToken(next.String())
	}
	return out, nil
}

func (h *Handler) filterQuery(ctx context.Context, in *model.FilterLogEventsRequest) (*logstore.Query, error) {
	group, err := oneGroup(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	if in.LogStreamNames != nil && in.LogStreamNamePrefix != nil {
		return nil, invalid("LogStream names and LogStream name prefix are mutually exclusive parameters.")
	}
	match, err := matcher(in.FilterPattern)
	if err != nil {
		return nil, err
	}
	q := &logstore.Query{
		Group: group, Match: match, Limit: deref(in.Limit), From: logstore.Position{At: deref(in.StartTime)},
		Backward: in.StartFromHead != nil && !*in.StartFromHead,
	}
	if in.EndTime != nil {
		q.To = logstore.Position{At: *in.EndTime + 1} // this one includes its end
	}
	if in.NextToken != nil {
		text, err := readNameToken(in.NextToken)
		if err != nil {
			return nil, err
		}
		from, err := readPlace(text)
		if err != nil {
			return nil, err
		}
		from.narrow(q)
	}
	switch {
	case in.LogStreamNames != nil:
		q.Stream = func(name string) bool { return slices.Contains(in.LogStreamNames, name) }
		err = h.Store.HasStreams(ctx, group, in.LogStreamNames)
	case in.LogStreamNamePrefix != nil:
		q.Stream = func(name string) bool { return strings.HasPrefix(name, *in.LogStreamNamePrefix) }
	}
	return q, err
}

// matcher reads a filter pattern; nil means that all match.
func matcher(text *string) (func([]byte) bool, error) {
	p, err := pattern.Parse(deref(text))
	if err != nil {
		return nil, invalid("Invalid filter pattern: %s", err)
	}
	if p.All() {
		return nil, nil
	}
	return p.Match, nil
}
