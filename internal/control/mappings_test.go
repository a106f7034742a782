package control_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/control"
	"thaw/internal/lambda"
	"thaw/internal/store"
	"thaw/internal/store/memory"
)

const (
	queueARN    = "arn:aws:sqs:eu-central-1:123456789012:q"
	streamARN   = "arn:aws:kinesis:eu-central-1:123456789012:stream/s"
	tableARN    = "arn:aws:dynamodb:eu-central-1:123456789012:table/t/stream/2026"
	clusterARN  = "arn:aws:kafka:eu-central-1:123456789012:cluster/c/u"
	brokerARN   = "arn:aws:mq:eu-central-1:123456789012:broker:b:b-1"
	documentARN = "arn:aws:rds:eu-central-1:123456789012:cluster:d"
)

// mapping is an input that is accepted for the function f.
func mapping(arn string) control.CreateMappingInput {
	in := control.CreateMappingInput{Function: lambda.Ref{Name: "f"}, Source: lambda.EventSource{ARN: arn}}
	access := []lambda.SourceAccess{{Type: "BASIC_AUTH", URI: "arn:aws:secretsmanager:eu-central-1:123456789012:secret:s"}}
	switch in.Source.Kind() {
	case lambda.SourceKinesis, lambda.SourceDynamoDB:
		in.Source.Position = "LATEST"
	case lambda.SourceMSK:
		in.Source.Topics = []string{"topic"}
	case lambda.SourceMQ:
		in.Source.Queues, in.Access = []string{"queue"}, access
	case lambda.SourceDocumentDB:
		in.Source.Position, in.Access = "LATEST", access
		in.DocumentDB = &lambda.DocumentDBConfig{Database: "d"}
	}
	return in
}

// selfManaged is one of a Kafka cluster without an ARN.
func selfManaged(endpoints ...string) control.CreateMappingInput {
	return control.CreateMappingInput{
		Function:        lambda.Ref{Name: "f"},
		Source:          lambda.EventSource{Endpoints: endpoints, Topics: []string{"topic"}},
		MappingSettings: control.MappingSettings{Access: []lambda.SourceAccess{{Type: "BASIC_AUTH", URI: "arn:secret"}}},
	}
}

