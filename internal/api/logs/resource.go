package logs

import (
	"reflect"
	"strings"
)

// groupARN is the ARN of a group without the ":*" that some members end in.
func (h *Handler) groupARN(name string) string {
	s := h.Scope
	return "arn:" + s.Partition + ":logs:" + s.Region + ":" + s.Account + ":log-group:" + name
}

// groupOf is the name in a group's ARN; a name is itself one.
func groupOf(identifier string) string {
	if !strings.HasPrefix(identifier, "arn:") {
		return identifier
	}
	_, name, _ := strings.Cut(identifier, ":log-group:")
	return strings.TrimSuffix(name, ":*")
}

// oneGroup is the group that an input names in one of two ways.
func oneGroup(name, identifier *string) (string, error) {
	switch {
	case name != nil && identifier != nil:
		return "", invalid("LogGroup name and LogGroup identifier are mutually exclusive parameters.")
	case name != nil:
		return *name, nil
	case identifier != nil:
		return groupOf(*identifier), nil
	default:
		return "", invalid("Either LogGroup name or LogGroup identifier must be specified.")
	}
}

// anyStream ends the ARN of a group, as the service has it for all operations on
// groups but those on tags. So a policy's "log-group:NAME:*" is about them.
const anyStream = ":log-stream:"

// resources are what an input is about, by the members that name groups: all of
// them are to be allowed. An operation on no one group is about one without a name.
func (h *Handler) resources(input any) []resource {
	value := reflect.ValueOf(input).Elem()
	member := func(name string) (string, bool) {
		field := value.FieldByName(name)
		if !field.IsValid() || field.IsNil() {
			return "", false
		}
		return field.Elem().String(), true
	}
	if arn, ok := member("ResourceArn"); ok {
		return []resource{{arn: h.groupARN(groupOf(arn))}}
	}
	var names []string
	for _, name := range []string{"LogGroupName", "LogGroupIdentifier"} {
		if text, ok := member(name); ok {
			names = append(names, text)
		}
	}
	if field := value.FieldByName("LogGroupIdentifiers"); field.IsValid() {
		for i := range field.Len() {
			names = append(names, field.Index(i).String())
		}
	}
	if len(names) == 0 {
		return []resource{{arn: h.groupARN("") + anyStream, also: "*"}}
	}
	stream, one := member("LogStreamName")
	list := make([]resource, len(names))
	for i, name := range names {
		group := h.groupARN(groupOf(name))
		list[i] = resource{arn: group + anyStream + stream}
		if !one {
			list[i].also = group
		}
	}
	return list
}

// resource is a group or stream as policies name it, in one way or two.
type resource struct{ arn, also string }
