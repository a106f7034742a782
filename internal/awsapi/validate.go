package awsapi

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"thaw/internal/lambda"
)

// An answer of faults is bounded: an input of some megabytes can have a million
// of them, each with a long value. The service repeats longer values whole than
// any that was recorded, so the bound is far above those.
const (
	// maxFaults is how many faults are told.
	maxFaults = 100
	// maxRepeated is how much of an input's values is repeated in all, in bytes.
	maxRepeated = 64 << 10
	// maxPath is how much of the path to a value is told, in bytes: keys of maps
	// are part of it.
	maxPath = 1 << 10
)

// Validate checks an operation's input against the model. Its faults, but not
// more than maxFaults, are told in one ValidationException, in the order of the
// model's members. What is in a list or map that is too long is not looked at.
func (c *Codec) Validate(op *Operation, input any) error {
	v := validation{codec: c, left: maxRepeated}
	v.structure(c.service.shape(op.Input), reflect.ValueOf(input).Elem(), "")
	return validationError(v.faults)
}

// Mismatch is the error of an input's string member that does not match its
// pattern, for callers that know better than the pattern.
func (c *Codec) Mismatch(op *Operation, member, value string) error {
	shape := c.service.shape(op.Input)
	for i := range shape.Members {
		if shape.Members[i].Name == member {
			shape = c.service.shape(shape.Members[i].Shape)
			break
		}
	}
	v := validation{codec: c, left: maxRepeated}
	v.add(shape, lowerCamel(member), reflect.ValueOf(value), patternText(shape))
	return validationError(v.faults)
}

// validationError is the answer to broken constraints, each worded already;
// nil if there are none.
func validationError(faults []string) error {
	if len(faults) == 0 {
		return nil
	}
	plural := "s"
	if len(faults) == 1 {
		plural = ""
	}
	return lambda.Errorf(lambda.CodeValidation, "%d validation error%s detected: %s", len(faults), plural, strings.Join(faults, "; "))
}

// validation gathers the faults of one input.
type validation struct {
	codec  *Codec
	faults []string
	left   int // of maxRepeated
}

// full tells whether enough faults are known.
func (v *validation) full() bool { return len(v.faults) >= maxFaults || v.left <= 0 }

// add words one fault as the service does.
func (v *validation) add(shape *Shape, path string, value reflect.Value, constraint string) {
	if v.full() {
		return
	}
	at := "Value at"
	if !v.sensitive(shape) {
		at = "Value '" + v.repeat(value) + "' at"
	}
	v.faults = append(v.faults, at+" '"+cutPath(path)+"' failed to satisfy constraint: "+constraint)
}

// repeat shows as much of a value as may be shown.
func (v *validation) repeat(value reflect.Value) string {
	r := repetition{left: v.left}
	r.value(value)
	v.left -= r.Len()
	return r.String()
}

func cutPath(path string) string {
	r := repetition{left: maxPath}
	r.text(path)
	return r.String()
}

// missing words the fault of a member that has to be there.
func (v *validation) missing(path string) {
	v.faults = append(v.faults, "Value null at '"+cutPath(path)+"' failed to satisfy constraint: Member must not be null")
}

func (v *validation) sensitive(shape *Shape) bool {
	switch shape.Kind {
	case List, Map:
		return shape.Sensitive || v.codec.service.shape(shape.Element).Sensitive
	default:
		return shape.Sensitive
	}
}

func (v *validation) structure(shape *Shape, value reflect.Value, path string) {
	for i := range shape.Members {
		if v.full() {
			return
		}
		m := &shape.Members[i]
		at := join(path, lowerCamel(m.Name))
		field := value.Field(i)
		if field.IsNil() {
			if m.Required {
				v.missing(at)
			}
			continue
		}
		if m.ByService {
			continue
		}
		known, inner := len(v.faults), v.codec.service.shape(m.Shape)
		v.value(inner, indirect(field), at)
		if len(m.Told) > 0 {
			v.retell(v.faults[known:], inner, m.Told)
		}
	}
}

// retell replaces the values that faults of a member tell as possible.
func (v *validation) retell(faults []string, shape *Shape, told []string) {
	if shape.Kind == List {
		shape = v.codec.service.shape(shape.Element)
	}
	other := *shape
	other.Enum = told
	for i := range faults {
		faults[i] = strings.Replace(faults[i], enumText(shape), enumText(&other), 1)
	}
}

// value checks one value that is there.
func (v *validation) value(shape *Shape, value reflect.Value, path string) {
	if shape.Kind == Structure {
		v.structure(shape, value, path)
		return
	}
	for _, constraint := range v.codec.broken(shape, value) {
		v.add(shape, path, value, constraint)
	}
	if shape.Max.Set && measure(shape.Kind, value) > shape.Max.Value {
		return
	}
	switch shape.Kind {
	case List:
		v.elements(shape, value, path)
	case Map:
		v.entries(shape, value, path)
	}
}