func createMapping(t testing.TB, s *server, in control.CreateMappingInput) control.MappingView {
	t.Helper()
	v, err := s.CreateMapping(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func stateOf(t testing.TB, s *server, uuid string) string {
	t.Helper()
	v, err := s.GetMapping(t.Context(), uuid)
	if err != nil {
		return err.Error()
	}
	return v.State
}

// runMapped is run with an active function f.
func runMapped(t *testing.T, test func(t *testing.T, s *server)) {
	run(t, func(t *testing.T, s *server) {
		create(t, s, input("f"))
		rest()
		test(t, s)
	})
}

func TestStatesOfAMapping(t *testing.T) {
	runMapped(t, func(t *testing.T, s *server) {
		ctx := t.Context()
		v := createMapping(t, s, mapping(queueARN))
		if v.State != lambda.MappingCreating || v.ARN != scope.MappingARN(v.UUID) || v.FunctionARN != scope.FunctionARN("f", "") {
			t.Errorf("created %+v", v)
		}
		_, err := s.UpdateMapping(ctx, v.UUID, nil, control.MappingSettings{})
		wantError(t, err, "ResourceInUseException", "Cannot update the event source mapping because it is in use.")
		_, err = s.DeleteMapping(ctx, v.UUID)
		wantError(t, err, "ResourceInUseException", "Cannot delete the event source mapping because it is in use.")
		for _, step := range []struct {
			enabled        *bool
			during, behind string
		}{
			{nil, lambda.MappingUpdating, lambda.MappingEnabled},
			{new(true), lambda.MappingUpdating, lambda.MappingEnabled},
			{new(false), lambda.MappingDisabling, lambda.MappingDisabled},
			{nil, lambda.MappingUpdating, lambda.MappingDisabled},
			{new(true), lambda.MappingEnabling, lambda.MappingEnabled},
		} {
			rest()
			updated, err := s.UpdateMapping(ctx, v.UUID, nil, control.MappingSettings{Enabled: step.enabled})
			if err != nil || updated.State != step.during || !updated.LastModified.After(v.LastModified) {
				t.Fatalf("updated %+v, %v, want %s", updated, err, step.during)
			}
			rest()
			if got := stateOf(t, s, v.UUID); got != step.behind {
				t.Errorf("after %s: %s, want %s", step.during, got, step.behind)
			}
		}
		deleted, err := s.DeleteMapping(ctx, v.UUID)
		if err != nil || deleted.State != lambda.MappingDeleting || stateOf(t, s, v.UUID) != lambda.MappingDeleting {
			t.Errorf("deleted %+v, %v", deleted, err)
		}
		rest()
		_, err = s.GetMapping(ctx, v.UUID)
		wantError(t, err, lambda.CodeResourceNotFound, "The resource you requested does not exist.")
		_, err = s.UpdateMapping(ctx, v.UUID, nil, control.MappingSettings{})
		wantError(t, err, lambda.CodeResourceNotFound, "The resource you requested does not exist.")
		_, err = s.DeleteMapping(ctx, v.UUID)
		wantError(t, err, lambda.CodeResourceNotFound, "The resource you requested does not exist.")
	})
}

func TestDisabledMapping(t *testing.T) {
	runMapped(t, func(t *testing.T, s *server) {
		in := mapping(queueARN)
		in.Enabled = new(false)
		if v := createMapping(t, s, in); v.State != lambda.MappingDisabled {
			t.Errorf("created %s", v.State)
		}
	})
}

// TestMappingsSettleAfterARestart ends a server between a change and its end.
func TestMappingsSettleAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		defer m.Close()
		s := start(t, m.Metadata(), control.Options{Settle: settle})
		create(t, s, input("f"))
		rest()
		created := createMapping(t, s, mapping(queueARN))
		deleted := createMapping(t, s, mapping(streamARN))
		rest()
		if _, err := s.UpdateMapping(t.Context(), created.UUID, nil, control.MappingSettings{Enabled: new(false)}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.DeleteMapping(t.Context(), deleted.UUID); err != nil {
			t.Fatal(err)
		}
		s.stop(t)
		s = start(t, m.Metadata(), control.Options{Settle: settle})
		defer s.stop(t)
		if got := stateOf(t, s, created.UUID); got != lambda.MappingDisabling {
			t.Errorf("at the start: %s", got)
		}
		rest()
		if got := stateOf(t, s, created.UUID); got != lambda.MappingDisabled {
			t.Errorf("at last: %s", got)
		}
		_, err := s.GetMapping(t.Context(), deleted.UUID)
		wantError(t, err, lambda.CodeResourceNotFound, "")
	})
}

func TestMappingOutlivesItsFunction(t *testing.T) {
	runMapped(t, func(t *testing.T, s *server) {
		v := createMapping(t, s, mapping(queueARN))
		rest()
		if err := s.DeleteFunction(t.Context(), lambda.Ref{Name: "f"}); err != nil {
			t.Fatal(err)
		}
		if got := stateOf(t, s, v.UUID); got != lambda.MappingEnabled {
			t.Errorf("state %s", got)
		}
		if _, err := s.DeleteMapping(t.Context(), v.UUID); err != nil {
			t.Error(err)
		}
	})
}

