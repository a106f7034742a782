package queue_test

import (
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/queue"
	"thaw/internal/store"
)

func TestAttributes(t *testing.T) {
	virtual(t, func(t *testing.T, b *bench) {
		start := time.Now().Unix()
		b.create("dead", map[string]string{"RedriveAllowPolicy": `{"redrivePermission":"byQueue","sourceQueueArns":["` + prefix + `q"]}`})
		b.create("shut", map[string]string{"RedriveAllowPolicy": `{"redrivePermission":"denyAll"}`})
		set := map[string]string{
			"DelaySeconds": "1", "VisibilityTimeout": "2", "MessageRetentionPeriod": "60", "ReceiveMessageWaitTimeSeconds": "3", "MaximumMessageSize": "1024",
			"RedrivePolicy": `{"deadLetterTargetArn":"` + prefix + `dead","maxReceiveCount":5}`, "Policy": `{"Statement":[]}`, "SqsManagedSseEnabled": "false",
		}
		b.create("q", set)
		b.create("q", set)                                    // the same again
		b.create("q", map[string]string{"DelaySeconds": "1"}) // a part of it
		err := b.Create(t.Context(), "q", map[string]string{"DelaySeconds": "2"}, nil)
		refused(t, err, "QueueNameExists", "a different value for attribute DelaySeconds")
		time.Sleep(time.Minute)
		b.must(b.SetAttributes(t.Context(), "q", map[string]string{"DelaySeconds": "7", "Policy": ""}))
		got, err := b.Attributes(t.Context(), "q", []string{"All"})
		b.must(err)
		want := maps.Clone(set)
		delete(want, "Policy")
		maps.Copy(want, map[string]string{
			"DelaySeconds": "7", "QueueArn": prefix + "q", "CreatedTimestamp": itoa(start), "LastModifiedTimestamp": itoa(start + 60),
			"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0", "ApproximateNumberOfMessagesDelayed": "0",
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("attributes (-want +got):\n%s", diff)
		}
		for name, c := range map[string]struct{ value, code, text string }{
			"DelaySeconds":           {"901", "InvalidAttributeValue", "Invalid value for the parameter DelaySeconds."},
			"VisibilityTimeout":      {"-1", "InvalidAttributeValue", "VisibilityTimeout"},
			"MessageRetentionPeriod": {"59", "InvalidAttributeValue", "MessageRetentionPeriod"},
			"MaximumMessageSize":     {"x", "InvalidAttributeValue", "MaximumMessageSize"},
			"SqsManagedSseEnabled":   {"yes", "InvalidAttributeValue", "SqsManagedSseEnabled"},
			"RedriveAllowPolicy":     {`{"redrivePermission":"byQueue"}`, "InvalidAttributeValue", "RedriveAllowPolicy"},
			"KmsMasterKeyId":         {"alias/aws/sqs", "UnsupportedOperation", "no KMS"},
			"FifoQueue":              {"true", "UnsupportedOperation", "FIFO"},
			"QueueArn":               {"x", "InvalidAttributeName", "Unknown Attribute QueueArn."},
			"Colour":                 {"x", "InvalidAttributeName", "Unknown Attribute Colour."},
		} {
			refused(t, b.SetAttributes(t.Context(), "q", map[string]string{name: c.value}), c.code, c.text)
		}
		for value, text := range map[string]string{
			`{`:                     "not a valid JSON map",
			`{"maxReceiveCount":1}`: "deadLetterTargetArn",
			`{"deadLetterTargetArn":"` + prefix + `dead"}`:                               "maxReceiveCount",
			`{"deadLetterTargetArn":"` + prefix + `dead","maxReceiveCount":0}`:           "from 1 to 1000",
			`{"deadLetterTargetArn":"` + prefix + `nothing","maxReceiveCount":1}`:        "does not exist",
			`{"deadLetterTargetArn":"` + prefix + `q","maxReceiveCount":1}`:              "its own",
			`{"deadLetterTargetArn":"` + prefix + `shut","maxReceiveCount":1}`:           "does not let",
			`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:1:dead","maxReceiveCount":1}`: "this account and region",
		} {
			refused(t, b.SetAttributes(t.Context(), "q", map[string]string{"RedrivePolicy": value}), queue.CodeInvalidValue, text)
		}
		_, err = b.Attributes(t.Context(), "q", []string{"Colour"})
		refused(t, err, "InvalidAttributeName", "Colour")
		for _, name := range []string{"", "a b", "é", strings.Repeat("a", 81), ".fifo"} {
			refused(t, b.Create(t.Context(), name, nil, nil), queue.CodeInvalidValue, "1 to 80 in length")
		}
		refused(t, b.Create(t.Context(), "q.fifo", nil, nil), "UnsupportedOperation", "FIFO")
	})
}

func itoa(n int64) string { return slog.Int64Value(n).String() }

func TestTagsAndPermissions(t *testing.T) {
	virtual(t, func(t *testing.T, b *bench) {
		b.must(b.Create(t.Context(), "q", nil, map[string]string{"a": "1", "b": "2"}))
		b.must(b.Tag(t.Context(), "q", map[string]string{"b": "3", "c": "4"}))
		b.must(b.Untag(t.Context(), "q", []string{"a", "z"}))
		tags, err := b.Tags("q")
		b.must(err)
		if diff := cmp.Diff(map[string]string{"b": "3", "c": "4"}, tags); diff != "" {
			t.Error(diff)
		}
		b.must(b.AddPermission(t.Context(), "q", "send", []string{"210987654321"}, []string{"SendMessage"}))
		refused(t, b.AddPermission(t.Context(), "q", "send", []string{"210987654321"}, []string{"SendMessage"}), queue.CodeInvalidValue, "Already exists")
		b.must(b.AddPermission(t.Context(), "q", "all", []string{"210987654321"}, []string{"*"}))
		b.must(b.RemovePermission(t.Context(), "q", "all"))
		const want = `{"Id":"` + prefix + `q/SQSDefaultPolicy","Statement":[{"Action":["SQS:SendMessage"],"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::210987654321:root"]},"Resource":"` + prefix + `q","Sid":"send"}],"Version":"2012-10-17"}`
		if got := b.Policy("q"); got != want {
			t.Errorf("policy %s\nwant   %s", got, want)
		}
		b.must(b.RemovePermission(t.Context(), "q", "send"))
		refused(t, b.RemovePermission(t.Context(), "q", "send"), queue.CodeInvalidValue, "can't find label")
		if got := b.Policy("q"); got != "" {
			t.Errorf("policy %s", got)
		}
	})
}

func TestMessagesAreChecked(t *testing.T) {
	virtual(t, func(t *testing.T, b *bench) {
		b.create("q", map[string]string{"MaximumMessageSize": "2048"})
		text := func(value string) map[string]queue.Attribute {
			return map[string]queue.Attribute{"a": {Type: "String", Value: []byte(value)}}
		}
		eleven := map[string]queue.Attribute{}
		for _, name := range strings.Split("a b c d e f g h i j k", " ") {
			eleven[name] = queue.Attribute{Type: "String", Value: []byte("v")}
		}
		for name, c := range map[string]struct {
			m          queue.Outgoing
			code, text string // none: it is taken
		}{
			"empty":             {queue.Outgoing{}, queue.CodeMissing, "MessageBody"},
			"a control":         {queue.Outgoing{Body: "a\x01"}, "InvalidMessageContents", "Invalid characters"},
			"a noncharacter":    {queue.Outgoing{Body: "a\uFFFE"}, "InvalidMessageContents", ""},
			"all that may be":   {queue.Outgoing{Body: "\t\n\r \uD7FF\uE000\uFFFD\U0010FFFF"}, "", ""},
			"as large as may":   {queue.Outgoing{Body: strings.Repeat("a", 2048)}, "", ""},
			"too large":         {queue.Outgoing{Body: strings.Repeat("a", 2049)}, queue.CodeInvalidValue, "shorter than 2048 bytes"},
			"by attributes":     {queue.Outgoing{Body: strings.Repeat("a", 2041), Attributes: text("v")}, queue.CodeInvalidValue, "shorter than 2048 bytes"},
			"delay":             {queue.Outgoing{Body: "a", Delay: new(901 * time.Second)}, queue.CodeInvalidValue, "DelaySeconds"},
			"group":             {queue.Outgoing{Body: "a", Group: "a b"}, queue.CodeInvalidValue, "MessageGroupId"},
			"eleven attributes": {queue.Outgoing{Body: "a", Attributes: eleven}, queue.CodeInvalidValue, "[11]"},
			"empty value":       {queue.Outgoing{Body: "a", Attributes: text("")}, queue.CodeInvalidValue, "non-empty"},
			"reserved":          {queue.Outgoing{Body: "a", Attributes: map[string]queue.Attribute{"AWS.x": {Type: "String", Value: []byte("v")}}}, queue.CodeInvalidValue, "reserved"},
			"bad name":          {queue.Outgoing{Body: "a", Attributes: map[string]queue.Attribute{"a..b": {Type: "String", Value: []byte("v")}}}, queue.CodeInvalidValue, "name"},
			"bad type":          {queue.Outgoing{Body: "a", Attributes: map[string]queue.Attribute{"a": {Type: "Text", Value: []byte("v")}}}, queue.CodeInvalidValue, "type"},
			"no number":         {queue.Outgoing{Body: "a", Attributes: map[string]queue.Attribute{"a": {Type: "Number", Value: []byte("v")}}}, queue.CodeInvalidValue, "number"},
			"a number":          {queue.Outgoing{Body: "a", Attributes: map[string]queue.Attribute{"a": {Type: "Number.float", Value: []byte("-1.5e3")}}}, "", ""},
		} {
			_, err := b.Send(t.Context(), "q", c.m)
			if c.code == "" {
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			t.Log(name)
			refused(t, err, c.code, c.text)
		}
		results, err := b.SendBatch(t.Context(), "q", []queue.Outgoing{{Body: "good"}, {Body: "\x02"}, {Body: "good too"}})
		b.must(err)
		if results[0].Err != nil || results[2].Err != nil {
			t.Errorf("results %+v", results)
		}
		refused(t, results[1].Err, "InvalidMessageContents", "")
		b.create("large", nil)
		half := strings.Repeat("a", 1<<19)
		_, err = b.SendBatch(t.Context(), "large", []queue.Outgoing{{Body: half}, {Body: half}})
		b.must(err)
		_, err = b.SendBatch(t.Context(), "large", []queue.Outgoing{{Body: half}, {Body: half + "a"}})
		refused(t, err, "BatchRequestTooLong", "1048576 bytes. You have sent 1048577 bytes.")
		_, err = b.Send(t.Context(), "large", queue.Outgoing{Body: half + half})
		b.must(err)
	})
}

func TestWantsAreChecked(t *testing.T) {
	virtual(t, func(t *testing.T, b *bench) {
		b.create("q", nil)
		for _, w := range []queue.Want{{}, {Max: 11}, {Max: 1, Wait: new(21 * time.Second)}, {Max: 1, Visibility: new(12*time.Hour + time.Second)}} {
			_, err := b.Receive(t.Context(), "q", w)
			refused(t, err, queue.CodeInvalidValue, "is invalid. Reason: Must be between")
		}
		for kind, ids := range map[string][]string{
			"EmptyBatchRequest": {}, "TooManyEntriesInBatchRequest": make([]string, 11), "InvalidBatchEntryId": {"a b"}, "BatchEntryIdsNotDistinct": {"a", "b", "a"},
		} {
			refused(t, queue.CheckEntries("Entry", ids), kind, "")
		}
		b.must(queue.CheckEntries("Entry", []string{"a", "b-_1"}))
	})
}

// TestInFlightLimit is the service's: 120,000 messages.
func TestInFlightLimit(t *testing.T) {
	virtual(t, func(t *testing.T, b *bench) {
		b.create("q", nil)
		record, _ := b.catalog.Queue("q")
		events := b.store.Queue("sqs/" + record.Queue.ID)
		for i := 0; i < 120_001; i += store.MaxBatch {
			batch := make([]store.Event, min(store.MaxBatch, 120_001-i))
			for j := range batch {
				batch[j] = store.Event{ID: itoa(int64(i + j))}
			}
			b.must(events.EnqueueBatch(t.Context(), batch))
		}
		_, err := events.Lease(t.Context(), 120_000, time.Hour)
		b.must(err)
		_, err = b.Receive(t.Context(), "q", queue.Want{Max: 1})
		refused(t, err, "OverLimit", "in flight")
	})
}

// TestDigests are those that clients compute: of a text, and of attributes of each
// kind, by an independent reckoning of the documented steps.
func TestDigests(t *testing.T) {
	if got := queue.Digest("hello"); got != "5d41402abc4b2a76b9719d911017c592" {
		t.Errorf("digest %s", got)
	}
	if got := queue.DigestAttributes(nil); got != "" {
		t.Errorf("digest of nothing %s", got)
	}
	got := queue.DigestAttributes(map[string]queue.Attribute{"b": {Type: "Binary.png", Value: []byte{1, 2, 3}}, "a": {Type: "String", Value: []byte("é")}})
	const want = "6320daa77e36bd571712427b2e266ca8"
	if got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}
