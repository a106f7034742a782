package badinput_test

import (
	"fmt"
	"maps"
	"regexp/syntax"
	"slices"
	"strings"

	"thaw/internal/awsapi"
)

// example is a small value of a shape that nothing is wrong with. Texts of shapes
// that name what the tests' server has are those names.
func (t *tables) example(shape *awsapi.Shape) any {
	switch shape.Kind {
	case awsapi.Structure:
		return t.required(shape)
	case awsapi.List:
		n := 1
		if shape.Min.Set {
			n = max(n, int(shape.Min.Value))
		}
		return t.elements(shape, n)
	case awsapi.Map:
		return t.filled(shape, 1)
	case awsapi.Integer, awsapi.Long:
		if shape.Min.Set {
			return int64(shape.Min.Value)
		}
		return int64(1)
	case awsapi.Double:
		return shape.Min.Value
	case awsapi.Boolean:
		return false
	case awsapi.Blob:
		return []byte("{}")
	case awsapi.Timestamp:
		return int64(1_700_000_000)
	}
	if name, ok := there(shape.Name); ok {
		return name
	}
	if len(shape.Enum) > 0 {
		return shape.Enum[0]
	}
	text, _ := t.text(shape, max(1, int(shape.Min.Value)))
	return text
}

// required is a structure of no more members than it must have.
func (t *tables) required(shape *awsapi.Shape) map[string]any {
	value := make(map[string]any)
	for i := range shape.Members {
		if m := &shape.Members[i]; m.Required {
			value[m.Name] = t.example(t.shape(m.Shape))
		}
	}
	return value
}

func (t *tables) elements(shape *awsapi.Shape, n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = t.example(t.shape(shape.Element))
	}
	return list
}

// filled is a map of n entries. Where there are not so many keys, further ones are
// made up.
func (t *tables) filled(shape *awsapi.Shape, n int) map[string]any {
	key, value := t.shape(shape.Key), make(map[string]any, n)
	for i := range n {
		k := fmt.Sprintf("k%d", i)
		switch {
		case i < len(key.Enum):
			k = key.Enum[i]
		case key.Pattern != "" && !t.matches(key.Pattern, k):
			k = fmt.Sprint(i + 1) // versions are numbers
		}
		value[k] = t.example(t.shape(shape.Element))
	}
	return value
}

// text is a text of a shape with a length, unless its pattern has none.
func (t *tables) text(shape *awsapi.Shape, length int) (string, bool) {
	if shape.Pattern == "" {
		return strings.Repeat("a", length), true
	}
	parsed, err := syntax.Parse(straight(shape.Pattern), syntax.Perl)
	if err != nil {
		return "", false
	}
	for choice := range 3 {
		g := growth{choice: choice}
		g.write(parsed)
		g = growth{choice: choice, left: length - g.Len()}
		g.write(parsed)
		if text := g.String(); len(text) == length && t.matches(shape.Pattern, text) {
			return text, true
		}
	}
	g := growth{}
	g.write(parsed)
	return g.String(), false
}

// growth writes a text of a pattern: the shortest that it comes to, and from there
// up to what is left.
type growth struct {
	strings.Builder
	choice int // which branch of alternatives
	left   int
}

