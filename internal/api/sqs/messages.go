package sqs

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	model "thaw/internal/awsapi/gen/sqs"
	"thaw/internal/lambda"
	"thaw/internal/queue"
)

// Names of the system attributes of messages.
const (
	sysAll           = "All"
	sysSender        = "SenderId"
	sysSent          = "SentTimestamp"
	sysReceives      = "ApproximateReceiveCount"
	sysFirst         = "ApproximateFirstReceiveTimestamp"
	sysSequence      = "SequenceNumber"
	sysDeduplication = "MessageDeduplicationId"
	sysGroup         = "MessageGroupId"
	sysTrace         = "AWSTraceHeader"
	sysSource        = "DeadLetterQueueSourceArn"
)

// outgoing is a message of a request.
type outgoing struct {
	body, group, deduplication *string
	delay                      *int
	attributes                 map[string]model.MessageAttributeValue
	system                     map[string]model.MessageSystemAttributeValue
}

// message is what is to be sent, and the digest of its system attributes.
func (o *outgoing) message(c *call) (m queue.Outgoing, system *string, err error) {
	m = queue.Outgoing{Body: deref(o.body), Sender: c.sender(), Group: deref(o.group), Deduplication: deref(o.deduplication), Delay: secondsOf(o.delay)}
	if m.Attributes, err = attributesOf(o.attributes); err != nil {
		return m, nil, err
	}
	for name, v := range o.system {
		if name != sysTrace {
			return m, nil, lambda.Errorf(queue.CodeInvalidValue, "Message system attribute name '%s' is invalid.", name)
		}
		if deref(v.DataType) != "String" || deref(v.StringValue) == "" {
			return m, nil, lambda.Errorf(queue.CodeInvalidValue, "The message system attribute '%s' must be of the type String, and not empty.", name)
		}
		m.Trace = *v.StringValue
		system = digest(map[string]queue.Attribute{name: {Type: *v.DataType, Value: []byte(m.Trace)}})
	}
	return m, system, nil
}

func secondsOf(n *int) *time.Duration {
	if n == nil {
		return nil
	}
	return new(time.Duration(*n) * time.Second)
}

// digest is absent for no attributes.
func digest(attributes map[string]queue.Attribute) *string {
	return orAbsent(queue.DigestAttributes(attributes))
}