func TestDefaultsOfMappings(t *testing.T) {
	runMapped(t, func(t *testing.T, s *server) {
		stream := lambda.Batching{
			Size: new(100), WindowSeconds: new(0), Parallelization: new(1), TumblingWindowSeconds: new(0),
			MaximumAgeSeconds: new(-1), MaximumRetries: new(-1), Bisect: new(false), ResponseTypes: []string{},
		}
		for _, test := range []struct {
			in   control.CreateMappingInput
			want lambda.Batching
		}{
			{mapping(queueARN), lambda.Batching{Size: new(10), WindowSeconds: new(0), ResponseTypes: []string{}}},
			{mapping(streamARN), stream},
			{mapping(tableARN), stream},
			{mapping(clusterARN), lambda.Batching{Size: new(100)}},
			{selfManaged("kafka:1000"), lambda.Batching{Size: new(100)}},
			{mapping(brokerARN), lambda.Batching{Size: new(100)}},
			{mapping(documentARN), lambda.Batching{Size: new(100)}},
		} {
			v := createMapping(t, s, test.in)
			if diff := cmp.Diff(test.want, v.Batching); diff != "" {
				t.Errorf("%s (-want +got):\n%s", v.Source.Kind(), diff)
			}
			if kafka := v.Source.Kind().IsKafka(); kafka && (v.Source.Kafka.ConsumerGroupID != v.UUID || v.Source.Position != "TRIM_HORIZON") {
				t.Errorf("%s: %+v", v.Source.Kind(), v.Source)
			}
		}
	})
}

