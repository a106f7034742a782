package lambda_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	mappings      = "/2015-03-31/event-source-mappings"
	secretARN     = "arn:aws:secretsmanager:us-east-1:111111111111:secret:s"
	arnOfFunction = "arn:aws:lambda:us-east-1:111111111111:function:"
	mappingARN    = "arn:aws:lambda:us-east-1:111111111111:event-source-mapping:"
	queueARN      = "arn:aws:sqs:us-east-1:111111111111:q"
	streamARN     = "arn:aws:kinesis:us-east-1:111111111111:stream/s"
	tableARN      = "arn:aws:dynamodb:us-east-1:111111111111:table/t/stream/2026-01-01T00:00:00.000"
)

func mappingBody(members map[string]any) string {
	body := map[string]any{"FunctionName": "f"}
	maps.Copy(body, members)
	text, _ := json.Marshal(body)
	return string(text)
}

func (s *server) mapped(members map[string]any) map[string]any {
	s.t.Helper()
	a := s.do("POST", mappings, mappingBody(members))
	if a.status != http.StatusAccepted {
		s.t.Fatalf("create a mapping: %d %s", a.status, a.body)
	}
	return a.json
}

// settled polls as clients do until a mapping is in a state.
func (s *server) settled(uuid any, state string) map[string]any {
	s.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		m := s.do("GET", mappings+"/"+uuid.(string), "").json
		if m["State"] == state {
			return m
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the mapping is not %s: %v", state, m)
		}
		time.Sleep(time.Millisecond)
	}
}

// knownMapping takes out, after a look at it, what a test cannot know beforehand.
func knownMapping(t *testing.T, m map[string]any) map[string]any {
	t.Helper()
	m = maps.Clone(m)
	uuid, _ := m["UUID"].(string)
	if len(uuid) != 36 || m["EventSourceMappingArn"] != mappingARN+uuid {
		t.Errorf("UUID %v, ARN %v", m["UUID"], m["EventSourceMappingArn"])
	}
	if at, _ := m["LastModified"].(float64); time.Since(time.Unix(int64(at), 0)).Abs() > time.Minute {
		t.Errorf("LastModified %v", m["LastModified"])
	}
	for _, member := range []string{"UUID", "EventSourceMappingArn", "LastModified"} {
		delete(m, member)
	}
	return m
}

