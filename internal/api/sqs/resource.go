package sqs

import (
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/sqs"
	"thaw/internal/iam"
	"thaw/internal/lambda"
	"thaw/internal/queue"
)

// deref is what a pointer points to, or the zero value.
func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// urlOf is the URL of a queue, with the host by which the client has called.
func (h *Handler) urlOf(c *call, name string) string {
	scheme := "http"
	if c.http.TLS != nil {
		scheme = "https"
	}
	return (&url.URL{Scheme: scheme, Host: c.http.Host, Path: "/" + h.Scope.Account + "/" + name}).String()
}

// nameOf is the name in the URL of a queue. Its host does not matter: a client on
// another network has another name for this server.
func (h *Handler) nameOf(queueURL *string) (string, error) {
	u, err := url.Parse(deref(queueURL))
	if err != nil {
		return "", errAddress(queueURL)
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) < 2 {
		return "", errAddress(queueURL)
	}
	name := parts[len(parts)-1]
	if parts[len(parts)-2] != h.Scope.Account || !isName(name) {
		return "", errNoQueue()
	}
	return name, nil
}

// isName tells a name from an ARN, which package queue takes for a name, too: what is
// asked for would not be the queue that permission was asked for.
func isName(name string) bool { return !strings.Contains(name, ":") }

func errNoQueue() error {
	return lambda.Errorf("QueueDoesNotExist", "The specified queue does not exist.")
}

// fromPath takes the URL of the queue from that of the request: clients of awsQuery
// may leave it out of the form.
func (h *Handler) fromPath(r *http.Request, input any) {
	if field := reflect.ValueOf(input).Elem().FieldByName("QueueUrl"); field.IsValid() && field.IsNil() && r.URL.Path != "/" {
		field.Set(reflect.ValueOf(new(r.URL.Path)))
	}
}

func errAddress(queueURL *string) error {
	return lambda.Errorf("InvalidAddress", "The address %s is not valid for this endpoint.", deref(queueURL))
}

// authorise asks whether the sender may do this to the queue that the input names.
func (h *Handler) authorise(c *call, keyID string, op *awsapi.Operation, input any) error {
	c.caller, _ = iam.CallerOf(c.http.Context())
	if h.verifier != nil && h.Access != nil {
		var err error
		if c.caller, err = h.Access.Caller(keyID); err != nil {
			return err
		}
	}
	if c.caller.Administrator() {
		return nil
	}
	// Whoever may do something to one message may do it to a batch.
	q := iam.Question{Action: "sqs:" + strings.TrimSuffix(op.Name, "Batch"), Resource: "*", Context: iam.ContextOf(c.http)}
	if name, ok := h.named(input); ok {
		q.Resource, q.Policy = h.Scope.QueueARN(name), h.Queues.Policy(name)
	}
	if h.Access == nil {
		return iam.Denied(c.caller, q.Action, q.Resource)
	}
	return h.Access.Authorise(c.caller, q)
}

// named is the name of the queue that an input is about.
func (h *Handler) named(input any) (name string, ok bool) {
	value := reflect.ValueOf(input).Elem()
	for _, member := range []string{"QueueUrl", "QueueName", "SourceArn"} {
		field := value.FieldByName(member)
		if !field.IsValid() || field.IsNil() {
			continue
		}
		switch text := field.Elem().String(); member {
		case "QueueUrl":
			name, err := h.nameOf(&text)
			return name, err == nil
		case "QueueName":
			return text, true
		default:
			return h.Scope.QueueName(text)
		}
	}
	return "", false
}

// validate finds what is missing. Everything else is checked by who knows more.
func (h *Handler) validate(op *awsapi.Operation, input any) error {
	shape, value := &h.service.Shapes[op.Input], reflect.ValueOf(input).Elem()
	for i := range shape.Members {
		if shape.Members[i].Required && value.Field(i).IsNil() {
			return queue.Missing(shape.Members[i].Name)
		}
	}
	err := h.codec.Validate(op, input)
	if broken := new(lambda.Error); errors.As(err, &broken) {
		return lambda.Errorf(queue.CodeInvalidValue, "%s", broken.Message)
	}
	return err
}

// sender is the ID of who sends a message.
func (c *call) sender() string {
	switch s := c.caller.Session; {
	case s == nil && c.caller.User == "":
		return iam.UserID(iam.Administrator)
	case s == nil:
		return iam.UserID(c.caller.User)
	case s.ID != "":
		return s.ID
	default:
		_, name, _ := strings.Cut(s.ARN, ":assumed-role/")
		return strings.ReplaceAll(name, "/", ":")
	}
}

// attributesOf turns the attributes of a message into those of the queue's words.
func attributesOf(in map[string]model.MessageAttributeValue) (map[string]queue.Attribute, error) {
	if len(in) == 0 {
		return nil, nil
	}
	out := make(map[string]queue.Attribute, len(in))
	for name, v := range in {
		if v.StringListValues != nil || v.BinaryListValues != nil {
			return nil, lambda.Errorf("UnsupportedOperation", "Message attribute list values in SendMessage operation are not supported.")
		}
		a := queue.Attribute{Type: deref(v.DataType), Value: []byte(deref(v.StringValue))}
		if a.Binary() {
			a.Value = v.BinaryValue
		}
		out[name] = a
	}
	return out, nil
}

// shown turns attributes back.
func shown(in map[string]queue.Attribute) map[string]model.MessageAttributeValue {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]model.MessageAttributeValue, len(in))
	for name, a := range in {
		v := model.MessageAttributeValue{DataType: &a.Type}
		if a.Binary() {
			v.BinaryValue = a.Value
		} else {
			v.StringValue = new(string(a.Value))
		}
		out[name] = v
	}
	return out
}