// TestMappingRules holds each rule of a new mapping.
func TestMappingRules(t *testing.T) {
	const validation = lambda.CodeInvalidParameterValue
	unsupported := func(parameter string) string {
		return "Unsupported " + parameter + " parameter for given event source mapping type."
	}
	required := func(parameter string) string { return "Required '" + parameter + "' parameter is missing." }
	const window = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
	const noPosition = "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null."
	type edit = func(in *control.CreateMappingInput)
	for _, test := range []struct {
		name string
		in   control.CreateMappingInput
		edit edit
		text string // empty: accepted
	}{
		{"no source", mapping(""), func(in *control.CreateMappingInput) { in.Function.Name = "absent" }, "Unrecognized event source."},
		{"unknown source", mapping("arn:aws:s3:::bucket"), nil, "Unrecognized event source."},
		{"table without a stream", mapping("arn:aws:dynamodb:eu-central-1:123456789012:table/t"), nil, "Unrecognized event source."},
		{"no function", mapping(queueARN), func(in *control.CreateMappingInput) { in.Function.Name = "absent" }, "Function does not exist"},
		{"no version", mapping(queueARN), func(in *control.CreateMappingInput) { in.Function.Qualifier = "7" }, "Function does not exist"},
		{"destination of success", mapping(queueARN), func(in *control.CreateMappingInput) {
			in.Function.Name = "absent"
			in.Destination = &control.Destination{OnSuccess: new(queueARN)}
		}, unsupported("DestinationConfig")},
		{"destination of a queue's failures", mapping(queueARN), func(in *control.CreateMappingInput) {
			in.Destination = &control.Destination{OnFailure: new(queueARN)}
		}, unsupported("DestinationConfig")},
		{"empty destination of a queue", mapping(queueARN), func(in *control.CreateMappingInput) {
			in.Destination = &control.Destination{OnFailure: new("")}
		}, ""},
		{"destination of a stream", mapping(streamARN), func(in *control.CreateMappingInput) {
			in.Destination = &control.Destination{OnFailure: new("arn:aws:s3:::bucket")}
		}, ""},
		{"function as destination", mapping(streamARN), func(in *control.CreateMappingInput) {
			in.Destination = &control.Destination{OnFailure: new(scope.FunctionARN("f", ""))}
		}, "The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure(destination=" + scope.FunctionARN("f", "") + ")) is invalid."},
		{"topic as destination of a stream", mapping(streamARN), func(in *control.CreateMappingInput) {
			in.Destination = &control.Destination{OnFailure: new("kafka://t")}
		}, "The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure(destination=kafka://t)) is invalid."},
		{"topic as destination of a topic", mapping(clusterARN), func(in *control.CreateMappingInput) {
			in.Destination = &control.Destination{OnFailure: new("kafka://t")}
		}, ""},
		{"position of a queue", mapping(queueARN), func(in *control.CreateMappingInput) { in.Source.Position = "LATEST" }, unsupported("'startingPosition'")},
		{"no position", mapping(streamARN), func(in *control.CreateMappingInput) { in.Source.Position = "" }, noPosition},
		{"no position of a change stream", mapping(documentARN), func(in *control.CreateMappingInput) { in.Source.Position = "" }, noPosition},
		{"table's timestamp", mapping(tableARN), func(in *control.CreateMappingInput) { in.Source.Position = "AT_TIMESTAMP" },
			"Unsupported starting position for arn type: " + tableARN},
		{"no timestamp", mapping(streamARN), func(in *control.CreateMappingInput) { in.Source.Position = "AT_TIMESTAMP" }, "Need to specify a timestamp"},
		{"timestamp", mapping(streamARN), func(in *control.CreateMappingInput) {
			in.Source.Position, in.Source.PositionAt = "AT_TIMESTAMP", new(time.Now())
		}, ""},
		{"future", mapping(streamARN), func(in *control.CreateMappingInput) {
			in.Source.Position, in.Source.PositionAt = "AT_TIMESTAMP", new(time.Now().Add(time.Hour))
		}, "StartingPositionTimestamp cannot be in the future."},
		{"11 without a window", mapping(queueARN), func(in *control.CreateMappingInput) { in.Batching.Size = new(11) }, window},
		{"10 without a window", mapping(queueARN), func(in *control.CreateMappingInput) { in.Batching.Size = new(10) }, ""},
		{"10000 with a window", mapping(queueARN), func(in *control.CreateMappingInput) {
			in.Batching.Size, in.Batching.WindowSeconds = new(10000), new(1)
		}, ""},
		{"FIFO with a window", mapping(queueARN + ".fifo"), func(in *control.CreateMappingInput) {
			in.Batching.Size, in.Batching.WindowSeconds = new(100), new(5)
		}, "Batching window is not supported for FIFO queues"},
		{"FIFO and 11", mapping(queueARN + ".fifo"), func(in *control.CreateMappingInput) { in.Batching.Size = new(11) },
			"Batch size must be less than or equal to 10 for FIFO queues"},
		{"11 of a stream", mapping(streamARN), func(in *control.CreateMappingInput) { in.Batching.Size = new(11) }, ""},
		{"age 59", mapping(streamARN), func(in *control.CreateMappingInput) { in.Batching.MaximumAgeSeconds = new(59) },
			"MaximumRecordAgeInSeconds must be either -1 (forever) or between 60 and 604800 (inclusive)"},
		{"age 60", mapping(streamARN), func(in *control.CreateMappingInput) { in.Batching.MaximumAgeSeconds = new(60) }, ""},
		{"age of a queue", mapping(queueARN), func(in *control.CreateMappingInput) { in.Batching.MaximumAgeSeconds = new(60) }, unsupported("'maximumRecordAgeInSeconds'")},
		{"retries of a queue", mapping(queueARN), func(in *control.CreateMappingInput) { in.Batching.MaximumRetries = new(1) }, unsupported("'maximumRetryAttempts'")},
		{"bisection of a queue", mapping(queueARN), func(in *control.CreateMappingInput) { in.Batching.Bisect = new(false) }, unsupported("'bisectBatchOnFunctionError'")},
		{"bisection of a topic", mapping(clusterARN), func(in *control.CreateMappingInput) { in.Batching.Bisect = new(true) }, ""},
		{"parallel topic", mapping(clusterARN), func(in *control.CreateMappingInput) { in.Batching.Parallelization = new(2) }, unsupported("'parallelizationFactor'")},
		{"tumbling broker", mapping(brokerARN), func(in *control.CreateMappingInput) { in.Batching.TumblingWindowSeconds = new(2) }, unsupported("'tumblingWindowInSeconds'")},
		{"items of a broker", mapping(brokerARN), func(in *control.CreateMappingInput) { in.Batching.ResponseTypes = []string{"ReportBatchItemFailures"} },
			unsupported("'functionResponseTypes'")},
		{"items of a topic", mapping(clusterARN), func(in *control.CreateMappingInput) { in.Batching.ResponseTypes = []string{"ReportBatchItemFailures"} }, ""},
		{"topics of a queue", mapping(queueARN), func(in *control.CreateMappingInput) { in.Source.Topics = []string{"t"} }, unsupported("'topics'")},
		{"queues of a stream", mapping(streamARN), func(in *control.CreateMappingInput) { in.Source.Queues = []string{"t"} }, unsupported("'queues'")},
		{"secrets of a queue", mapping(queueARN), func(in *control.CreateMappingInput) { in.Access = []lambda.SourceAccess{{}} }, unsupported("'sourceAccessConfigurations'")},
		{"no topic", mapping(clusterARN), func(in *control.CreateMappingInput) { in.Source.Topics = nil }, required("topics")},
		{"no queue of a broker", mapping(brokerARN), func(in *control.CreateMappingInput) { in.Source.Queues = nil }, required("queues")},
		{"no secret of a broker", mapping(brokerARN), func(in *control.CreateMappingInput) { in.Access = nil }, required("sourceAccessConfigurations")},
		{"no secret of a database", mapping(documentARN), func(in *control.CreateMappingInput) { in.Access = nil }, required("sourceAccessConfigurations")},
		{"no database", mapping(documentARN), func(in *control.CreateMappingInput) { in.DocumentDB = nil }, required("documentDBEventSourceConfig")},
		{"no secret of a cluster", selfManaged("kafka:1000"), func(in *control.CreateMappingInput) { in.Access = nil }, required("sourceAccessConfigurations")},
		{"managed and not", selfManaged("kafka:1000"), func(in *control.CreateMappingInput) { in.Managed = &lambda.KafkaConfig{} }, unsupported("'amazonManagedKafkaEventSourceConfig'")},
		{"not managed and yet", mapping(clusterARN), func(in *control.CreateMappingInput) { in.SelfManaged = &lambda.KafkaConfig{} }, unsupported("'selfManagedKafkaEventSourceConfig'")},
		{"two sources", selfManaged("kafka:1000"), func(in *control.CreateMappingInput) { in.Source.ARN = clusterARN },
			"An event source mapping has either an event source ARN or a self-managed event source."},
		{"database of a queue", mapping(queueARN), func(in *control.CreateMappingInput) { in.DocumentDB = &lambda.DocumentDBConfig{Database: "d"} },
			unsupported("'documentDBEventSourceConfig'")},
		{"concurrency of a stream", mapping(streamARN), func(in *control.CreateMappingInput) { in.Scaling = &control.Scaling{MaximumConcurrency: new(2)} }, unsupported("'scalingConfig'")},
		{"concurrency of a queue", mapping(queueARN), func(in *control.CreateMappingInput) { in.Scaling = &control.Scaling{MaximumConcurrency: new(2)} }, ""},
		{"pollers of a stream", mapping(streamARN), func(in *control.CreateMappingInput) { in.Pollers = &lambda.Pollers{Minimum: new(2)} }, unsupported("'provisionedPollerConfig'")},
		{"pollers upside down", mapping(queueARN), func(in *control.CreateMappingInput) { in.Pollers = &lambda.Pollers{Minimum: new(3), Maximum: new(2)} },
			"MinimumPollers must be less than or equal to MaximumPollers."},
		{"pollers and concurrency", mapping(queueARN), func(in *control.CreateMappingInput) {
			in.Pollers, in.Scaling = &lambda.Pollers{Minimum: new(2)}, &control.Scaling{MaximumConcurrency: new(2)}
		}, "MaximumConcurrency and ProvisionedPollerConfig cannot be set at the same time."},
		{"pattern", mapping(queueARN), func(in *control.CreateMappingInput) { in.Filters = &[]string{`{"body":["a"]}`} }, ""},
		{"no pattern", mapping(queueARN), func(in *control.CreateMappingInput) { in.Filters = &[]string{""} }, "Invalid filter pattern definition."},
		{"broken pattern", mapping(queueARN), func(in *control.CreateMappingInput) { in.Filters = &[]string{`{"a":["b"]}`, `{"body":"a"}`} }, "Invalid filter pattern definition."},
		{"six patterns", mapping(queueARN), func(in *control.CreateMappingInput) {
			in.Filters = new(strings.Split(strings.Repeat(`{"a":["b"]} `, 6), " ")[:6])
		}, "An event source mapping can have at most 5 filters."},
		{"metrics of Kafka", mapping(queueARN), func(in *control.CreateMappingInput) { in.Metrics = &[]string{"KafkaMetrics"} }, unsupported("'metricsConfig'")},
		{"reserved tag", mapping(queueARN), func(in *control.CreateMappingInput) { in.Tags = map[string]string{"aws:x": "y"} }, "Tag keys that begin with aws: are reserved."},
	} {
		t.Run(test.name, func(t *testing.T) {
			runMapped(t, func(t *testing.T, s *server) {
				if test.edit != nil {
					test.edit(&test.in)
				}
				_, err := s.CreateMapping(t.Context(), test.in)
				if test.text == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				wantError(t, err, validation, test.text)
				if views, _, _ := s.ListMappings(t.Context(), control.ListMappingsInput{}); len(views) > 0 {
					t.Errorf("what was refused is there: %+v", views)
				}
			})
		})
	}
}

