package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/spf13/cobra"
)

// Limits of the service, for flags.
const (
	maxQueueWait       = 20 * time.Second
	maxQueueDelay      = 15 * time.Minute
	maxQueueVisibility = 12 * time.Hour
	maxQueueRetention  = 14 * 24 * time.Hour
	maxQueueReceives   = 1000
	maxQueueMessages   = 10
	maxQueueBody       = 1 << 20
)

func newQueuesCommand() *cobra.Command {
	var conn connection
	cmd := &cobra.Command{
		Use:   "queues",
		Short: "List, make, fill and empty message queues",
		Long: `List the message queues of the server: how many messages wait, are in flight
and are delayed, and where those go that are received too often.

The queues are standard queues as SQS has them, for every client of that
service, and can be the dead-letter queues and destinations of functions.`,
		Example: `  thaw queues
  thaw queues create failed
  thaw queues create work --visibility 2m --dead-letters failed --max-receives 3
  thaw queues send work '{"order":7}'
  thaw queues receive work --wait 20s --delete`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := conn.target()
			if err != nil {
				return err
			}
			list, err := listQueues(cmd.Context(), t.queueClient())
			if err != nil {
				return err
			}
			if conn.json {
				return printJSON(cmd.OutOrStdout(), list)
			}
			rows := [][]string{{"QUEUE", "WAITING", "IN FLIGHT", "DELAYED", "DEAD LETTERS"}}
			for _, q := range list {
				rows = append(rows, []string{q.Name, strconv.Itoa(q.Waiting), strconv.Itoa(q.InFlight), strconv.Itoa(q.Delayed), cmp.Or(q.DeadLetters, "-")})
			}
			return printTable(cmd.OutOrStdout(), rows)
		},
	}
	conn.addFlags(cmd)
	cmd.AddCommand(newQueuesCreateCommand(), newQueuesSendCommand(), newQueuesReceiveCommand(), newQueuesPurgeCommand(), newQueuesRemoveCommand())
	return cmd
}

// queueClient makes the client of the SQS API.
func (t target) queueClient() *sqs.Client {
	return sqs.New(sqs.Options{
		Region:       t.Region,
		BaseEndpoint: aws.String(t.Endpoint),
		Credentials:  t.credentials(),
		Retryer:      aws.NopRetryer{},
		HTTPClient:   t.httpClient(),
		AppID:        "thaw",
	})
}

// queueURL asks for the URL of a queue.
func queueURL(ctx context.Context, client *sqs.Client, name string) (*string, error) {
	out, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		return nil, err
	}
	return out.QueueUrl, nil
}

// listedQueue is a queue as the verb shows it.
type listedQueue struct {
	Name        string `json:"name"`
	ARN         string `json:"arn"`
	URL         string `json:"url"`
	Waiting     int    `json:"waiting"`
	InFlight    int    `json:"in_flight"`
	Delayed     int    `json:"delayed"`
	DeadLetters string `json:"dead_letters,omitempty"` // name of their queue
}

func listQueues(ctx context.Context, client *sqs.Client) ([]listedQueue, error) {
	list := []listedQueue{}
	pages := sqs.NewListQueuesPaginator(client, &sqs.ListQueuesInput{MaxResults: aws.Int32(1000)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, u := range page.QueueUrls {
			out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &u, AttributeNames: []types.QueueAttributeName{"All"}})
			if err != nil {
				return nil, err
			}
			list = append(list, newListedQueue(u, out.Attributes))
		}
	}
	return list, nil
}

func newListedQueue(u string, attributes map[string]string) listedQueue {
	number := func(name types.QueueAttributeName) int {
		n, _ := strconv.Atoi(attributes[string(name)]) // the service's numbers are
		return n
	}
	q := listedQueue{
		Name: lastPart(u, "/"), URL: u, ARN: attributes["QueueArn"], Waiting: number("ApproximateNumberOfMessages"),
		InFlight: number("ApproximateNumberOfMessagesNotVisible"), Delayed: number("ApproximateNumberOfMessagesDelayed"),
	}
	var redrive struct{ DeadLetterTargetArn string }
	if json.Unmarshal([]byte(attributes["RedrivePolicy"]), &redrive) == nil {
		q.DeadLetters = lastPart(redrive.DeadLetterTargetArn, ":")
	}
	return q
}

func lastPart(text, separator string) string { return text[strings.LastIndex(text, separator)+1:] }

// wholeSeconds is a length of time as the service takes it.
func wholeSeconds(d time.Duration) int32 { return int32(d / time.Second) }

