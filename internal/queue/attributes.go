package queue

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"thaw/internal/lambda"
	"thaw/internal/store"
)

// Names of a queue's attributes.
const (
	attrAll              = "All"
	attrDelay            = "DelaySeconds"
	attrVisibility       = "VisibilityTimeout"
	attrRetention        = "MessageRetentionPeriod"
	attrWait             = "ReceiveMessageWaitTimeSeconds"
	attrMaximumSize      = "MaximumMessageSize"
	attrRedrive          = "RedrivePolicy"
	attrRedriveAllow     = "RedriveAllowPolicy"
	attrPolicy           = "Policy"
	attrEncrypted        = "SqsManagedSseEnabled"
	attrMasterKey        = "KmsMasterKeyId"
	attrDataKey          = "KmsDataKeyReusePeriodSeconds"
	attrFIFO             = "FifoQueue"
	attrDeduplication    = "ContentBasedDeduplication"
	attrDeduplicateScope = "DeduplicationScope"
	attrFIFOLimit        = "FifoThroughputLimit"
	attrARN              = "QueueArn"
	attrCreated          = "CreatedTimestamp"
	attrModified         = "LastModifiedTimestamp"
	attrWaiting          = "ApproximateNumberOfMessages"
	attrInFlight         = "ApproximateNumberOfMessagesNotVisible"
	attrDelayed          = "ApproximateNumberOfMessagesDelayed"
)

// The limits of a queue and of its messages, from the service's documentation.
const (
	maxDelay       = 15 * time.Minute
	maxVisibility  = 12 * time.Hour
	maxWait        = 20 * time.Second
	minRetention   = time.Minute
	maxRetention   = 14 * 24 * time.Hour
	minMessageSize = 1 << 10
	// MaxMessageSize bounds a message with its attributes, and a batch of messages, in bytes.
	MaxMessageSize = 1 << 20
	maxReceives    = 1000
	maxTags        = 50
	maxQueues      = 100_000  // Thaw's own: the service has none
	maxSources     = 10       // of a redrive allow policy
	maxPolicy      = 20 << 10 // bytes
)

// defaults are the attributes of a queue of which none are set.
func defaults() lambda.Queue {
	return lambda.Queue{Visibility: 30 * time.Second, Retention: 4 * 24 * time.Hour, MaximumMessageSize: MaxMessageSize, Encrypted: true}
}

// apply sets attributes of a queue. An empty value takes away what may be absent.
func (s *Service) apply(q *lambda.Queue, attributes map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if err := s.applyOne(q, name, attributes[name]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) applyOne(q *lambda.Queue, name, value string) (err error) {
	switch name {
	case attrDelay:
		err = duration(&q.Delay, name, value, 0, maxDelay)
	case attrVisibility:
		err = duration(&q.Visibility, name, value, 0, maxVisibility)
	case attrRetention:
		err = duration(&q.Retention, name, value, minRetention, maxRetention)
	case attrWait:
		err = duration(&q.Wait, name, value, 0, maxWait)
	case attrMaximumSize:
		q.MaximumMessageSize, err = number(name, value, minMessageSize, MaxMessageSize)
	case attrRedrive:
		q.DeadLetter, err = s.redrive(q, value)
	case attrRedriveAllow:
		q.DeadLetterFrom, err = value, checkRedriveAllow(value)
	case attrPolicy:
		q.Policy, err = value, s.checkPolicy(value)
	case attrEncrypted:
		if value != "true" && value != "false" {
			return badAttribute(name)
		}
		q.Encrypted = value == "true"
	case attrMasterKey:
		if value != "" {
			return lambda.Errorf(codeUnsupported, "This server has no KMS: %s encrypts messages with a key of the queue's own.", attrEncrypted)
		}
	case attrDataKey:
		_, err = number(name, value, 60, 86400) // it says something of KMS only
	case attrFIFO, attrDeduplication, attrDeduplicateScope, attrFIFOLimit:
		if value == "false" {
			return nil
		}
		return errFIFO()
	default:
		return unknownAttribute(name)
	}
	return err
}

func errFIFO() error {
	return lambda.Errorf(codeUnsupported, "This server has no FIFO queues yet.")
}

func unknownAttribute(name string) error {
	return lambda.Errorf(codeAttributeName, "Unknown Attribute %s.", name)
}

func badAttribute(name string) error {
	return lambda.Errorf(codeAttributeValue, "Invalid value for the parameter %s.", name)
}

func number(name, value string, least, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		return 0, badAttribute(name)
	}
	return n, nil
}

func duration(d *time.Duration, name, value string, least, most time.Duration) error {
	n, err := number(name, value, int(least/time.Second), int(most/time.Second))
	if err == nil {
		*d = time.Duration(n) * time.Second
	}
	return err
}

