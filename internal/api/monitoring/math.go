package monitoring

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// Metric math: expressions over the results of other queries. A value is a number, a
// series of values in time, or a list of series. Values of two series meet where both
// have one; what is no number, such as a share of nothing, is left out.

// series is a result of a query, with the periods that it could have values in.
type series struct {
	id, label string
	samples   []sample
	span      span
}

// value is what an expression comes to: a number if list is nil, one series unless it
// is many, or a list.
type value struct {
	number float64
	list   []series
	many   bool
}

func numberValue(v float64) value { return value{number: v} }
func seriesValue(s series) value  { return value{list: []series{s}} }
func listValue(l []series) value {
	return value{list: slices.Clip(append([]series{}, l...)), many: true}
}
func (v value) isNumber() bool { return v.list == nil }
func (v value) isSeries() bool { return v.list != nil && !v.many }
func truth(b bool) float64     { return map[bool]float64{true: 1}[b] }
func finite(v float64) bool    { return !math.IsNaN(v) && !math.IsInf(v, 0) }
func (s series) at() map[int64]float64 {
	found := make(map[int64]float64, len(s.samples))
	for _, one := range s.samples {
		found[one.at.Unix()] = one.value
	}
	return found
}

// each is a series with every value made into another; those that are no numbers
// are left out.
func (s series) each(f func(float64) float64) series {
	out := s
	out.samples = nil
	for _, one := range s.samples {
		if v := f(one.value); finite(v) {
			out.samples = append(out.samples, sample{one.at, v})
		}
	}
	return out
}

// maxDepth bounds how deep expressions are nested, and maxWork how many values one
// request may read and make in all.
const (
	maxDepth = 50
	maxWork  = 3_000_000
)

const tooLarge = "the queries of the request have too many values: ask for less time, or longer periods"

var (
	errTooDeep  = errors.New("the expression is nested too deep")
	errTooLarge = errors.New(tooLarge)
)

// lookup finds the value of another query.
type lookup func(id string) (value, error)

// evaluation is one expression being parsed and carried out.
type evaluation struct {
	words  []token
	depth  int
	lookup lookup
	all    func(part string) ([]series, error) // METRICS
	work   *int
}

// evaluate carries out an expression.
func (e *evaluation) evaluate(text string) (v value, err error) {
	if e.words, err = lex(text); err != nil {
		return value{}, err
	}
	if v, err = e.binary(0); err != nil {
		return value{}, err
	}
	if left := e.words[0]; left.kind != 0 {
		return value{}, fmt.Errorf("%q is unexpected", left.text)
	}
	return v, nil
}

// levels are the binary operators, by how tightly they bind.
var levels = [][]string{{"||", "OR"}, {"&&", "AND"}, {"==", "!=", "<", "<=", ">", ">="}, {"+", "-"}, {"*", "/"}}

var arithmetic = map[string]func(a, b float64) float64{
	"+": func(a, b float64) float64 { return a + b }, "-": func(a, b float64) float64 { return a - b },
	"*": func(a, b float64) float64 { return a * b }, "/": func(a, b float64) float64 { return a / b },
	"^":  math.Pow,
	"==": func(a, b float64) float64 { return truth(a == b) }, "!=": func(a, b float64) float64 { return truth(a != b) },
	"<": func(a, b float64) float64 { return truth(a < b) }, "<=": func(a, b float64) float64 { return truth(a <= b) },
	">": func(a, b float64) float64 { return truth(a > b) }, ">=": func(a, b float64) float64 { return truth(a >= b) },
	"&&": func(a, b float64) float64 { return truth(a != 0 && b != 0) }, "AND": func(a, b float64) float64 { return truth(a != 0 && b != 0) },
	"||": func(a, b float64) float64 { return truth(a != 0 || b != 0) }, "OR": func(a, b float64) float64 { return truth(a != 0 || b != 0) },
}

func (e *evaluation) binary(level int) (value, error) {
	if level == len(levels) {
		return e.unary()
	}
	left, err := e.binary(level + 1)
	for err == nil && (e.words[0].kind == 'o' || e.words[0].kind == 'i') && slices.Contains(levels[level], e.words[0].text) {
		f := arithmetic[e.words[0].text]
		e.words = e.words[1:]
		var right value
		if right, err = e.binary(level + 1); err == nil {
			left, err = e.combine(f, left, right)
		}
	}
	return left, err
}

