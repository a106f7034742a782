package destination

import (
	"regexp"
	"strings"
)

// The services that targets belong to, as ARNs name them.
const (
	serviceSQS    = "sqs"
	serviceSNS    = "sns"
	serviceEvents = "events"
	serviceS3     = "s3"
	serviceLambda = "lambda"
)

// actions are what the execution role has to be allowed for each of them, from the
// service's documentation.
var actions = map[string]string{
	serviceSQS:    "sqs:SendMessage",
	serviceSNS:    "sns:Publish",
	serviceEvents: "events:PutEvents",
	serviceS3:     "s3:PutObject",
	serviceLambda: "lambda:InvokeFunction",
}

// target is an ARN in its parts.
type target struct {
	arn, service, region, account, resource string
}

// The forms of what ARNs name. Each becomes a part of a path or an address.
var (
	queueName  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)
	topicName  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)
	busName    = regexp.MustCompile(`^event-bus/[A-Za-z0-9._/-]{1,256}$`)
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	regionName = regexp.MustCompile(`^[a-z]{2,8}(-[a-z0-9]{1,12}){1,4}$`)
	accountID  = regexp.MustCompile(`^[0-9]{12}$`)
)

// parseTarget reads an ARN; false for one that names nothing that gets messages.
func parseTarget(arn string) (t target, ok bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		return t, false
	}
	t = target{arn: arn, service: parts[2], region: parts[3], account: parts[4], resource: parts[5]}
	if t.service == serviceS3 {
		return t, bucketName.MatchString(t.resource)
	}
	form := map[string]*regexp.Regexp{serviceSQS: queueName, serviceSNS: topicName, serviceEvents: busName}[t.service]
	if t.service != serviceLambda && (form == nil || !form.MatchString(t.resource)) {
		return t, false
	}
	return t, regionName.MatchString(t.region) && accountID.MatchString(t.account)
}
