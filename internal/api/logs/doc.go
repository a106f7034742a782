// Package logs serves the CloudWatch Logs API: what functions have logged, and
// what clients put there themselves, over the log store.
//
// A request names its operation in a header (awsJson 1.1) and is signed for the
// service logs. It is read, verified, decoded, authorised, validated and carried
// out, in this order. What is not built is answered with NotImplementedException.
//
// Errors are those of the service, in its words where they are known. Every
// answer is of one page; tokens are positions in the order of events, so that they
// stay good when the server has been restarted. A live tail is the one answer that
// goes on: it is sent what is written, ten times a second at most, until its
// client hangs up, three hours are over or the server ends.
//
// Concurrency: a Handler may be used by many goroutines.
package logs