// redrive reads a redrive policy. The number may be a text: older tools write it so.
func (s *Service) redrive(q *lambda.Queue, value string) (*lambda.DeadLetter, error) {
	if value == "" {
		return nil, nil
	}
	reason := func(format string, args ...any) error {
		return invalidValue("Value %s for parameter %s is invalid. Reason: %s", value, attrRedrive, fmt.Sprintf(format, args...))
	}
	var p struct {
		Target string      `json:"deadLetterTargetArn"`
		Max    json.Number `json:"maxReceiveCount"`
	}
	if err := json.Unmarshal([]byte(value), &p); err != nil {
		return nil, reason("Redrive policy is not a valid JSON map.")
	}
	if p.Target == "" {
		return nil, reason("Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
	}
	if p.Max == "" {
		return nil, reason("Redrive policy does not contain mandatory attribute: maxReceiveCount.")
	}
	most, err := strconv.Atoi(p.Max.String())
	if err != nil || most < 1 || most > maxReceives {
		return nil, reason("Invalid value for maxReceiveCount: %s, valid values are from 1 to %d both inclusive.", p.Max, maxReceives)
	}
	name, ok := s.scope.QueueName(p.Target)
	if !ok {
		return nil, reason("Dead letter target must be a queue of this account and region.")
	}
	target, ok := s.catalog.Queue(name)
	if !ok {
		return nil, reason("Dead letter target does not exist.")
	}
	if name == q.Name {
		return nil, reason("A queue cannot be its own dead letter target.")
	}
	if !admits(target.Queue.DeadLetterFrom, s.scope.QueueARN(q.Name)) {
		return nil, reason("The dead letter target does not let this queue use it.")
	}
	return &lambda.DeadLetter{Target: p.Target, MaxReceives: most}, nil
}

// redriveAllow is a redrive allow policy.
type redriveAllow struct {
	Permission string   `json:"redrivePermission"`
	Sources    []string `json:"sourceQueueArns"`
}

func checkRedriveAllow(value string) error {
	if value == "" {
		return nil
	}
	var p redriveAllow
	if json.Unmarshal([]byte(value), &p) != nil {
		return badAttribute(attrRedriveAllow)
	}
	switch p.Permission {
	case "allowAll", "denyAll":
		if len(p.Sources) > 0 {
			return badAttribute(attrRedriveAllow)
		}
	case "byQueue":
		if len(p.Sources) == 0 || len(p.Sources) > maxSources {
			return badAttribute(attrRedriveAllow)
		}
	default:
		return badAttribute(attrRedriveAllow)
	}
	return nil
}

// admits tells whether a redrive allow policy lets a queue use its owner as its
// dead-letter queue.
func admits(policy, source string) bool {
	if policy == "" {
		return true
	}
	var p redriveAllow
	_ = json.Unmarshal([]byte(policy), &p) // it was checked when it was set
	return p.Permission == "allowAll" || slices.Contains(p.Sources, source)
}

// checkPolicy leaves the reading to who will evaluate it.
func (s *Service) checkPolicy(value string) error {
	if value == "" {
		return nil
	}
	if len(value) > maxPolicy {
		return badAttribute(attrPolicy)
	}
	if err := s.policies(value); err != nil {
		return lambda.Errorf(codeAttributeValue, "Invalid value for the parameter %s. Reason: %v", attrPolicy, err)
	}
	return nil
}

// attributesOf shows a queue. What is not set is absent.
func (s *Service) attributesOf(q *lambda.Queue, n store.Count) map[string]string {
	shown := map[string]string{
		attrDelay:       seconds(q.Delay),
		attrVisibility:  seconds(q.Visibility),
		attrRetention:   seconds(q.Retention),
		attrWait:        seconds(q.Wait),
		attrMaximumSize: strconv.Itoa(q.MaximumMessageSize),
		attrEncrypted:   strconv.FormatBool(q.Encrypted),
		attrARN:         s.scope.QueueARN(q.Name),
		attrCreated:     strconv.FormatInt(q.CreatedAt.Unix(), 10),
		attrModified:    strconv.FormatInt(q.LastModified.Unix(), 10),
		attrWaiting:     strconv.Itoa(n.Waiting),
		attrInFlight:    strconv.Itoa(n.Leased),
		attrDelayed:     strconv.Itoa(n.Delayed),
	}
	if d := q.DeadLetter; d != nil {
		text, _ := json.Marshal(struct {
			Target string `json:"deadLetterTargetArn"`
			Max    int    `json:"maxReceiveCount"`
		}{d.Target, d.MaxReceives}) // a text and a number can be written
		shown[attrRedrive] = string(text)
	}
	for name, value := range map[string]string{attrRedriveAllow: q.DeadLetterFrom, attrPolicy: q.Policy} {
		if value != "" {
			shown[name] = value
		}
	}
	return shown
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// known tells attributes that the service knows from others.
func known(name string) bool {
	switch name {
	case attrAll, attrARN, attrCreated, attrModified, attrWaiting, attrInFlight, attrDelayed, attrDelay, attrVisibility, attrRetention, attrWait,
		attrMaximumSize, attrRedrive, attrRedriveAllow, attrPolicy, attrEncrypted, attrMasterKey, attrDataKey, attrFIFO, attrDeduplication,
		attrDeduplicateScope, attrFIFOLimit:
		return true
	}
	return false
}

// checkName refuses what cannot be a queue's name.
func checkName(name string) error {
	base, fifo := strings.CutSuffix(name, ".fifo")
	if len(name) < 1 || len(name) > 80 || base == "" || strings.ContainsFunc(base, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
	}) {
		return invalidValue("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	if fifo {
		return errFIFO()
	}
	return nil
}
