package main

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"

	apilambda "thaw/internal/api/lambda"
	apisqs "thaw/internal/api/sqs"
	"thaw/internal/destination"
	"thaw/internal/iam/policy"
	"thaw/internal/queue"
	"thaw/internal/sigv4"
)

// openQueues opens the built-in message queues.
func (s *server) openQueues(context.Context) (err error) {
	s.queues, err = queue.Open(queue.Options{
		Catalog: s.catalog, Events: s.store.Queue, Scope: s.config.Scope, Policies: checkQueuePolicy,
		State: filepath.Join(s.config.Data, "queues.json"), Logger: s.logger,
	})
	if err != nil {
		return err
	}
	s.onClose(ignoringContext(s.queues.Close))
	return nil
}

// checkQueuePolicy reads a queue's policy as it will be read when it is evaluated.
func checkQueuePolicy(document string) error {
	_, err := policy.Parse(document, policy.Resource)
	return err
}

// withQueues puts the SQS API beside the others: its requests name their operation in
// a header, also those to the URL of a queue.
func (s *server) withQueues(next http.Handler, api *apilambda.Handler, keys sigv4.Keys) http.Handler {
	queues := apisqs.New(apisqs.Options{
		Queues: s.queues, Scope: s.config.Scope, Keys: keys, Trust: api.Trust, Access: s.guests.access,
		Ended: s.following.Done(), Logger: s.logger,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if queues.Ours(r) {
			queues.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownQueues is the built-in queues as deliveries of asynchronous invocations see them.
type ownQueues struct {
	*queue.Service
	// roleID is the ID of a role.
	roleID func(arn string) string
}

// senderTime is the form of the time in a sender's ID: milliseconds, without a dot.
const senderTime = "20060102150405.000"

// sender is the ID of the session that sends a message: the execution role's, for
// this message alone, as recorded of the service.
func (q ownQueues) sender(m destination.Message) string {
	return q.roleID(m.Role) + ":awslambda_" + strings.Replace(m.At.UTC().Format(senderTime), ".", "", 1)
}

// roleID is the ID of a role, or the name of one that is not here.
func (s *server) roleID(arn string) string {
	if role, ok := s.guests.directory.ByARN(arn); ok {
		return role.ID
	}
	return arn[strings.LastIndexByte(arn, '/')+1:]
}

// Send puts a message into a queue.
func (q ownQueues) Send(ctx context.Context, m destination.Message) error {
	out := queue.Outgoing{Body: m.Body, Trace: m.Trace, Sender: q.sender(m), ID: queue.NewID(m.At, m.Once)}
	for name, a := range m.Attributes {
		if out.Attributes == nil {
			out.Attributes = map[string]queue.Attribute{}
		}
		out.Attributes[name] = queue.Attribute{Type: a.Type, Value: []byte(a.Value)}
	}
	_, err := q.Service.Send(ctx, m.Queue, out)
	return err
}