func TestUniqueMappings(t *testing.T) {
	runMapped(t, func(t *testing.T, s *server) {
		ctx := t.Context()
		create(t, s, input("g"))
		rest()
		const conflict = lambda.CodeResourceConflict
		first := createMapping(t, s, mapping(queueARN))
		_, err := s.CreateMapping(ctx, mapping(queueARN))
		wantError(t, err, conflict, `An event source mapping with SQS arn (" `+queueARN+` ") and function (" f ") already exists. `+
			"Please update or delete the existing mapping with UUID "+first.UUID)
		second := createMapping(t, s, mapping(streamARN))
		_, err = s.CreateMapping(ctx, mapping(streamARN))
		wantError(t, err, conflict, `The event source arn (" `+streamARN+` ") and function (" f ") provided mapping already exists. `+
			"Please update or delete the existing mapping with UUID "+second.UUID)
		third := createMapping(t, s, selfManaged("kafka:1000"))
		_, err = s.CreateMapping(ctx, selfManaged("kafka:1000", "kafka:2000"))
		wantError(t, err, conflict, `An event source mapping with event source ("kafka:1000,kafka:2000"), function ("`+scope.FunctionARN("f", "")+
			`"), topics ("topic") already exists. Please update or delete the existing mapping with UUID `+third.UUID)
		other := selfManaged("kafka:1000")
		other.Source.Topics = []string{"topic_2"}
		createMapping(t, s, other)
		createMapping(t, s, mapping(clusterARN))

		qualified := mapping(queueARN)
		qualified.Function.Qualifier = lambda.Latest
		createMapping(t, s, qualified)
		another := mapping(queueARN)
		another.Function.Name = "g"
		moved := createMapping(t, s, another)
		rest()
		_, err = s.UpdateMapping(ctx, moved.UUID, &lambda.Ref{Name: "f"}, control.MappingSettings{})
		wantError(t, err, conflict, "")
		if _, err := s.UpdateMapping(ctx, moved.UUID, &lambda.Ref{Name: "g", Qualifier: lambda.Latest}, control.MappingSettings{}); err != nil {
			t.Error(err)
		}
		_, err = s.UpdateMapping(ctx, first.UUID, &lambda.Ref{Name: "absent"}, control.MappingSettings{})
		wantError(t, err, lambda.CodeInvalidParameterValue, "Function does not exist")
	})
}