// elements checks what a list holds. Structures are visited; of anything else,
// one broken element makes one fault of the list, which tells every constraint.
func (v *validation) elements(shape *Shape, list reflect.Value, path string) {
	element := v.codec.service.shape(shape.Element)
	if element.Kind == Structure {
		for i := 0; i < list.Len() && !v.full(); i++ {
			v.structure(element, list.Index(i), path+"."+strconv.Itoa(i+1)+".member")
		}
		return
	}
	for i := range list.Len() {
		if !v.codec.fits(element, list.Index(i)) {
			v.add(shape, path, list, elementConstraint(v.codec.constraints(element), shape.Sparse))
			return
		}
	}
}

func elementConstraint(all []string, sparse bool) string {
	if !sparse {
		all = append(all, "Member must not be null")
	}
	if len(all) == 1 {
		return all[0]
	}
	return "Member must satisfy constraint: [" + strings.Join(all, ", ") + "]"
}

func (v *validation) entries(shape *Shape, m reflect.Value, path string) {
	key, element := v.codec.service.shape(shape.Key), v.codec.service.shape(shape.Element)
	keys := sortedKeys(m)
	if slices.ContainsFunc(keys, func(k reflect.Value) bool { return !v.codec.fits(key, k) }) {
		v.add(shape, path, m, "Map keys must satisfy constraint: ["+strings.Join(v.codec.constraints(key), ", ")+"]")
	}
	if element.Kind == Structure {
		for _, k := range keys {
			v.structure(element, m.MapIndex(k), join(path, k.String())+".member")
		}
		return
	}
	if slices.ContainsFunc(keys, func(k reflect.Value) bool { return !v.codec.fits(element, m.MapIndex(k)) }) {
		all := append(v.codec.constraints(element), "Member must not be null")
		v.add(shape, path, m, "Map value must satisfy constraint: ["+strings.Join(all, ", ")+"]")
	}
}

// fits checks a value with all it holds.
func (c *Codec) fits(shape *Shape, value reflect.Value) bool {
	if len(c.broken(shape, value)) > 0 {
		return false
	}
	if shape.Kind != List {
		return true
	}
	element := c.service.shape(shape.Element)
	for i := range value.Len() {
		if !c.fits(element, value.Index(i)) {
			return false
		}
	}
	return true
}

// broken lists the constraints of the value itself that do not hold.
func (c *Codec) broken(shape *Shape, value reflect.Value) []string {
	var out []string
	size := measure(shape.Kind, value)
	if shape.Max.Set && size > shape.Max.Value {
		out = append(out, maxText(shape))
	}
	if shape.Min.Set && size < shape.Min.Value {
		out = append(out, minText(shape))
	}
	if shape.Pattern != "" && !c.patterns.match(shape.Pattern, value.String()) {
		out = append(out, patternText(shape))
	}
	if len(shape.Enum) > 0 && !slices.Contains(shape.Enum, value.String()) {
		out = append(out, enumText(shape))
	}
	return out
}

// constraints lists all constraints of a shape.
func (c *Codec) constraints(shape *Shape) []string {
	var out []string
	if shape.Max.Set {
		out = append(out, maxText(shape))
	}
	if shape.Min.Set {
		out = append(out, minText(shape))
	}
	if shape.Pattern != "" {
		out = append(out, patternText(shape))
	}
	if len(shape.Enum) > 0 {
		out = append(out, enumText(shape))
	}
	if shape.Kind == List {
		out = append(out, elementConstraint(c.constraints(c.service.shape(shape.Element)), shape.Sparse))
	}
	return out
}

func patternText(s *Shape) string {
	return "Member must satisfy regular expression pattern: " + s.Pattern
}

func enumText(s *Shape) string {
	return "Member must satisfy enum value set: [" + strings.Join(s.Enum, ", ") + "]"
}

func maxText(s *Shape) string {
	return "Member must have " + measured(s.Kind) + " less than or equal to " + bound(s.Kind, s.Max)
}

func minText(s *Shape) string {
	return "Member must have " + measured(s.Kind) + " greater than or equal to " + bound(s.Kind, s.Min)
}

func measured(k Kind) string {
	switch k {
	case Integer, Long, Double:
		return "value"
	default:
		return "length"
	}
}

func bound(k Kind, b Bound) string {
	if k == Double {
		return decimal(b.Value)
	}
	return strconv.FormatFloat(b.Value, 'f', -1, 64)
}

// measure is what bounds apply to.
func measure(k Kind, value reflect.Value) float64 {
	switch k {
	case String:
		return float64(utf16Length(value.String()))
	case Integer, Long:
		return float64(value.Int())
	case Double:
		return value.Float()
	case Blob, List, Map:
		return float64(value.Len())
	default:
		return 0
	}
}

// utf16Length counts as the service does: in UTF-16 units.
func utf16Length(s string) int {
	n := utf8.RuneCountInString(s)
	for _, c := range s {
		if c > 0xffff {
			n++
		}
	}
	return n
}

func sortedKeys(m reflect.Value) []reflect.Value {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}

func indirect(field reflect.Value) reflect.Value {
	if field.Kind() == reflect.Pointer {
		return field.Elem()
	}
	return field
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// lowerCamel is a member's name in messages: "functionName", "kMSKeyArn".
func lowerCamel(name string) string {
	return string(unicode.ToLower(rune(name[0]))) + name[1:]
}
