package conformance_test

import "fmt"

func sourceCases() []derived {
	name := func(rest string) string { return "TestLambdaEventSourceMappings::test_" + rest }
	return []derived{
		{suite: api, name: name("create_event_filter_criteria_validation"), steps: func(r *run) {
			r.createUsual("", nil)
			r.source("response-with-empty-filters", m{
				"EventSourceArn": streamARN(r.fn), "StartingPosition": "LATEST", "FilterCriteria": m{"Filters": []any{}},
			})
		}},
		{suite: api, name: name("create_event_source_self_managed"), steps: selfManaged},
		{suite: api, name: name("create_event_source_validation"), steps: func(r *run) {
			r.createUsual("", nil)
			stream := m{"EventSourceArn": streamARN(r.fn)}
			r.source("no_starting_position", stream)
			r.source("invalid_starting_position", with(stream, m{"StartingPosition": "invalid"}))
			r.source("incompatible_starting_position", with(stream, m{"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": "1741010802"}))
		}},
		{suite: api, name: name("event_source_mapping_exceptions"), steps: func(r *run) {
			unknown := m{"UUID": "5b1e8b8f-63c5-4e7b-8f0b-5a2a1f0d7c11"}
			r.call("get_unknown_uuid", "GetEventSourceMapping", unknown)
			r.call("update_unknown_uuid", "UpdateEventSourceMapping", with(unknown, m{"Enabled": false}))
			r.call("delete_unknown_uuid", "DeleteEventSourceMapping", unknown)
			r.source("create_no_event_source_arn", m{"FunctionName": "doesnotexist"})
			r.source("create_unknown_params", m{"FunctionName": "doesnotexist", "EventSourceArn": queueARN(r.fn)})
			r.createUsual("", nil)
			r.source("destination_config_failure", m{
				"EventSourceArn": queueARN(r.fn), "DestinationConfig": m{"OnFailure": m{"Destination": queueARN(r.fn + "-failed")}},
			})
		}},
	}
}

// mappingCases are those of the suites of sources that need no record of any.
func mappingCases() []derived {
	const queues, streams = "lambda_integration_sqs", "lambda_integration_kinesis"
	return []derived{
		{suite: queues, name: "TestSQSEventSourceMapping::test_duplicate_event_source_mappings", steps: func(r *run) {
			r.createUsual("", nil)
			r.source("create", m{"EventSourceArn": queueARN("queue-" + r.fn)})
			r.source("error", m{"EventSourceArn": queueARN("queue-" + r.fn)})
		}},
		{suite: queues, name: "TestSQSEventSourceMapping::test_event_source_mapping_default_batch_size", steps: func(r *run) {
			r.createUsual("", nil)
			made := r.source("create-event-source-mapping", m{"EventSourceArn": queueARN("queue-" + r.fn)})
			r.awaitMapping(made, "Creating")
			r.call("invalid-update-event-source-mapping", "UpdateEventSourceMapping", m{"UUID": made["UUID"], "BatchSize": 20})
			r.source("invalid-create-event-source-mapping", m{"EventSourceArn": queueARN("other-" + r.fn), "BatchSize": 20})
		}},
		{suite: queues, name: "test_fifo_message_group_parallelism", steps: func(r *run) {
			r.createUsual("", nil)
			made := r.source("create_esm_disabled", m{"EventSourceArn": queueARN("queue-" + r.fn + ".fifo"), "BatchSize": 1, "Enabled": false})
			own := m{"UUID": made["UUID"]}
			r.call("update_esm_enabling", "UpdateEventSourceMapping", with(own, m{"Enabled": true}))
			r.set("get_esm_enabled", r.awaitMapping(made, "Enabling"))
		}},
		{suite: streams, name: "TestKinesisSource::test_duplicate_event_source_mappings", steps: func(r *run) {
			r.createUsual("", nil)
			stream := m{"EventSourceArn": "arn:aws:kinesis:" + region + ":" + account + ":stream/stream-" + r.fn, "StartingPosition": "LATEST"}
			r.source("create", stream)
			r.source("error", stream)
		}},
	}
}

func queueARN(name string) string {
	return "arn:aws:sqs:" + region + ":" + account + ":" + name
}

func streamARN(table string) string {
	return "arn:aws:dynamodb:" + region + ":" + account + ":table/" + table + "/stream/2025-11-25T10:00:00.000"
}

// source maps an event source to the case's function.
func (r *run) source(name string, over m) m {
	made := r.call(name, "CreateEventSourceMapping", with(m{"FunctionName": r.fn}, over))
	r.removeSource(made)
	return made
}

// awaitMapping waits until a mapping has left a state, and returns it.
func (r *run) awaitMapping(made m, state string) m {
	for begin := newWait(settleLimit); ; begin.pause(r, state) {
		if got := r.call("", "GetEventSourceMapping", m{"UUID": made["UUID"]}); got["State"] != state {
			return got
		}
	}
}

// removeSource deletes a mapping when the case is over.
func (r *run) removeSource(made m) {
	if made["UUID"] != nil {
		r.cleanup = append(r.cleanup, func() { r.try("DeleteEventSourceMapping", m{"UUID": fmt.Sprint(made["UUID"])}) })
	}
}

func selfManaged(r *run) {
	r.createUsual("", nil)
	secret := "arn:aws:secretsmanager:" + region + ":" + account + ":secret:kafka-" + r.fn
	kafka := func(name string, servers []any, over m) {
		r.source(name, with(m{
			"SelfManagedEventSource":     m{"Endpoints": m{"KAFKA_BOOTSTRAP_SERVERS": servers}},
			"SourceAccessConfigurations": []any{m{"Type": "BASIC_AUTH", "URI": secret}},
			"Topics":                     []any{"topic"},
		}, over))
	}
	one := []any{"kafka:1000"}
	kafka("missing-source-access-configuration", one, m{"SourceAccessConfigurations": nil})
	kafka("event-source-mapping-default", one, nil)
	kafka("event-source-mapping-values", one, m{
		"BatchSize": 1, "StartingPosition": "LATEST", "Topics": []any{"topic_2"},
		"SelfManagedKafkaEventSourceConfig": m{"ConsumerGroupId": "random_id"},
	})
	kafka("duplicate-source", one, nil)
	kafka("multiple-duplicate-source", []any{"kafka:1000", "kafka:2000"}, nil)
}