// TestAnswersOfMappings compares, member by member, with what the service was
// recorded to answer for each kind of source.
func TestAnswersOfMappings(t *testing.T) {
	s := newServer(t, setup{settle: time.Hour})
	if a := s.do("POST", functions, createBody("f", nil)); a.status != http.StatusCreated {
		t.Fatal(a.body)
	}
	stream := func(members map[string]any) map[string]any {
		all := map[string]any{
			"BatchSize": 100.0, "BisectBatchOnFunctionError": false, "DestinationConfig": map[string]any{"OnFailure": map[string]any{}},
			"FunctionArn": arnOfFunction + "f", "FunctionResponseTypes": []any{}, "LastProcessingResult": "No records processed",
			"MaximumBatchingWindowInSeconds": 0.0, "MaximumRecordAgeInSeconds": -1.0, "MaximumRetryAttempts": -1.0,
			"ParallelizationFactor": 1.0, "State": "Creating", "StateTransitionReason": "User action", "TumblingWindowInSeconds": 0.0,
		}
		maps.Copy(all, members)
		return all
	}
	access := []any{map[string]any{"Type": "BASIC_AUTH", "URI": secretARN}}
	endpoints := map[string]any{"Endpoints": map[string]any{"KAFKA_BOOTSTRAP_SERVERS": []any{"kafka:1000"}}}
	for _, test := range []struct {
		name     string
		in, want map[string]any
	}{
		{"queue", map[string]any{"EventSourceArn": queueARN}, map[string]any{
			"BatchSize": 10.0, "EventSourceArn": queueARN, "FunctionArn": arnOfFunction + "f", "FunctionResponseTypes": []any{},
			"MaximumBatchingWindowInSeconds": 0.0, "State": "Creating", "StateTransitionReason": "USER_INITIATED"}},
		{"disabled queue", map[string]any{"EventSourceArn": queueARN + "2", "Enabled": false, "BatchSize": 1}, map[string]any{
			"BatchSize": 1.0, "EventSourceArn": queueARN + "2", "FunctionArn": arnOfFunction + "f", "FunctionResponseTypes": []any{},
			"MaximumBatchingWindowInSeconds": 0.0, "State": "Disabled", "StateTransitionReason": "USER_INITIATED"}},
		{"stream", map[string]any{"EventSourceArn": streamARN, "StartingPosition": "LATEST"}, stream(map[string]any{
			"EventSourceArn": streamARN, "StartingPosition": "LATEST"})},
		{"stream with a filter", map[string]any{"EventSourceArn": streamARN + "2", "StartingPosition": "TRIM_HORIZON", "BatchSize": 1,
			"MaximumBatchingWindowInSeconds": 1, "MaximumRetryAttempts": 1,
			"FilterCriteria": map[string]any{"Filters": []any{map[string]any{"Pattern": `{"data": {"event_type": ["function_1"]}}`}}}},
			stream(map[string]any{"EventSourceArn": streamARN + "2", "StartingPosition": "TRIM_HORIZON", "BatchSize": 1.0,
				"MaximumBatchingWindowInSeconds": 1.0, "MaximumRetryAttempts": 1.0,
				"FilterCriteria": map[string]any{"Filters": []any{map[string]any{"Pattern": `{"data": {"event_type": ["function_1"]}}`}}}})},
		{"table with a destination", map[string]any{"EventSourceArn": tableARN, "StartingPosition": "TRIM_HORIZON",
			"DestinationConfig":     map[string]any{"OnFailure": map[string]any{"Destination": queueARN}},
			"FunctionResponseTypes": []any{"ReportBatchItemFailures"}},
			stream(map[string]any{"EventSourceArn": tableARN, "StartingPosition": "TRIM_HORIZON",
				"DestinationConfig":     map[string]any{"OnFailure": map[string]any{"Destination": queueARN}},
				"FunctionResponseTypes": []any{"ReportBatchItemFailures"}})},
		{"table with no filters", map[string]any{"EventSourceArn": tableARN + "2", "StartingPosition": "LATEST",
			"FilterCriteria": map[string]any{"Filters": []any{}}},
			stream(map[string]any{"EventSourceArn": tableARN + "2", "StartingPosition": "LATEST"})},
		{"self-managed", map[string]any{"SelfManagedEventSource": endpoints, "SourceAccessConfigurations": access, "Topics": []any{"topic"},
			"SelfManagedKafkaEventSourceConfig": map[string]any{"ConsumerGroupId": "random_id"}}, map[string]any{
			"BatchSize": 100.0, "FunctionArn": arnOfFunction + "f", "LastProcessingResult": "No records processed",
			"SelfManagedEventSource": endpoints, "SourceAccessConfigurations": access, "Topics": []any{"topic"},
			"SelfManagedKafkaEventSourceConfig": map[string]any{"ConsumerGroupId": "random_id"},
			"StartingPosition":                  "TRIM_HORIZON", "State": "Creating", "StateTransitionReason": "USER_INITIATED"}},
		{"qualified", map[string]any{"EventSourceArn": queueARN, "FunctionName": arnOfFunction + "f:$LATEST"}, map[string]any{
			"BatchSize": 10.0, "EventSourceArn": queueARN, "FunctionArn": arnOfFunction + "f:$LATEST", "FunctionResponseTypes": []any{},
			"MaximumBatchingWindowInSeconds": 0.0, "State": "Creating", "StateTransitionReason": "USER_INITIATED"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.t = t
			if diff := cmp.Diff(test.want, knownMapping(t, s.mapped(test.in))); diff != "" {
				t.Errorf("created (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOptionsOfMappings sets everything that is not set by default, and finds it
// again.
func TestOptionsOfMappings(t *testing.T) {
	s := newServer(t, setup{})
	s.create("f", nil)
	for name, in := range map[string]map[string]any{
		"queue": {"EventSourceArn": queueARN, "ScalingConfig": map[string]any{"MaximumConcurrency": 5.0},
			"KMSKeyArn":     "arn:aws:kms:us-east-1:111111111111:key/k",
			"MetricsConfig": map[string]any{"Metrics": []any{"EventCount"}}, "LoggingConfig": map[string]any{"SystemLogLevel": "INFO"}},
		"provisioned queue": {"EventSourceArn": queueARN + "2",
			"ProvisionedPollerConfig": map[string]any{"MinimumPollers": 2.0, "MaximumPollers": 4.0, "PollerGroupName": "g"}},
		"topic": {"EventSourceArn": "arn:aws:kafka:us-east-1:111111111111:cluster/c/u", "Topics": []any{"topic"},
			"AmazonManagedKafkaEventSourceConfig": map[string]any{"ConsumerGroupId": "g", "SchemaRegistryConfig": map[string]any{
				"SchemaRegistryURI": "https://registry", "EventRecordFormat": "JSON",
				"AccessConfigs":           []any{map[string]any{"Type": "BASIC_AUTH", "URI": secretARN}},
				"SchemaValidationConfigs": []any{map[string]any{"Attribute": "KEY"}}}}},
		"broker": {"EventSourceArn": "arn:aws:mq:us-east-1:111111111111:broker:b:b-1", "Queues": []any{"queue"},
			"SourceAccessConfigurations": []any{map[string]any{"Type": "BASIC_AUTH", "URI": secretARN}}},
		"database": {"EventSourceArn": "arn:aws:rds:us-east-1:111111111111:cluster:c", "StartingPosition": "LATEST",
			"SourceAccessConfigurations":  []any{map[string]any{"Type": "BASIC_AUTH", "URI": secretARN}},
			"DocumentDBEventSourceConfig": map[string]any{"DatabaseName": "d", "CollectionName": "c", "FullDocument": "UpdateLookup"}},
		"stream": {"EventSourceArn": streamARN, "StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1700000000.0},
	} {
		got := s.mapped(in)
		for member, want := range in {
			if diff := cmp.Diff(want, got[member]); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", name, member, diff)
			}
		}
	}
}

func TestLifeOfAMapping(t *testing.T) {
	s := newServer(t, setup{})
	s.create("f", nil)
	s.create("g", nil)
	created := s.mapped(map[string]any{"EventSourceArn": queueARN, "Enabled": false, "BatchSize": 5})
	uuid := created["UUID"].(string)
	change := func(body string) map[string]any {
		t.Helper()
		a := s.do("PUT", mappings+"/"+uuid, body)
		if a.status != http.StatusAccepted {
			t.Fatalf("update %s: %d %s", body, a.status, a.body)
		}
		return a.json
	}
	if m := change(`{"Enabled":true}`); m["State"] != "Enabling" || m["BatchSize"] != 5.0 {
		t.Errorf("enabled: %v", m)
	}
	s.settled(uuid, "Enabled")
	if m := change(`{"FunctionName":"g","BatchSize":7,"FunctionResponseTypes":["ReportBatchItemFailures"]}`); m["State"] != "Updating" ||
		m["FunctionArn"] != arnOfFunction+"g" || m["BatchSize"] != 7.0 || len(m["FunctionResponseTypes"].([]any)) != 1 {
		t.Errorf("updated: %v", m)
	}
	got := s.settled(uuid, "Enabled")
	listed := s.do("GET", mappings+"?FunctionName=g&EventSourceArn="+url.QueryEscape(queueARN), "")
	if diff := cmp.Diff(map[string]any{"EventSourceMappings": []any{got}}, listed.json); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
	if a := s.do("GET", mappings+"/?FunctionName=f", ""); a.status != http.StatusOK || strings.TrimSpace(a.body) != `{"EventSourceMappings":[]}` {
		t.Errorf("of another function: %d %s", a.status, a.body)
	}
	if m := change(`{"Enabled":false}`); m["State"] != "Disabling" {
		t.Errorf("disabled: %v", m)
	}
	s.settled(uuid, "Disabled")
	if a := s.do("DELETE", mappings+"/"+uuid, ""); a.status != http.StatusAccepted || a.json["State"] != "Deleting" {
		t.Errorf("delete: %d %s", a.status, a.body)
	}
	for deadline := time.Now().Add(10 * time.Second); s.do("GET", mappings+"/"+uuid, "").status != http.StatusNotFound; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the mapping is not deleted")
		}
	}
}

// TestMappingErrors holds answers to what was recorded of the service.
func TestMappingErrors(t *testing.T) {
	s := newServer(t, setup{settle: time.Hour})
	if a := s.do("POST", functions, createBody("f", nil)); a.status != http.StatusCreated {
		t.Fatal(a.body)
	}
	queue := s.mapped(map[string]any{"EventSourceArn": queueARN, "Enabled": false})["UUID"].(string)
	busy := s.mapped(map[string]any{"EventSourceArn": queueARN + "2"})["UUID"].(string)
	const absent = "/a3d6e3d2-0000-4000-8000-000000000000"
	const gone = `{"Message":"The resource you requested does not exist.","Type":"User"}`
	user := func(message string) string {
		text, _ := json.Marshal(map[string]any{"Type": "User", "message": message})
		return string(text)
	}
	for _, test := range []struct {
		name, method, target, body string
		status                     int
		code, want                 string
	}{
		{"get what is not there", "GET", absent, "", 404, "ResourceNotFoundException", gone},
		{"update what is not there", "PUT", absent, `{}`, 404, "ResourceNotFoundException", gone},
		{"delete what is not there", "DELETE", absent, "", 404, "ResourceNotFoundException", gone},
		{"no source", "POST", "", `{"FunctionName":"doesnotexist"}`, 400, "InvalidParameterValueException", user("Unrecognized event source.")},
		{"no function", "POST", "", mappingBody(map[string]any{"FunctionName": "doesnotexist", "EventSourceArn": queueARN}), 400,
			"InvalidParameterValueException", user("Function does not exist")},
		{"destination of success", "POST", "", mappingBody(map[string]any{"FunctionName": "doesnotexist", "EventSourceArn": queueARN,
			"DestinationConfig": map[string]any{"OnSuccess": map[string]any{"Destination": queueARN}}}), 400,
			"InvalidParameterValueException", user("Unsupported DestinationConfig parameter for given event source mapping type.")},
		{"duplicate", "POST", "", mappingBody(map[string]any{"EventSourceArn": queueARN}), 409, "ResourceConflictException",
			user(`An event source mapping with SQS arn (" ` + queueARN + ` ") and function (" f ") already exists. ` +
				"Please update or delete the existing mapping with UUID " + queue)},
		{"large batch", "POST", "", mappingBody(map[string]any{"EventSourceArn": queueARN + "3", "BatchSize": 11}), 400, "InvalidParameterValueException",
			user("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")},
		{"larger batch", "PUT", "/" + queue, `{"BatchSize":11}`, 400, "InvalidParameterValueException",
			user("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")},
		{"no position", "POST", "", mappingBody(map[string]any{"EventSourceArn": tableARN}), 400, "InvalidParameterValueException",
			user("1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.")},
		{"position of a table", "POST", "", mappingBody(map[string]any{"EventSourceArn": tableARN, "StartingPosition": "AT_TIMESTAMP"}), 400,
			"InvalidParameterValueException", user("Unsupported starting position for arn type: " + tableARN)},
		{"unknown position", "POST", "", mappingBody(map[string]any{"EventSourceArn": tableARN, "StartingPosition": "invalid"}), 400, "ValidationException",
			`{"message":"1 validation error detected: Value 'invalid' at 'startingPosition' failed to satisfy constraint: Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]"}`},
		{"no secret", "POST", "", mappingBody(map[string]any{"Topics": []string{"topic"}, "SelfManagedEventSource": map[string]any{
			"Endpoints": map[string]any{"KAFKA_BOOTSTRAP_SERVERS": []string{"kafka:1000"}}}}), 400, "InvalidParameterValueException",
			user("Required 'sourceAccessConfigurations' parameter is missing.")},
		{"update while it is made", "PUT", "/" + busy, `{}`, 400, "ResourceInUseException",
			`{"Message":"Cannot update the event source mapping because it is in use.","Type":"User"}`},
		{"large page", "GET", "?MaxItems=10001", "", 400, "ValidationException",
			`{"message":"1 validation error detected: Value '10001' at 'maxItems' failed to satisfy constraint: Member must have value less than or equal to 10000"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.t = t
			a := s.do(test.method, mappings+test.target, test.body)
			var want map[string]any
			if err := json.Unmarshal([]byte(test.want), &want); err != nil {
				t.Fatal(err)
			}
			if a.status != test.status || a.header.Get("X-Amzn-Errortype") != test.code || !cmp.Equal(want, a.json) {
				t.Errorf("%d %s %s\nwant %d %s %s", a.status, a.header.Get("X-Amzn-Errortype"), a.body, test.status, test.code, test.want)
			}
		})
	}
}
