package logs

import (
	"context"
	"net/http"
	"time"

	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/logs"
	"thaw/internal/lambda"
	"thaw/internal/telemetry/logstore"
)

const (
	// maxTails bounds the live tails at one time.
	maxTails = 64
	// tailLife is how long one goes on, as in the service.
	tailLife = 3 * time.Hour
	// tailPause is between two updates, tailBeat between two without events. The
	// service sends one each second; who watches a terminal likes it sooner.
	tailPause = 100 * time.Millisecond
	tailBeat  = time.Second
	// tailEvents bounds an update; of more, a sample is sent.
	tailEvents = 500
	// tailSettle is waited before the answer begins. The Go SDK (smithy-go 1.28)
	// closes the body of its request when it sees the head of the answer; if its
	// transport has not noticed the body's end by then, it takes that for an error
	// and gives up the connection, with the stream. The service is never so quick.
	tailSettle = 50 * time.Millisecond
	// tailWrite is how long a client may take to read an update.
	tailWrite = 30 * time.Second
)

// tail answers StartLiveTail. An error is one that came before the answer began.
func (h *Handler) tail(w http.ResponseWriter, r *http.Request, id string, in *model.StartLiveTailRequest) error {
	match, filter, err := h.tailFilter(in)
	if err != nil {
		return told(err)
	}
	select {
	case h.tails <- struct{}{}:
		defer func() { <-h.tails }()
	default:
		return lambda.Errorf(codeLimitExceeded, "There are %d live tails already.", maxTails)
	}
	follower := h.Store.Follow(filter)
	defer follower.Close()
	out := &tail{
		handler: h, follower: follower, match: match, control: http.NewResponseController(w),
		groups: map[string]string{},
	}
	for _, name := range filter.Groups {
		out.groups[name] = h.Scope.Account + ":" + name
	}
	// The request has been read; its time limit must not end the answer.
	if err := out.control.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	select {
	case <-time.After(tailSettle):
	case <-r.Context().Done():
		return r.Context().Err()
	}
	w.Header().Set("Content-Type", awsapi.EventStreamType)
	awsapi.SetRequestID(w.Header(), id)
	w.WriteHeader(http.StatusOK)
	ctx, cancel := context.WithTimeout(r.Context(), tailLife)
	defer cancel()
	// From here on an error is that the client has gone.
	if out.stream, err = h.codec.EventStream(w); err == nil && out.start(id, in) == nil {
		out.run(ctx, h.Ended)
	}
	return nil
}

func (h *Handler) tailFilter(in *model.StartLiveTailRequest) (match func([]byte) bool, filter logstore.Filter, err error) {
	switch {
	case in.LogStreamNames != nil && in.LogStreamNamePrefixes != nil:
		return nil, filter, invalid("LogStream names and LogStream name prefixes are mutually exclusive parameters.")
	case len(in.LogGroupIdentifiers) > 1 && (in.LogStreamNames != nil || in.LogStreamNamePrefixes != nil):
		return nil, filter, invalid("LogStream names and prefixes can be given for one LogGroup only.")
	}
	if match, err = matcher(in.LogEventFilterPattern); err != nil {
		return nil, filter, err
	}
	filter = logstore.Filter{Streams: in.LogStreamNames, Prefixes: in.LogStreamNamePrefixes}
	for _, identifier := range in.LogGroupIdentifiers {
		name := groupOf(identifier)
		if _, err := h.Store.Group(name); err != nil {
			return nil, filter, err
		}
		filter.Groups = append(filter.Groups, name)
	}
	return match, filter, nil
}

// tail is one live tail.
type tail struct {
	handler  *Handler
	follower *logstore.Follower
	match    func([]byte) bool
	control  *http.ResponseController
	stream   *awsapi.EventStream
	groups   map[string]string // identifiers by name, as events have them
}

func (t *tail) start(id string, in *model.StartLiveTailRequest) error {
	return t.send("sessionStart", model.ShapeLiveTailSessionStart, &model.LiveTailSessionStart{
		RequestId: &id, SessionId: &id, LogGroupIdentifiers: in.LogGroupIdentifiers, LogStreamNames: in.LogStreamNames,
		LogStreamNamePrefixes: in.LogStreamNamePrefixes, LogEventFilterPattern: in.LogEventFilterPattern,
	})
}

func (t *tail) send(name string, shape awsapi.ShapeID, event any) error {
	// Not every writer has a deadline; the server's have.
	_ = t.control.SetWriteDeadline(time.Now().Add(tailWrite))
	if err := t.stream.Send(name, shape, event); err != nil {
		return err
	}
	return t.control.Flush()
}

// run sends updates until its time is over, the client has gone or the server ends.
func (t *tail) run(ctx context.Context, ended <-chan struct{}) {
	beat := time.NewTicker(tailBeat)
	defer beat.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	news, rested := false, false
	for {
		select {
		case <-ended:
			return
		case <-ctx.Done():
			if context.Cause(ctx) == context.DeadlineExceeded {
				_ = t.stream.Fail("SessionTimeoutException", "The session has reached its maximum length.") // and that is all
			}
			return
		case <-t.follower.Ready():
			news = true
		case <-pause.C:
			rested = true
		case <-beat.C:
			news = true
		}
		if !news || !rested {
			continue
		}
		if t.update() != nil {
			return
		}
		news, rested = false, false
		pause.Reset(tailPause)
	}
}

// update sends what has come.
func (t *tail) update() error {
	events, dropped := t.follower.Take()
	results := []model.LiveTailSessionLogEvent{}
	for _, e := range events {
		if t.match != nil && !t.match([]byte(e.Message)) {
			continue
		}
		group := t.groups[e.Group]
		results = append(results, model.LiveTailSessionLogEvent{
			LogStreamName: &e.Stream, LogGroupIdentifier: &group, Message: &e.Message,
			Timestamp: ms(e.At), IngestionTime: ms(e.Ingested),
		})
	}
	sampled := dropped > 0
	if n := len(results); n > tailEvents {
		for i := range tailEvents {
			results[i] = results[i*n/tailEvents]
		}
		results, sampled = results[:tailEvents], true
	}
	return t.send("sessionUpdate", model.ShapeLiveTailSessionUpdate, &model.LiveTailSessionUpdate{
		SessionMetadata: &model.LiveTailSessionMetadata{Sampled: &sampled}, SessionResults: results,
	})
}