func newQueuesCreateCommand() *cobra.Command {
	var conn connection
	var delay, visibility, retention, wait time.Duration
	var deadLetters string
	var receives int
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a queue",
		Long: `Make a queue and print its ARN. One that is there already is as good, if the
flags that are given say of it what it is.`,
		Example: `  thaw queues create failed
  thaw queues create work --visibility 2m --dead-letters failed --max-receives 3`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := conn.target()
			if err != nil {
				return err
			}
			client, attributes := t.queueClient(), map[string]string{}
			for name, f := range map[string]struct {
				attribute types.QueueAttributeName
				value     time.Duration
			}{
				"delay": {"DelaySeconds", delay}, "visibility": {"VisibilityTimeout", visibility},
				"retention": {"MessageRetentionPeriod", retention}, "wait": {"ReceiveMessageWaitTimeSeconds", wait},
			} {
				if cmd.Flags().Changed(name) {
					attributes[string(f.attribute)] = strconv.Itoa(int(wholeSeconds(f.value)))
				}
			}
			if deadLetters != "" {
				target, err := queueARN(cmd.Context(), client, deadLetters)
				if err != nil {
					return err
				}
				attributes["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, target, receives)
			}
			if _, err := client.CreateQueue(cmd.Context(), &sqs.CreateQueueInput{QueueName: &args[0], Attributes: attributes}); err != nil {
				return err
			}
			arn, err := queueARN(cmd.Context(), client, args[0])
			if err != nil {
				return err
			}
			if conn.json {
				return printJSON(cmd.OutOrStdout(), map[string]string{"name": args[0], "arn": arn})
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), arn)
			return err
		},
	}
	conn.addFlags(cmd)
	durationFlag(cmd, &delay, "delay", 0, 0, maxQueueDelay, "how long a message is held back")
	durationFlag(cmd, &visibility, "visibility", 30*time.Second, 0, maxQueueVisibility, "how long a message that was received is not received again")
	durationFlag(cmd, &retention, "retention", 4*24*time.Hour, time.Minute, maxQueueRetention, "how long a message is kept")
	durationFlag(cmd, &wait, "wait", 0, 0, maxQueueWait, "how long receiving waits for a message, unless it says so itself")
	cmd.Flags().StringVar(&deadLetters, "dead-letters", "", "`queue` for messages that are received too often (default none)")
	numberFlag(cmd, &receives, "max-receives", 10, 1, maxQueueReceives, "how often a message is received before it goes there")
	return cmd
}

func queueARN(ctx context.Context, client *sqs.Client, name string) (string, error) {
	u, err := queueURL(ctx, client, name)
	if err != nil {
		return "", err
	}
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: u, AttributeNames: []types.QueueAttributeName{"QueueArn"}})
	if err != nil {
		return "", err
	}
	return out.Attributes["QueueArn"], nil
}

func newQueuesSendCommand() *cobra.Command {
	var conn connection
	var delay time.Duration
	var attributes []string
	cmd := &cobra.Command{
		Use:   "send NAME [BODY]",
		Short: "Send a message",
		Long: `Send a message to a queue and print its ID. Without BODY it is read from the
standard input.`,
		Example: `  thaw queues send work '{"order":7}'
  thaw queues send work --attribute kind=order --delay 1m <order.json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := &sqs.SendMessageInput{}
			if len(args) == 2 {
				in.MessageBody = &args[1]
			} else {
				text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxQueueBody+1))
				if err != nil {
					return err
				}
				in.MessageBody = aws.String(string(text))
			}
			for _, a := range attributes {
				name, value, ok := strings.Cut(a, "=")
				if !ok {
					return usageError("--attribute %s: it must be NAME=VALUE", a)
				}
				if in.MessageAttributes == nil {
					in.MessageAttributes = map[string]types.MessageAttributeValue{}
				}
				in.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
			}
			if cmd.Flags().Changed("delay") {
				in.DelaySeconds = wholeSeconds(delay)
			}
			t, err := conn.target()
			if err != nil {
				return err
			}
			client := t.queueClient()
			if in.QueueUrl, err = queueURL(cmd.Context(), client, args[0]); err != nil {
				return err
			}
			out, err := client.SendMessage(cmd.Context(), in)
			if err != nil {
				return err
			}
			if conn.json {
				return printJSON(cmd.OutOrStdout(), map[string]string{"id": aws.ToString(out.MessageId)})
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), aws.ToString(out.MessageId))
			return err
		},
	}
	conn.addFlags(cmd)
	durationFlag(cmd, &delay, "delay", 0, time.Second, maxQueueDelay, "how long the message is held back (default the queue's)")
	cmd.Flags().StringArrayVar(&attributes, "attribute", nil, "`NAME=VALUE` of an attribute, any number of times")
	return cmd
}

// receivedMessage is a message as the verb shows it.
type receivedMessage struct {
	ID         string            `json:"id"`
	Body       string            `json:"body"`
	Attributes map[string]string `json:"attributes,omitempty"`
	System     map[string]string `json:"system"`
	Receipt    string            `json:"receipt,omitempty"` // unless it was deleted
}

func newQueuesReceiveCommand() *cobra.Command {
	var conn connection
	var wait, visibility time.Duration
	var most int
	var remove bool
	cmd := &cobra.Command{
		Use:   "receive NAME",
		Short: "Receive messages",
		Long: `Receive messages of a queue and print their bodies, each with a line's end. They
are received again when their visibility timeout has passed, unless they are
deleted. Each receipt counts for the dead-letter queue.`,
		Example: `  thaw queues receive work
  thaw queues receive work --wait 20s --delete
  thaw queues receive work --json | jq -r '.[].system.ApproximateReceiveCount'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := conn.target()
			if err != nil {
				return err
			}
			client := t.queueClient()
			in := &sqs.ReceiveMessageInput{
				MaxNumberOfMessages: int32(most), WaitTimeSeconds: wholeSeconds(wait),
				MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
			}
			if cmd.Flags().Changed("visibility") {
				in.VisibilityTimeout = wholeSeconds(visibility)
			}
			if in.QueueUrl, err = queueURL(cmd.Context(), client, args[0]); err != nil {
				return err
			}
			out, err := client.ReceiveMessage(cmd.Context(), in)
			if err != nil {
				return err
			}
			if err := showMessages(cmd.OutOrStdout(), out.Messages, conn.json, remove); err != nil || !remove {
				return err
			}
			return deleteMessages(cmd.Context(), client, in.QueueUrl, out.Messages)
		},
	}
	conn.addFlags(cmd)
	durationFlag(cmd, &wait, "wait", 0, time.Second, maxQueueWait, "how long to wait for the first message (default the queue's)")
	durationFlag(cmd, &visibility, "visibility", 0, time.Second, maxQueueVisibility, "how long they are not received again (default the queue's)")
	numberFlag(cmd, &most, "max", maxQueueMessages, 1, maxQueueMessages, "messages to receive at most")
	cmd.Flags().BoolVar(&remove, "delete", false, "delete the messages when they have been printed")
	return cmd
}

