// Package monitoring serves the CloudWatch API, as far as it is about reading metrics:
// which there are, and their statistics by period, out of the store of metrics.
//
// A request comes in one of three protocols: Smithy RPC v2 CBOR, which names its
// operation in the path, awsJson 1.0, which names it in a header, and awsQuery, a
// form. It is signed for the service monitoring. It is read, verified, decoded,
// authorised, validated and carried out, in this order. What is not built is answered with
// NotImplementedException.
//
// Vocabulary. A statistic is a function of the values in a period; its name is as the
// service has it: Sum, p99, TM(10%:90%). A query of GetMetricData asks for one
// statistic of one series, or for an expression over other queries.
//
// Errors are those of the service, in its words where they are known. There is one
// namespace, AWS/Lambda: every other is empty.
//
// Concurrency: a Handler may be used by many goroutines.
package monitoring
