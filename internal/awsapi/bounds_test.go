package awsapi_test

import (
	"errors"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/lambda"
	"thaw/internal/lambda"
)

// TestFaultsAreBounded: however many faults an input has, and however long its
// values are, the answer is short, and is cheap to make.
func TestFaultsAreBounded(t *testing.T) {
	const (
		functions = "/2015-03-31/functions"
		mappings  = "/2015-03-31/event-source-mappings"
		base      = `"FunctionName":"f","Role":"arn:aws:iam::111111111111:role/r","Code":{}`
		many      = 200_000
	)
	times := func(element string) string { return strings.Repeat(element+",", many-1) + element }
	long := strings.Repeat("ä", 5_000) // over the 4096 of a pattern
	tests := []struct {
		name, target, body string
		faults             int    // how many are told
		end                string // of the answer
	}{
		{"in a list over its maximum", functions, `{` + base + `,"FileSystemConfigs":[` + times("{}") + `]}`,
			1, "at 'fileSystemConfigs' failed to satisfy constraint: Member must have length less than or equal to 1"},
		{"in a list without one", mappings, `{"FunctionName":"f","AmazonManagedKafkaEventSourceConfig":{"SchemaRegistryConfig":{"AccessConfigs":[` +
			times(`{"Type":"x"}`) + `]}}}`,
			100, "set: [BASIC_AUTH, CLIENT_CERTIFICATE_TLS_AUTH, SERVER_ROOT_CA_CERTIFICATE, OAUTHBEARER_AUTH]"},
		{"long values", mappings, `{"FunctionName":"f","FilterCriteria":{"Filters":[` +
			strings.Repeat(`{"Pattern":"`+long+`"},`, 99) + `{"Pattern":"` + long + `"}]}}`,
			7, "Member must have length less than or equal to 4096"},
		{"one very long value", mappings, `{"FunctionName":"f","FilterCriteria":{"Filters":[{"Pattern":"` + strings.Repeat(long, 200) + `"}]}}`,
			1, "Member must have length less than or equal to 4096"},
		{"a long value in a list", functions, `{` + base + `,"Architectures":["` + strings.Repeat(long, 200) + `"]}`,
			1, "Member must not be null]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			op, input, err := decode(t, "POST", tt.target, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			codec := awsapi.NewCodec(model.Service())
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err = codec.Validate(op, input)
			runtime.ReadMemStats(&after)
			var refused *lambda.Error
			if !errors.As(err, &refused) || refused.Code != lambda.CodeValidation {
				t.Fatalf("Validate: %v, want a ValidationException", err)
			}
			message := refused.Message
			if n := len(message); n > 128<<10 {
				t.Errorf("the answer has %d bytes", n)
			}
			if cost := after.TotalAlloc - before.TotalAlloc; cost > 4<<20 {
				t.Errorf("%d bytes were allocated", cost)
			}
			told := strings.Count(message, "failed to satisfy constraint")
			counted, _ := strconv.Atoi(message[:strings.IndexByte(message, ' ')])
			if told != tt.faults || counted != told {
				t.Errorf("%d faults are told and %d counted, want %d", told, counted, tt.faults)
			}
			if !strings.HasSuffix(message, tt.end) {
				t.Errorf("the answer ends in %q", message[max(0, len(message)-200):])
			}
		})
	}
}

// Values of the lengths that were recorded are repeated whole.
func TestLongValuesAreWhole(t *testing.T) {
	role := strings.Repeat("r", 256)
	op, input, err := decode(t, "POST", "/2015-03-31/functions", `{"FunctionName":"f","Role":"`+role+`","Code":{}}`)
	if err != nil {
		t.Fatal(err)
	}
	err = awsapi.NewCodec(model.Service()).Validate(op, input)
	if err == nil || !strings.Contains(err.Error(), "Value '"+role+"' at 'role'") {
		t.Errorf("Validate: %v, want the whole role in it", err)
	}
}
