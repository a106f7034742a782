package badinput_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"thaw/internal/awsapi"
)

// expected is the text by which an input is refused; empty if it is not.
func (t *tables) expected(op *awsapi.Operation, input map[string]any) string {
	faults := t.structure(t.shape(op.Input), input, "")
	switch len(faults) {
	case 0:
		return ""
	case 1:
		return "1 validation error detected: " + faults[0]
	default:
		return fmt.Sprintf("%d validation errors detected: %s", len(faults), strings.Join(faults, "; "))
	}
}

func camel(path, name string) string {
	name = strings.ToLower(name[:1]) + name[1:]
	if path == "" {
		return name
	}
	return path + "." + name
}

func (t *tables) structure(shape *awsapi.Shape, value map[string]any, path string) (faults []string) {
	for i := range shape.Members {
		m := &shape.Members[i]
		at := camel(path, m.Name)
		member, ok := value[m.Name]
		switch {
		case !ok && m.Required:
			faults = append(faults, "Value null at '"+at+"' failed to satisfy constraint: Member must not be null")
		case !ok || m.ByService:
		default:
			inner := t.shape(m.Shape)
			for _, fault := range t.value(inner, member, at) {
				faults = append(faults, retold(fault, t, inner, m.Told))
			}
		}
	}
	return faults
}

// retold is a fault with the values that are told in the place of those that are.
func retold(fault string, t *tables, shape *awsapi.Shape, told []string) string {
	if len(told) == 0 {
		return fault
	}
	if shape.Kind == awsapi.List {
		shape = t.shape(shape.Element)
	}
	return strings.Replace(fault, enumWords(shape.Enum), enumWords(told), 1)
}

func (t *tables) value(shape *awsapi.Shape, value any, path string) (faults []string) {
	if shape.Kind == awsapi.Structure {
		return t.structure(shape, value.(map[string]any), path)
	}
	fault := func(constraint string) {
		shown := "Value '" + t.shown(shape, value) + "' at"
		if t.secret(shape) {
			shown = "Value at"
		}
		faults = append(faults, shown+" '"+path+"' failed to satisfy constraint: "+constraint)
	}
	for _, constraint := range t.own(shape, value) {
		fault(constraint)
	}
	if shape.Max.Set && size(value) > shape.Max.Value {
		return faults
	}
	switch v := value.(type) {
	case []any:
		element := t.shape(shape.Element)
		if element.Kind == awsapi.Structure {
			for i, e := range v {
				faults = append(faults, t.structure(element, e.(map[string]any), fmt.Sprintf("%s.%d.member", path, i+1))...)
			}
		} else if slices.ContainsFunc(v, func(e any) bool { return !t.fits(element, e) }) {
			fault(t.elementWords(shape))
		}
	case map[string]any:
		faults = append(faults, t.entries(shape, v, path, fault)...)
	}
	return faults
}

func (t *tables) entries(shape *awsapi.Shape, value map[string]any, path string, fault func(string)) (faults []string) {
	key, element := t.shape(shape.Key), t.shape(shape.Element)
	for k := range value {
		if len(t.own(key, k)) > 0 {
			fault("Map keys must satisfy constraint: [" + strings.Join(t.all(key), ", ") + "]")
			break
		}
	}
	if element.Kind == awsapi.Structure {
		for _, k := range slices.Sorted(maps.Keys(value)) {
			faults = append(faults, t.structure(element, value[k].(map[string]any), path+"."+k+".member")...)
		}
		return faults
	}
	for _, e := range value {
		if !t.fits(element, e) {
			fault("Map value must satisfy constraint: [" + strings.Join(append(t.all(element), "Member must not be null"), ", ") + "]")
			break
		}
	}
	return faults
}

func (t *tables) fits(shape *awsapi.Shape, value any) bool {
	if len(t.own(shape, value)) > 0 {
		return false
	}
	list, ok := value.([]any)
	return !ok || !slices.ContainsFunc(list, func(e any) bool { return !t.fits(t.shape(shape.Element), e) })
}

func (t *tables) secret(shape *awsapi.Shape) bool {
	if shape.Kind == awsapi.List || shape.Kind == awsapi.Map {
		return shape.Sensitive || t.shape(shape.Element).Sensitive
	}
	return shape.Sensitive
}

// own is the constraints of the value itself that it breaks.
func (t *tables) own(shape *awsapi.Shape, value any) (words []string) {
	n := size(value)
	text, _ := value.(string)
	if shape.Max.Set && n > shape.Max.Value {
		words = append(words, boundWords(shape, "less", shape.Max))
	}
	if shape.Min.Set && n < shape.Min.Value {
		words = append(words, boundWords(shape, "greater", shape.Min))
	}
	if shape.Pattern != "" && !t.matches(shape.Pattern, text) {
		words = append(words, patternWords(shape))
	}
	if len(shape.Enum) > 0 && !slices.Contains(shape.Enum, text) {
		words = append(words, enumWords(shape.Enum))
	}
	return words
}

// all is all constraints of a shape.
func (t *tables) all(shape *awsapi.Shape) (words []string) {
	if shape.Max.Set {
		words = append(words, boundWords(shape, "less", shape.Max))
	}
	if shape.Min.Set {
		words = append(words, boundWords(shape, "greater", shape.Min))
	}
	if shape.Pattern != "" {
		words = append(words, patternWords(shape))
	}
	if len(shape.Enum) > 0 {
		words = append(words, enumWords(shape.Enum))
	}
	if shape.Kind == awsapi.List {
		words = append(words, t.elementWords(shape))
	}
	return words
}

func (t *tables) elementWords(list *awsapi.Shape) string {
	words := t.all(t.shape(list.Element))
	if !list.Sparse {
		words = append(words, "Member must not be null")
	}
	if len(words) == 1 {
		return words[0]
	}
	return "Member must satisfy constraint: [" + strings.Join(words, ", ") + "]"
}

func boundWords(shape *awsapi.Shape, side string, bound awsapi.Bound) string {
	measure, limit := "length", strconv.FormatFloat(bound.Value, 'f', -1, 64)
	switch shape.Kind {
	case awsapi.Double:
		measure, limit = "value", fmt.Sprintf("%.1f", bound.Value)
	case awsapi.Integer, awsapi.Long:
		measure = "value"
	}
	return "Member must have " + measure + " " + side + " than or equal to " + limit
}

func patternWords(shape *awsapi.Shape) string {
	return "Member must satisfy regular expression pattern: " + shape.Pattern
}

func enumWords(values []string) string {
	return "Member must satisfy enum value set: [" + strings.Join(values, ", ") + "]"
}

// shown is a value as messages repeat it. Of structures that is their names: what
// the service says of them is not on record.
func (t *tables) shown(shape *awsapi.Shape, value any) string {
	list, ok := value.([]any)
	if element := t.shape(shape.Element); ok && element.Kind == awsapi.Structure {
		return "[" + strings.Join(slices.Repeat([]string{element.Name}, len(list)), ", ") + "]"
	}
	return show(value)
}

// show is a value as Java prints it.
func show(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return fmt.Sprintf("%.1f", v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = show(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, k+"="+show(v[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	default:
		return fmt.Sprint(value)
	}
}