// TestMappingsAtOnce creates one mapping many times at the same time.
func TestMappingsAtOnce(t *testing.T) {
	runMapped(t, func(t *testing.T, s *server) {
		results := make(chan error)
		for range 10 {
			go func() {
				_, err := s.CreateMapping(t.Context(), mapping(queueARN))
				results <- err
			}()
		}
		created := 0
		for range 10 {
			if err := <-results; err == nil {
				created++
			} else {
				wantError(t, err, lambda.CodeResourceConflict, "")
			}
		}
		if created != 1 {
			t.Errorf("%d mappings of one source", created)
		}
	})
}

func TestUpdateMapping(t *testing.T) {
	runMapped(t, func(t *testing.T, s *server) {
		ctx := t.Context()
		in := mapping(streamARN)
		in.Filters, in.Destination = &[]string{`{"a":["b"]}`}, &control.Destination{OnFailure: new(queueARN)}
		in.Tags = map[string]string{"k": "v"}
		created := createMapping(t, s, in)
		rest()
		_, err := s.UpdateMapping(ctx, created.UUID, nil, control.MappingSettings{Scaling: &control.Scaling{MaximumConcurrency: new(2)}})
		wantError(t, err, lambda.CodeInvalidParameterValue, "Unsupported 'scalingConfig' parameter for given event source mapping type.")
		_, err = s.UpdateMapping(ctx, created.UUID, nil, control.MappingSettings{Batching: lambda.Batching{MaximumAgeSeconds: new(1)}})
		wantError(t, err, lambda.CodeInvalidParameterValue, "")
		if got := stateOf(t, s, created.UUID); got != lambda.MappingEnabled {
			t.Errorf("after a refused update: %s", got)
		}
		updated, err := s.UpdateMapping(ctx, created.UUID, nil, control.MappingSettings{
			Batching: lambda.Batching{Size: new(7)}, Filters: &[]string{}, Destination: &control.Destination{}, LogLevel: new("INFO"),
		})
		if err != nil {
			t.Fatal(err)
		}
		want := created.Mapping
		want.Batching.Size, want.Filters, want.OnFailure, want.LogLevel = new(7), nil, "", "INFO"
		want.State, want.LastModified = lambda.MappingUpdating, updated.LastModified
		if diff := cmp.Diff(want, updated.Mapping); diff != "" {
			t.Errorf("updated (-want +got):\n%s", diff)
		}

		kafka := createMapping(t, s, selfManaged("kafka:1000"))
		rest()
		_, err = s.UpdateMapping(ctx, kafka.UUID, nil, control.MappingSettings{SelfManaged: &lambda.KafkaConfig{ConsumerGroupID: "another"}})
		wantError(t, err, lambda.CodeInvalidParameterValue, "The ConsumerGroupId of an event source mapping cannot be changed.")
		registered, err := s.UpdateMapping(ctx, kafka.UUID, nil, control.MappingSettings{SelfManaged: &lambda.KafkaConfig{Registry: &lambda.SchemaRegistry{URI: "u"}}})
		if err != nil || registered.Source.Kafka.ConsumerGroupID != kafka.UUID || registered.Source.Kafka.Registry.URI != "u" {
			t.Errorf("registered %+v, %v", registered.Source.Kafka, err)
		}
	})
}

