package lambda_test

import (
	"testing"

	"thaw/internal/lambda"
)

func TestSourceKind(t *testing.T) {
	const prefix = "arn:aws:"
	for arn, want := range map[string]lambda.SourceKind{
		prefix + "sqs:us-east-1:111111111111:q":                                 lambda.SourceSQS,
		prefix + "sqs:us-east-1:111111111111:":                                  "",
		prefix + "sqs:us-east-1:111111111111:q/r":                               "",
		prefix + "kinesis:us-east-1:111111111111:stream/s":                      lambda.SourceKinesis,
		prefix + "kinesis:us-east-1:111111111111:stream/s/consumer/c:1":         lambda.SourceKinesis,
		prefix + "kinesis:us-east-1:111111111111:s":                             "",
		prefix + "dynamodb:us-east-1:111111111111:table/t/stream/2026-01-01T00": lambda.SourceDynamoDB,
		prefix + "dynamodb:us-east-1:111111111111:table/t":                      "",
		prefix + "kafka:us-east-1:111111111111:cluster/c/u":                     lambda.SourceMSK,
		prefix + "mq:us-east-1:111111111111:broker:b:b-1":                       lambda.SourceMQ,
		prefix + "rds:us-east-1:111111111111:cluster:c":                         lambda.SourceDocumentDB,
		prefix + "rds:us-east-1:111111111111:db:c":                              "",
		prefix + "s3:::bucket":                                                  "",
		prefix + "sqs":                                                          "",
		"":                                                                      "",
	} {
		if got := (&lambda.EventSource{ARN: arn}).Kind(); got != want {
			t.Errorf("%q is of kind %q, want %q", arn, got, want)
		}
	}
	if got := (&lambda.EventSource{Endpoints: []string{"kafka:9092"}}).Kind(); got != lambda.SourceSelfManagedKafka {
		t.Errorf("endpoints are of kind %q", got)
	}
}

func TestFIFO(t *testing.T) {
	for arn, want := range map[string]bool{
		"arn:aws:sqs:us-east-1:111111111111:q.fifo":            true,
		"arn:aws:sqs:us-east-1:111111111111:q":                 false,
		"arn:aws:kinesis:us-east-1:111111111111:stream/s.fifo": false,
	} {
		if got := (&lambda.EventSource{ARN: arn}).FIFO(); got != want {
			t.Errorf("%q: %t, want %t", arn, got, want)
		}
	}
}
