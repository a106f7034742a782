package logs

import (
	"reflect"
	"strings"
)

// anyResource is the resource of operations on no one group.
const anyResource = "*"

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

// resources are the ARNs of what an input is about, by the members that name
// groups: all of them are to be allowed.
func (h *Handler) resources(input any) []string {
	value := reflect.ValueOf(input).Elem()
	var names []string
	for _, member := range []string{"LogGroupName", "LogGroupIdentifier", "ResourceArn"} {
		if field := value.FieldByName(member); field.IsValid() && !field.IsNil() {
			names = append(names, field.Elem().String())
		}
	}
	if field := value.FieldByName("LogGroupIdentifiers"); field.IsValid() {
		for i := range field.Len() {
			names = append(names, field.Index(i).String())
		}
	}
	if len(names) == 0 {
		return []string{anyResource}
	}
	suffix := ""
	if field := value.FieldByName("LogStreamName"); field.IsValid() && !field.IsNil() {
		suffix = ":log-stream:" + field.Elem().String()
	}
	arns := make([]string, len(names))
	for i, name := range names {
		arns[i] = h.groupARN(groupOf(name)) + suffix
	}
	return arns
}