func TestListMappings(t *testing.T) {
	runMapped(t, func(t *testing.T, s *server) {
		ctx := t.Context()
		create(t, s, input("g"))
		rest()
		ofG := mapping(queueARN)
		ofG.Function.Name = "g"
		qualified := mapping(queueARN)
		qualified.Function.Qualifier = lambda.Latest
		all := map[string]bool{}
		for _, in := range []control.CreateMappingInput{mapping(queueARN), mapping(streamARN), ofG, qualified} {
			all[createMapping(t, s, in).UUID] = true
		}
		for _, test := range []struct {
			name string
			in   control.ListMappingsInput
			want int
		}{
			{"all", control.ListMappingsInput{}, 4},
			{"of a function", control.ListMappingsInput{Function: &lambda.Ref{Name: "f"}}, 2},
			{"of its version", control.ListMappingsInput{Function: &lambda.Ref{Name: "f", Qualifier: lambda.Latest}}, 1},
			{"of none", control.ListMappingsInput{Function: &lambda.Ref{Name: "absent"}}, 0},
			{"of a source", control.ListMappingsInput{SourceARN: queueARN}, 3},
			{"of both", control.ListMappingsInput{SourceARN: queueARN, Function: &lambda.Ref{Name: "g"}}, 1},
		} {
			views, next, err := s.ListMappings(ctx, test.in)
			if err != nil || next != "" || len(views) != test.want {
				t.Errorf("%s: %d, next %q, %v, want %d", test.name, len(views), next, err, test.want)
			}
		}
		seen, in := map[string]bool{}, control.ListMappingsInput{Max: 1}
		for range 5 {
			views, next, err := s.ListMappings(ctx, in)
			if err != nil || len(views) != 1 {
				t.Fatalf("page of %d, %v", len(views), err)
			}
			seen[views[0].UUID] = true
			if in.Marker = next; next == "" {
				break
			}
		}
		if diff := cmp.Diff(all, seen); diff != "" {
			t.Errorf("in pages (-want +got):\n%s", diff)
		}
		_, _, err := s.ListMappings(ctx, control.ListMappingsInput{Marker: "?"})
		wantError(t, err, lambda.CodeInvalidParameterValue, "Invalid Marker: ?")
		_, _, err = s.ListMappings(ctx, control.ListMappingsInput{Function: &lambda.Ref{Name: "f", Region: "us-east-1"}})
		wantError(t, err, lambda.CodeResourceNotFound, "")
	})
}

