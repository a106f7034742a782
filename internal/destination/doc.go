// Package destination sends what has become of asynchronous events to where a
// function's configuration says: to its dead-letter queue, and to its destinations.
//
// Vocabulary: a delivery is one message on its way; its target is the ARN of a
// queue (SQS), a topic (SNS), an event bus (EventBridge), a bucket (S3, for what has
// failed only) or a function. The server's own queues and functions are reached
// within the process; everything else by the SDK of its service, at an endpoint
// that the operator has named, with the operator's credentials. What a function may
// send to is decided before that, by the policies of its execution role.
//
// A delivery is tried once by each call of Deliver; when to try again is the
// caller's matter. What no other try would mend, such as a target that is not there,
// a permission that is missing or a message that is too large, matches
// async.ErrUndeliverable. A message may arrive twice: a try whose answer was lost is
// repeated.
//
// Concurrency: Deliver may be called from many goroutines; it starts none, and the
// caller bounds how many there are.
package destination
