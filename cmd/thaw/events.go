package main

import (
	"embed"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// eventFiles are events as the services send them to functions, one of each
// kind. A test holds their shapes to the types of aws-lambda-go/events. All that
// they name is made up: the account of zeros, example.com, the addresses set
// aside for documentation.
//
//go:embed events/*.json
var eventFiles embed.FS

// sampleEvent is an event that invoke --event can send.
type sampleEvent struct {
	Name string `json:"event"`
	From string `json:"from"`
}

// sampleEvents lists them in the order of their names.
func sampleEvents() []sampleEvent {
	return []sampleEvent{
		{"alb", "a request that an Application Load Balancer passes on"},
		{"apigateway-authorizer", "a token for an authorizer of API Gateway"},
		{"apigateway-http", "a request to an HTTP API of API Gateway (format 2.0)"},
		{"apigateway-rest", "a request to a REST API of API Gateway (format 1.0)"},
		{"apigateway-websocket", "a message on a WebSocket API of API Gateway"},
		{"cloudwatch-logs", "log lines of a subscription, compressed"},
		{"cognito-post-confirmation", "a user whom Cognito has confirmed"},
		{"cognito-pre-signup", "a user about to sign up with Cognito"},
		{"dynamodb", "an insert, a change and a removal from a DynamoDB stream"},
		{"eventbridge", "an event of an application on an EventBridge bus"},
		{"firehose", "a record that Firehose wants transformed"},
		{"function-url", "a request to a function's URL"},
		{"kafka", "a record of a Kafka topic"},
		{"kinesis", "a record of a Kinesis stream"},
		{"s3", "an object put into an S3 bucket"},
		{"scheduled", "the tick of a schedule"},
		{"ses", "a mail that SES has received"},
		{"sns", "a notification of an SNS topic"},
		{"sqs", "a batch of two messages of an SQS queue"},
	}
}

// readEvent gives a sample's JSON.
func readEvent(name string) ([]byte, error) {
	content, err := fs.ReadFile(eventFiles, "events/"+name+".json")
	if err != nil {
		var names []string
		for _, e := range sampleEvents() {
			names = append(names, e.Name)
		}
		return nil, usageError("--event %s: there is none of this name, but %s", name, strings.Join(names, ", "))
	}
	return content, nil
}

func printEvents(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(w, sampleEvents())
	}
	rows := [][]string{{"EVENT", "FROM"}}
	for _, e := range sampleEvents() {
		rows = append(rows, []string{e.Name, e.From})
	}
	if err := printTable(w, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, "thaw invoke NAME --event EVENT sends one; with --print it is shown instead.")
	return err
}