func orAbsent(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func (h *Handler) send(ctx context.Context, c *call, in *model.SendMessageRequest) (*model.SendMessageResult, error) {
	name, err := h.nameOf(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	o := outgoing{in.MessageBody, in.MessageGroupId, in.MessageDeduplicationId, in.DelaySeconds, in.MessageAttributes, in.MessageSystemAttributes}
	m, system, err := o.message(c)
	if err != nil {
		return nil, err
	}
	sent, err := h.Queues.Send(ctx, name, m)
	if err != nil {
		return nil, err
	}
	return &model.SendMessageResult{MessageId: &sent.ID, MD5OfMessageBody: &sent.DigestBody,
		MD5OfMessageAttributes: orAbsent(sent.DigestAttributes), MD5OfMessageSystemAttributes: system}, nil
}

func (h *Handler) sendBatch(ctx context.Context, c *call, in *model.SendMessageBatchRequest) (*model.SendMessageBatchResult, error) {
	name, err := h.nameOf(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := queue.CheckEntries("SendMessageBatchRequestEntry", ids(in.Entries, func(e model.SendMessageBatchRequestEntry) string { return *e.Id })); err != nil {
		return nil, err
	}
	out := &model.SendMessageBatchResult{Successful: []model.SendMessageBatchResultEntry{}, Failed: []model.BatchResultErrorEntry{}}
	var batch []queue.Outgoing
	var from []int // the entry of each
	digests := make([]*string, len(in.Entries))
	for i, e := range in.Entries {
		o := outgoing{e.MessageBody, e.MessageGroupId, e.MessageDeduplicationId, e.DelaySeconds, e.MessageAttributes, e.MessageSystemAttributes}
		var m queue.Outgoing
		if m, digests[i], err = o.message(c); err != nil {
			out.Failed = append(out.Failed, h.failed(e.Id, err))
			continue
		}
		batch, from = append(batch, m), append(from, i)
	}
	results, err := h.Queues.SendBatch(ctx, name, batch)
	if err != nil {
		return nil, err
	}
	for i, r := range results {
		e := in.Entries[from[i]]
		if r.Err != nil {
			out.Failed = append(out.Failed, h.failed(e.Id, r.Err))
			continue
		}
		out.Successful = append(out.Successful, model.SendMessageBatchResultEntry{Id: e.Id, MessageId: &r.Sent.ID, MD5OfMessageBody: &r.Sent.DigestBody,
			MD5OfMessageAttributes: orAbsent(r.Sent.DigestAttributes), MD5OfMessageSystemAttributes: digests[from[i]]})
	}
	return out, nil
}

func ids[E any](entries []E, id func(E) string) []string {
	list := make([]string, len(entries))
	for i, e := range entries {
		list[i] = id(e)
	}
	return list
}

// failed is an entry of a batch that could not be carried out.
func (h *Handler) failed(id *string, err error) model.BatchResultErrorEntry {
	if _, told := errors.AsType[*lambda.Error](err); !told {
		h.Logger.Error("entry of a batch failed", slog.Any("error", err))
	}
	code, message, sender := h.codec.Told(err)
	return model.BatchResultErrorEntry{Id: id, Code: &code, Message: &message, SenderFault: &sender}
}

func (h *Handler) receive(ctx context.Context, _ *call, in *model.ReceiveMessageRequest) (*model.ReceiveMessageResult, error) {
	name, err := h.nameOf(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	system := slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
	if err := checkSystem(system); err != nil {
		return nil, err
	}
	want := queue.Want{Max: 1, Visibility: secondsOf(in.VisibilityTimeout), Wait: secondsOf(in.WaitTimeSeconds)}
	if in.MaxNumberOfMessages != nil {
		want.Max = *in.MaxNumberOfMessages
	}
	ctx, done := h.waiting(ctx, &want)
	defer done()
	messages, err := h.Queues.Receive(ctx, name, want)
	if err != nil {
		return nil, err
	}
	out := new(model.ReceiveMessageResult)
	for i := range messages {
		out.Messages = append(out.Messages, view(&messages[i], system, in.MessageAttributeNames))
	}
	return out, nil
}

// waiting is a context that also ends when nobody is to wait any more. Whoever finds
// no place to wait does not wait.
func (h *Handler) waiting(ctx context.Context, want *queue.Want) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	release := func() {}
	select {
	case h.polls <- struct{}{}:
		release = func() { <-h.polls }
	default:
		want.Wait = new(time.Duration(0))
	}
	if h.Ended == nil {
		return ctx, func() { cancel(); release() }
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-h.Ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(); <-ended; release() }
}

func checkSystem(names []string) error {
	for _, name := range names {
		switch name {
		case sysAll, sysSender, sysSent, sysReceives, sysFirst, sysSequence, sysDeduplication, sysGroup, sysTrace, sysSource:
		default:
			return lambda.Errorf("InvalidAttributeName", "Unknown Attribute %s.", name)
		}
	}
	return nil
}

// view is a message as a client sees it, with the attributes that it asked for.
func view(m *queue.Message, system, names []string) model.Message {
	attributes := maps.Clone(m.Attributes)
	maps.DeleteFunc(attributes, func(name string, _ queue.Attribute) bool { return !wanted(name, names) })
	milliseconds := func(at time.Time) string { return strconv.FormatInt(at.UnixMilli(), 10) }
	all := map[string]string{
		sysSender: m.Sender, sysSent: milliseconds(m.SentAt), sysReceives: strconv.Itoa(m.ReceiveCount), sysFirst: milliseconds(m.FirstReceivedAt),
		sysGroup: m.Group, sysDeduplication: m.Deduplication, sysTrace: m.Trace, sysSource: m.Source,
	}
	maps.DeleteFunc(all, func(name, value string) bool {
		return value == "" || !slices.Contains(system, sysAll) && !slices.Contains(system, name)
	})
	return model.Message{
		MessageId: &m.ID, ReceiptHandle: &m.Receipt, Body: &m.Body, MD5OfBody: new(queue.Digest(m.Body)), Attributes: orNone(all),
		MessageAttributes: shown(attributes), MD5OfMessageAttributes: digest(attributes),
	}
}

// wanted tells whether an attribute is asked for: by its name, or by what it begins
// with, or as all are.
func wanted(name string, names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool {
		prefix, ok := strings.CutSuffix(n, ".*")
		return n == "All" || n == name || ok && (prefix == "" || strings.HasPrefix(name, prefix))
	})
}

func (h *Handler) deleteMessage(ctx context.Context, in *model.DeleteMessageRequest) error {
	name, err := h.nameOf(in.QueueUrl)
	if err != nil {
		return err
	}
	return h.Queues.DeleteMessage(ctx, name, *in.ReceiptHandle)
}

func (h *Handler) deleteBatch(ctx context.Context, _ *call, in *model.DeleteMessageBatchRequest) (*model.DeleteMessageBatchResult, error) {
	name, err := h.batchOf(in.QueueUrl, "DeleteMessageBatchRequestEntry", ids(in.Entries, func(e model.DeleteMessageBatchRequestEntry) string { return *e.Id }))
	if err != nil {
		return nil, err
	}
	out := &model.DeleteMessageBatchResult{Successful: []model.DeleteMessageBatchResultEntry{}, Failed: []model.BatchResultErrorEntry{}}
	errs := queue.Each(len(in.Entries), func(i int) error { return h.Queues.DeleteMessage(ctx, name, *in.Entries[i].ReceiptHandle) })
	for i, err := range errs {
		if id := in.Entries[i].Id; err != nil {
			out.Failed = append(out.Failed, h.failed(id, err))
		} else {
			out.Successful = append(out.Successful, model.DeleteMessageBatchResultEntry{Id: id})
		}
	}
	return out, nil
}

// batchOf checks what the batches on receipts have in common.
func (h *Handler) batchOf(queueURL *string, kind string, entryIDs []string) (name string, err error) {
	if name, err = h.nameOf(queueURL); err != nil {
		return "", err
	}
	if err := queue.CheckEntries(kind, entryIDs); err != nil {
		return "", err
	}
	if !h.Queues.Has(name) {
		return "", errNoQueue()
	}
	return name, nil
}

func (h *Handler) changeVisibility(ctx context.Context, in *model.ChangeMessageVisibilityRequest) error {
	name, err := h.nameOf(in.QueueUrl)
	if err != nil {
		return err
	}
	return h.Queues.ChangeVisibility(ctx, name, *in.ReceiptHandle, *secondsOf(in.VisibilityTimeout))
}

func (h *Handler) changeBatch(ctx context.Context, _ *call, in *model.ChangeMessageVisibilityBatchRequest) (*model.ChangeMessageVisibilityBatchResult, error) {
	name, err := h.batchOf(in.QueueUrl, "ChangeMessageVisibilityBatchRequestEntry", ids(in.Entries, func(e model.ChangeMessageVisibilityBatchRequestEntry) string { return *e.Id }))
	if err != nil {
		return nil, err
	}
	out := &model.ChangeMessageVisibilityBatchResult{Successful: []model.ChangeMessageVisibilityBatchResultEntry{}, Failed: []model.BatchResultErrorEntry{}}
	for _, e := range in.Entries {
		if e.VisibilityTimeout == nil {
			err = queue.Missing("VisibilityTimeout")
		} else {
			err = h.Queues.ChangeVisibility(ctx, name, *e.ReceiptHandle, *secondsOf(e.VisibilityTimeout))
		}
		if err != nil {
			out.Failed = append(out.Failed, h.failed(e.Id, err))
		} else {
			out.Successful = append(out.Successful, model.ChangeMessageVisibilityBatchResultEntry{Id: e.Id})
		}
	}
	return out, nil
}
