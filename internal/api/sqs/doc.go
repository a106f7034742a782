// Package sqs serves the SQS API over the built-in message queues.
//
// A request names its operation in a header (awsJson 1.0) or, in the protocol that
// clients spoke before November 2023, in a form (awsQuery), and is signed for the
// service sqs; its path does not matter, for some clients call the URL of the queue
// and some that of the server. It is read, verified, decoded, authorised, validated
// and carried out, in this order. What is not built is answered with
// NotImplementedException.
//
// The URL of a queue has the host by which its client has called, so that it is good
// wherever that one is. Errors are those of the service, and tell the codes that
// awsQuery had for them in a header, by which SDKs know them.
//
// Concurrency: a Handler may be used by many goroutines. A request that waits for
// messages holds its own.
package sqs
