package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
)

// eventTypes are the types by which functions in Go read the samples.
func eventTypes() map[string]any {
	return map[string]any{
		"alb":                       new(events.ALBTargetGroupRequest),
		"apigateway-authorizer":     new(events.APIGatewayCustomAuthorizerRequest),
		"apigateway-http":           new(events.APIGatewayV2HTTPRequest),
		"apigateway-rest":           new(events.APIGatewayProxyRequest),
		"apigateway-websocket":      new(events.APIGatewayWebsocketProxyRequest),
		"cloudwatch-logs":           new(events.CloudwatchLogsEvent),
		"cognito-post-confirmation": new(events.CognitoEventUserPoolsPostConfirmation),
		"cognito-pre-signup":        new(events.CognitoEventUserPoolsPreSignup),
		"dynamodb":                  new(events.DynamoDBEvent),
		"eventbridge":               new(events.EventBridgeEvent),
		"firehose":                  new(events.KinesisFirehoseEvent),
		"function-url":              new(events.LambdaFunctionURLRequest),
		"kafka":                     new(events.KafkaEvent),
		"kinesis":                   new(events.KinesisEvent),
		"s3":                        new(events.S3Event),
		"scheduled":                 new(events.CloudWatchEvent),
		"ses":                       new(events.SimpleEmailEvent),
		"sns":                       new(events.SNSEvent),
		"sqs":                       new(events.SQSEvent),
	}
}

// TestSampleEvents reads every sample into the type that Amazon's library has for
// it, which must know all of its members, and writes it again: what the sample
// says must all be there, so that each member has the right name, place and type.
func TestSampleEvents(t *testing.T) {
	types := eventTypes()
	listed := sampleEvents()
	files, err := filepath.Glob("events/*.json")
	if err != nil || len(files) != len(listed) || len(types) != len(listed) {
		t.Fatalf("%d files, %d samples, %d types: %v", len(files), len(listed), len(types), err)
	}
	for _, e := range listed {
		t.Run(e.Name, func(t *testing.T) {
			sample, err := readEvent(e.Name)
			if err != nil {
				t.Fatal(err)
			}
			decoder := json.NewDecoder(bytes.NewReader(sample))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(types[e.Name]); err != nil {
				t.Fatal(err)
			}
			again, err := json.Marshal(types[e.Name])
			if err != nil {
				t.Fatal(err)
			}
			var want, got any
			if err := json.Unmarshal(sample, &want); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(again, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, within(want, got)); diff != "" {
				t.Errorf("written again (-sample +type):\n%s", diff)
			}
		})
	}
}

// within leaves of got only the members that want has: types write out some that
// the service leaves away when they are empty. Members that are empty in want
// need not be in got.
func within(want, got any) any {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return got
		}
		kept := make(map[string]any)
		for name, value := range w {
			if there, ok := g[name]; ok {
				kept[name] = within(value, there)
			} else if empty(value) {
				kept[name] = value
			}
		}
		return kept
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return got
		}
		kept := make([]any, len(w))
		for i := range w {
			kept[i] = within(w[i], g[i])
		}
		return kept
	}
	return got
}

func empty(value any) bool {
	list, isList := value.([]any)
	return value == "" || value == false || isList && len(list) == 0
}

// TestCloudWatchLogsSample unpacks what is compressed in its sample.
func TestCloudWatchLogsSample(t *testing.T) {
	sample, err := readEvent("cloudwatch-logs")
	if err != nil {
		t.Fatal(err)
	}
	var event events.CloudwatchLogsEvent
	if err := json.Unmarshal(sample, &event); err != nil {
		t.Fatal(err)
	}
	data, err := event.AWSLogs.Parse()
	if err != nil {
		t.Fatal(err)
	}
	if data.MessageType != "DATA_MESSAGE" || len(data.LogEvents) != 1 || !strings.Contains(data.LogEvents[0].Message, "hello") {
		t.Errorf("unpacked %+v", data)
	}
}