func (e *evaluation) unary() (value, error) {
	if e.depth++; e.depth > maxDepth {
		return value{}, errTooDeep
	}
	defer func() { e.depth-- }()
	if e.take("-") {
		v, err := e.unary()
		if err != nil {
			return value{}, err
		}
		return e.combine(arithmetic["-"], numberValue(0), v)
	}
	base, err := e.primary()
	if err != nil || !e.take("^") {
		return base, err
	}
	exponent, err := e.unary()
	if err != nil {
		return value{}, err
	}
	return e.combine(math.Pow, base, exponent)
}

// take goes on behind an operator if it comes next.
func (e *evaluation) take(op string) bool {
	if e.words[0] != (token{'o', op}) {
		return false
	}
	e.words = e.words[1:]
	return true
}

func (e *evaluation) primary() (value, error) {
	word := e.words[0]
	if word.kind != 0 {
		e.words = e.words[1:]
	}
	switch {
	case word.kind == 'n':
		v, err := strconv.ParseFloat(word.text, 64)
		if err != nil {
			return value{}, fmt.Errorf("%q is no number", word.text)
		}
		return numberValue(v), nil
	case word.kind == 'i' && e.take("("):
		return e.call(word.text)
	case word.kind == 'i':
		return e.lookup(word.text)
	case word == token{'o', "("}:
		v, err := e.binary(0)
		if err == nil && !e.take(")") {
			err = errors.New("a parenthesis is not closed")
		}
		return v, err
	case word == token{'o', "["}:
		return e.array()
	case word.kind == 0:
		return value{}, errors.New("the expression has no end")
	}
	return value{}, fmt.Errorf("%q is unexpected", word.text)
}

// array is what is between brackets: series.
func (e *evaluation) array() (value, error) {
	var list []series
	for {
		v, err := e.binary(0)
		if err != nil {
			return value{}, err
		}
		if v.isNumber() {
			return value{}, errors.New("a list has a number in it, not a time series")
		}
		list = append(list, v.list...)
		if e.take("]") {
			return listValue(list), e.spend(len(list))
		}
		if !e.take(",") {
			return value{}, errors.New("a bracket is not closed")
		}
	}
}

// spend counts work.
func (e *evaluation) spend(n int) error {
	if *e.work += n; *e.work > maxWork {
		return errTooLarge
	}
	return nil
}

// combine applies an operator.
func (e *evaluation) combine(f func(a, b float64) float64, a, b value) (value, error) {
	if a.isNumber() && b.isNumber() {
		return numberValue(f(a.number, b.number)), nil
	}
	if a.many && b.many {
		return value{}, errors.New("an operator is between two lists of time series")
	}
	out := value{many: a.many || b.many, list: []series{}}
	for i := range max(len(a.list), len(b.list)) {
		var one series
		switch {
		case b.isNumber():
			one = a.list[i].each(func(v float64) float64 { return f(v, b.number) })
		case a.isNumber():
			one = b.list[i].each(func(v float64) float64 { return f(a.number, v) })
		case a.many:
			one = meet(a.list[i], b.list[0], f)
		case b.many:
			one = meet(a.list[0], b.list[i], f)
		default:
			one = meet(a.list[0], b.list[0], f)
		}
		out.list = append(out.list, one)
		if err := e.spend(len(one.samples) + 1); err != nil {
			return value{}, err
		}
	}
	return out, nil
}

// meet combines the values at the times that both series have.
func meet(a, b series, f func(a, b float64) float64) series {
	others := b.at()
	out := a
	out.samples = nil
	for _, one := range a.samples {
		other, both := others[one.at.Unix()]
		if v := f(one.value, other); both && finite(v) {
			out.samples = append(out.samples, sample{one.at, v})
		}
	}
	return out
}

// periods is how many a series could have values in.
func (s series) periods() int {
	if s.span.period <= 0 {
		return 0
	}
	return int(min(s.span.to.Sub(s.span.from)/s.span.period+1, maxWork+1))
}

// grid are the beginnings of the periods of a series.
func (s series) grid() []time.Time {
	times := make([]time.Time, 0, s.periods())
	for i := range cap(times) {
		if at := s.span.from.Add(time.Duration(i) * s.span.period); at.Before(s.span.to) {
			times = append(times, at)
		}
	}
	return times
}
