// Package queue is the built-in message queues: standard queues as Amazon SQS has
// them, over the queues of the store.
//
// Vocabulary, which is SQS's. A message is sent, and waits; from its receipt on it
// is in flight, until it is deleted or its visibility timeout has passed and it
// waits again. A receipt handle stands for one receipt of one message. A queue may
// name a dead-letter queue, to which a message goes instead of being received once
// more than allowed. A message that is older than its queue's retention is ended.
//
// A queue is a record of the catalog; its messages are events of the store's queue
// "sqs/" and the queue's ID. A message is durable when Send returns, and gone for
// good when Delete, Purge or DeleteQueue does. What is known of messages in flight
// (until when, how often received, when first) is in memory. Close leaves it to the
// next service in a file; after a crash all of them wait, as if they had not been
// received before, save that a receipt handle from before still deletes its message.
//
// Life cycle: Open starts one goroutine, which ends messages that are too old;
// Close ends it and whoever waits for messages.
//
// Concurrency: every method may be called from any goroutine. A queue's gate lets
// in any number of senders, or the one who deletes the queue, so that no message is
// acknowledged that the deletion does not end.
package queue