func showMessages(w io.Writer, messages []types.Message, asJSON, deleted bool) error {
	if !asJSON {
		for _, m := range messages {
			if _, err := fmt.Fprintln(w, aws.ToString(m.Body)); err != nil {
				return err
			}
		}
		return nil
	}
	list := []receivedMessage{}
	for _, m := range messages {
		shown := receivedMessage{ID: aws.ToString(m.MessageId), Body: aws.ToString(m.Body), System: m.Attributes}
		if !deleted {
			shown.Receipt = aws.ToString(m.ReceiptHandle)
		}
		for _, name := range slices.Sorted(maps.Keys(m.MessageAttributes)) {
			if shown.Attributes == nil {
				shown.Attributes = map[string]string{}
			}
			v := m.MessageAttributes[name]
			shown.Attributes[name] = aws.ToString(v.StringValue)
			if v.BinaryValue != nil {
				shown.Attributes[name] = string(v.BinaryValue)
			}
		}
		list = append(list, shown)
	}
	return printJSON(w, list)
}

func deleteMessages(ctx context.Context, client *sqs.Client, u *string, messages []types.Message) error {
	if len(messages) == 0 {
		return nil
	}
	in := &sqs.DeleteMessageBatchInput{QueueUrl: u}
	for i, m := range messages {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle})
	}
	out, err := client.DeleteMessageBatch(ctx, in)
	if err != nil {
		return err
	}
	if n := len(out.Failed); n > 0 {
		return fmt.Errorf("%d of %d messages were not deleted: %s", n, len(messages), aws.ToString(out.Failed[0].Message))
	}
	return nil
}

func newQueuesPurgeCommand() *cobra.Command {
	var conn connection
	cmd := &cobra.Command{
		Use:     "purge NAME",
		Short:   "Delete all messages of a queue",
		Long:    `Delete all messages of a queue, those in flight included.`,
		Example: "  thaw queues purge work",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := conn.target()
			if err != nil {
				return err
			}
			client := t.queueClient()
			u, err := queueURL(cmd.Context(), client, args[0])
			if err != nil {
				return err
			}
			_, err = client.PurgeQueue(cmd.Context(), &sqs.PurgeQueueInput{QueueUrl: u})
			return err
		},
	}
	conn.addFlags(cmd)
	return cmd
}

func newQueuesRemoveCommand() *cobra.Command {
	var conn connection
	cmd := &cobra.Command{
		Use:     "rm NAME...",
		Short:   "Delete queues and their messages",
		Long:    `Delete queues and their messages, and print the names of those that were deleted.`,
		Example: "  thaw queues rm work failed",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := conn.target()
			if err != nil {
				return err
			}
			client := t.queueClient()
			deleted := []string{}
			for _, name := range args {
				u, err := queueURL(cmd.Context(), client, name)
				if err == nil {
					_, err = client.DeleteQueue(cmd.Context(), &sqs.DeleteQueueInput{QueueUrl: u})
				}
				if err != nil {
					return err
				}
				deleted = append(deleted, name)
				if !conn.json {
					fmt.Fprintln(cmd.OutOrStdout(), name)
				}
			}
			if conn.json {
				return printJSON(cmd.OutOrStdout(), deleted)
			}
			return nil
		},
	}
	conn.addFlags(cmd)
	return cmd
}
