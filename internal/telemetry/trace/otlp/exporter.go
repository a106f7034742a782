package otlp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Options configure an Exporter.
type Options struct {
	// Endpoint is the URL that spans are posted to, and Headers go with each
	// request.
	Endpoint string
	Headers  map[string]string
	// Ratio is the share of traces that are exported if their caller does not sample
	// them; those that he samples always are. 1 is all.
	Ratio  float64
	Client *http.Client // nil: one of its own
	Logger *slog.Logger
}

const (
	// queueLength bounds the invocations that wait to be sent.
	queueLength = 4096
	// batchLength bounds those of one request, batchDelay how long the first of them
	// waits for others.
	batchLength = 256
	batchDelay  = time.Second
	// tries bounds how often a request is sent, firstPause is the pause after the
	// first time, doubled after each, and sendTimeout bounds each.
	tries       = 4
	firstPause  = 500 * time.Millisecond
	sendTimeout = 10 * time.Second
	// maxAnswer is how much of an answer is read, in bytes.
	maxAnswer = 64 << 10
	// tellInterval is how often the log tells of what was dropped.
	tellInterval = time.Minute
)

// Exporter sends spans to one collector.
type Exporter struct {
	opts    Options
	queue   chan item
	dropped atomic.Int64

	closing chan struct{} // closed when no more is taken
	hurry   context.Context
	cancel  context.CancelFunc // ends what is being sent
	once    sync.Once
	worker  sync.WaitGroup
}

// Open starts an Exporter. Whether there is a collector shows when there are
// spans.
func Open(opts Options) *Exporter {
	if opts.Client == nil {
		opts.Client = &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	}
	e := &Exporter{opts: opts, queue: make(chan item, queueLength), closing: make(chan struct{})}
	e.hurry, e.cancel = context.WithCancel(context.Background())
	e.worker.Go(e.run)
	return e
}

// Dropped counts the invocations and shutdowns whose spans were not sent.
func (e *Exporter) Dropped() int64 { return e.dropped.Load() }

// Close sends what waits, until ctx ends; what comes later is dropped.
func (e *Exporter) Close(ctx context.Context) error {
	e.once.Do(func() { close(e.closing) })
	stop := context.AfterFunc(ctx, e.cancel)
	defer stop()
	e.worker.Wait()
	e.cancel()
	e.opts.Client.CloseIdleConnections()
	return nil
}

// put queues an item, or drops it.
func (e *Exporter) put(it item) {
	select {
	case <-e.closing:
		e.dropped.Add(1)
		return
	default:
	}
	select {
	case e.queue <- it:
	default:
		e.dropped.Add(1)
	}
}

func (e *Exporter) run() {
	tell := time.NewTicker(tellInterval)
	defer tell.Stop()
	told := int64(0)
	for {
		select {
		case it := <-e.queue:
			e.send(e.gather(it))
		case <-tell.C:
			if now := e.Dropped(); now > told {
				e.opts.Logger.Warn("spans were dropped", slog.Int64("invocations", now-told))
				told = now
			}
		case <-e.closing:
			e.empty()
			return
		}
	}
}

// gather takes what comes within a moment.
func (e *Exporter) gather(first item) []item {
	batch := []item{first}
	late := time.NewTimer(batchDelay)
	defer late.Stop()
	for len(batch) < batchLength {
		select {
		case it := <-e.queue:
			batch = append(batch, it)
		case <-late.C:
			return batch
		case <-e.closing:
			return batch
		}
	}
	return batch
}

// empty sends what is left in the queue.
func (e *Exporter) empty() {
	for {
		var batch []item
		for len(batch) < batchLength && len(e.queue) > 0 {
			batch = append(batch, <-e.queue)
		}
		if len(batch) == 0 {
			return
		}
		e.send(batch)
	}
}

// send sends a batch, or drops it.
func (e *Exporter) send(batch []item) {
	spans := resourceSpans(batch, e.opts.Ratio)
	if len(spans) == 0 {
		return
	}
	// The collector's request has the same form, but comes with gRPC.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err == nil {
		err = e.post(body)
	}
	if err != nil {
		e.dropped.Add(int64(len(batch)))
		e.opts.Logger.Debug("spans not sent", slog.Any("error", err))
	}
}

// errAgain marks an error after which a request may be sent again.
var errAgain = errors.New("try again")

func (e *Exporter) post(body []byte) error {
	pause := firstPause
	for try := 1; ; try++ {
		err := e.postOnce(body)
		if err == nil || !errors.Is(err, errAgain) || try == tries {
			return err
		}
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-e.closing: // there is no time for pauses
			wait.Stop()
		case <-e.hurry.Done():
			wait.Stop()
			return err
		}
		pause *= 2
	}
}

func (e *Exporter) postOnce(body []byte) error {
	ctx, cancel := context.WithTimeout(e.hurry, sendTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.opts.Endpoint, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("send spans: %w", err)
	}
	for name, value := range e.opts.Headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	res, err := e.opts.Client.Do(req)
	if err != nil {
		return fmt.Errorf("send spans: %w: %w", errAgain, err)
	}
	defer res.Body.Close()
	if _, err := io.CopyN(io.Discard, res.Body, maxAnswer); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the collector's answer: %w", err)
	}
	switch res.StatusCode {
	case http.StatusOK, http.StatusAccepted:
		return nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return fmt.Errorf("send spans: %w: %s", errAgain, res.Status)
	}
	return fmt.Errorf("send spans: %s", res.Status)
}