func (g *growth) write(re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		g.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		g.WriteRune(letterOf(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		g.WriteByte('a')
	case syntax.OpCapture, syntax.OpConcat:
		for _, sub := range re.Sub {
			g.write(sub)
		}
	case syntax.OpAlternate:
		g.write(re.Sub[min(g.choice, len(re.Sub)-1)])
	case syntax.OpStar:
		g.repeat(re.Sub[0], 0, -1)
	case syntax.OpPlus:
		g.repeat(re.Sub[0], 1, -1)
	case syntax.OpQuest:
		g.repeat(re.Sub[0], 0, 1)
	case syntax.OpRepeat:
		g.repeat(re.Sub[0], re.Min, re.Max)
	}
}

func (g *growth) repeat(re *syntax.Regexp, least, most int) {
	for range least {
		g.write(re)
	}
	one := growth{choice: g.choice}
	one.write(re)
	for n := least; (most < 0 || n < most) && one.Len() > 0 && g.left >= one.Len(); n++ {
		g.left -= one.Len()
		rest := g.left
		g.left = 0 // what is repeated is short
		g.write(re)
		g.left = rest
	}
}

// letterOf is a character of a class, a letter or digit if it has one.
func letterOf(class []rune) rune {
	for _, want := range "a1A" {
		for i := 0; i < len(class); i += 2 {
			if class[i] <= want && want <= class[i+1] {
				return want
			}
		}
	}
	return class[0]
}

// variant is a value on one side of a constraint.
type variant struct {
	constraint string // "min", "max", "pattern", "enum"
	outside    bool
	value      any
}

// variants are values just inside and just outside of each constraint of a shape.
// missed counts the sides of which there is none, or none that was found.
func (t *tables) variants(shape *awsapi.Shape) (list []variant, missed int) {
	add := func(constraint string, outside bool, value any, ok bool) {
		if !ok || (len(t.own(shape, value)) > 0) != outside || !outside && len(t.value(shape, value, "")) > 0 {
			missed++
			return
		}
		list = append(list, variant{constraint, outside, value})
	}
	if shape.Max.Set {
		for _, outside := range []bool{false, true} {
			value, ok := t.sized(shape, shape.Max.Value, outside)
			add("max", outside, value, ok)
		}
	}
	if shape.Min.Set {
		inside, ok := t.sized(shape, shape.Min.Value, false)
		add("min", false, inside, ok)
		if isNumber := shape.Kind == awsapi.Integer || shape.Kind == awsapi.Long || shape.Kind == awsapi.Double; isNumber || shape.Min.Value > 0 {
			below, ok := t.sized(shape, shape.Min.Value-1, false)
			add("min", true, below, ok)
		}
	}
	if shape.Pattern != "" {
		inside := t.example(shape)
		add("pattern", false, inside, true)
		outside, ok := t.unlike(shape, inside.(string))
		add("pattern", true, outside, ok)
	}
	if len(shape.Enum) > 0 {
		add("enum", false, shape.Enum[len(shape.Enum)-1], true)
		add("enum", true, "not-a-value", true)
	}
	return list, missed
}

// sized is a value of a size, or one larger.
func (t *tables) sized(shape *awsapi.Shape, n float64, more bool) (any, bool) {
	if more {
		n++
	}
	if n > maxSize && shape.Kind != awsapi.Integer && shape.Kind != awsapi.Long || n < 0 && shape.Kind != awsapi.Integer && shape.Kind != awsapi.Double {
		return nil, false
	}
	switch shape.Kind {
	case awsapi.Integer, awsapi.Long:
		return int64(n), true
	case awsapi.Double:
		return n, true
	case awsapi.List:
		return t.elements(shape, int(n)), true
	case awsapi.Map:
		return t.filled(shape, int(n)), true
	case awsapi.Blob:
		return make([]byte, int(n)), true
	}
	text, ok := t.text(shape, int(n))
	if !ok { // of that length, but not of the pattern
		return strings.Repeat("a", int(n)), true
	}
	return text, true
}

// unlike is a text near another one that is not of the shape's pattern.
func (t *tables) unlike(shape *awsapi.Shape, near string) (string, bool) {
	candidates := append(lookedAround(shape.Pattern), near+"!", near+" ", "!"+near, near+"\u00e4", near+":", near+"$", "!", "a b", "a\nb")
	i := slices.IndexFunc(candidates, func(c string) bool {
		return !t.matches(shape.Pattern, c) && (!shape.Max.Set || size(c) <= shape.Max.Value) && size(c) >= shape.Min.Value
	})
	if i < 0 {
		return "", false
	}
	return candidates[i], true
}

// step leads from a value into it: to a member, an element, a key or a value.
type step struct {
	member string
	part   string // "element", "key", "value"; empty for a member
}

// place is somewhere in an operation's input that has constraints.
type place struct {
	op    *awsapi.Operation
	path  []step
	shape *awsapi.Shape
}

func (p place) String() string {
	words := []string{p.op.Name}
	for _, s := range p.path {
		words = append(words, s.member+s.part)
	}
	return strings.Join(words, ".")
}

// places are all of an operation.
func (t *tables) places(op *awsapi.Operation) (list []place) {
	var walk func(shape *awsapi.Shape, path []step, above []string)
	walk = func(shape *awsapi.Shape, path []step, above []string) {
		if slices.Contains(above, shape.Name) {
			return // the model is recursive here
		}
		above = append(slices.Clone(above), shape.Name)
		if len(path) > 0 {
			list = append(list, place{op, path, shape})
		}
		down := func(id awsapi.ShapeID, s step) { walk(t.shape(id), append(slices.Clone(path), s), above) }
		switch shape.Kind {
		case awsapi.Structure:
			for i := range shape.Members {
				if m := &shape.Members[i]; !m.ByService {
					down(m.Shape, step{member: m.Name})
				}
			}
		case awsapi.List:
			down(shape.Element, step{part: "element"})
		case awsapi.Map:
			down(shape.Key, step{part: "key"})
			down(shape.Element, step{part: "value"})
		}
	}
	walk(t.shape(op.Input), nil, nil)
	return list
}

// put is an input with a value at the end of a path.
func (t *tables) put(shape *awsapi.Shape, input any, path []step, value any) any {
	if len(path) == 0 {
		return value
	}
	switch s := path[0]; s.part {
	case "element":
		return []any{t.put(t.shape(shape.Element), t.example(t.shape(shape.Element)), path[1:], value)}
	case "key":
		return map[string]any{value.(string): t.example(t.shape(shape.Element))}
	case "value":
		m := t.filled(shape, 1)
		for k, v := range m {
			m[k] = t.put(t.shape(shape.Element), v, path[1:], value)
		}
		return m
	default:
		m := maps.Clone(input.(map[string]any))
		i := slices.IndexFunc(shape.Members, func(m awsapi.Member) bool { return m.Name == s.member })
		inner := t.shape(shape.Members[i].Shape)
		below, ok := m[s.member]
		if !ok {
			below = t.example(inner)
		}
		m[s.member] = t.put(inner, below, path[1:], value)
		return m
	}
}