// fullDisk is a store that refuses to write event source mappings while it is
// told to.
type fullDisk struct {
	store.Metadata
	full atomic.Bool
}

func (d *fullDisk) Put(ctx context.Context, key string, value []byte, expect store.Revision) (store.Revision, error) {
	if d.full.Load() && strings.HasPrefix(key, "mapping/") {
		return 0, errors.New("disk full")
	}
	return d.Metadata.Put(ctx, key, value, expect)
}

// TestMappingsSettleWhenTheStoreWritesAgain refuses to, for a while and for good.
func TestMappingsSettleWhenTheStoreWritesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		defer m.Close()
		disk := &fullDisk{Metadata: m.Metadata()}
		s := start(t, disk, control.Options{Settle: settle})
		defer s.stop(t)
		create(t, s, input("f"))
		rest()
		v := createMapping(t, s, mapping(queueARN))
		disk.full.Store(true)
		rest()
		if got := stateOf(t, s, v.UUID); got != lambda.MappingCreating {
			t.Errorf("without a store: %s", got)
		}
		disk.full.Store(false)
		rest()
		if got := stateOf(t, s, v.UUID); got != lambda.MappingEnabled {
			t.Errorf("with a store again: %s", got)
		}
		if _, err := s.DeleteMapping(t.Context(), v.UUID); err != nil {
			t.Fatal(err)
		}
		rest()
		lasting := createMapping(t, s, mapping(queueARN))
		disk.full.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if !strings.Contains(s.logs.String(), "event source mapping not settled") || stateOf(t, s, lasting.UUID) != lambda.MappingCreating {
			t.Errorf("log %q", s.logs)
		}
	})
}
