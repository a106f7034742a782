package monitoring

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// call carries out a function; its opening parenthesis is behind.
func (e *evaluation) call(name string) (value, error) {
	if name == "METRICS" {
		return e.metrics()
	}
	if f := reductions[name]; f != nil {
		args, err := e.arguments(1, 1)
		if err != nil {
			return value{}, err
		}
		return e.reduce(f, args[0])
	}
	if f := mappings[name]; f != nil {
		args, err := e.arguments(1, 1)
		if err != nil {
			return value{}, err
		}
		return e.combine(func(v, _ float64) float64 { return f(v) }, args[0], numberValue(0))
	}
	if f := transforms[name]; f != nil {
		args, err := e.arguments(1, 1)
		if err != nil {
			return value{}, err
		}
		return args[0].transform(f)
	}
	switch name {
	case "FILL":
		return e.fill()
	case "IF":
		return e.choose()
	case "PERIOD":
		args, err := e.arguments(1, 1)
		if err != nil {
			return value{}, err
		}
		if !args[0].isSeries() {
			return value{}, errors.New("PERIOD is of one time series")
		}
		return numberValue(args[0].list[0].span.period.Seconds()), nil
	}
	return value{}, fmt.Errorf("the function %s is not supported", name)
}

// arguments reads what is between parentheses.
func (e *evaluation) arguments(least, most int) (args []value, err error) {
	for {
		v, err := e.binary(0)
		if err != nil {
			return nil, err
		}
		args = append(args, v)
		if e.take(")") {
			break
		}
		if !e.take(",") {
			return nil, errors.New("a parenthesis is not closed")
		}
	}
	if len(args) < least || len(args) > most {
		return nil, fmt.Errorf("a function has %d arguments, not %d to %d", len(args), least, most)
	}
	return args, nil
}

// reductions make one number of some; of nothing they are not asked.
var reductions = map[string]func([]float64) float64{
	"SUM": sum, "AVG": mean, "MIN": slices.Min[[]float64], "MAX": slices.Max[[]float64],
	"STDDEV": func(v []float64) float64 {
		m, squares := mean(v), 0.0
		for _, one := range v {
			squares += (one - m) * (one - m)
		}
		return math.Sqrt(squares / float64(len(v)))
	},
	"DATAPOINT_COUNT": func(v []float64) float64 { return float64(len(v)) },
}

func sum(v []float64) (total float64) {
	for _, one := range v {
		total += one
	}
	return total
}

func mean(v []float64) float64 { return sum(v) / float64(len(v)) }

// mappings make one number of one.
var mappings = map[string]func(float64) float64{
	"ABS": math.Abs, "CEIL": math.Ceil, "FLOOR": math.Floor, "LOG": math.Log, "LOG10": math.Log10,
}

// transforms make a series of one.
var transforms = map[string]func(series) series{
	"DIFF": func(s series) series {
		return s.steps(func(before, now sample) float64 { return now.value - before.value })
	},
	"RATE": func(s series) series {
		return s.steps(func(before, now sample) float64 { return (now.value - before.value) / now.at.Sub(before.at).Seconds() })
	},
	"RUNNING_SUM": func(s series) series {
		total := 0.0
		return s.each(func(v float64) float64 { total += v; return total })
	},
}

// steps has a value for each sample but the first.
func (s series) steps(f func(before, now sample) float64) series {
	out := s
	out.samples = nil
	for i := 1; i < len(s.samples); i++ {
		out.samples = append(out.samples, sample{s.samples[i].at, f(s.samples[i-1], s.samples[i])})
	}
	return out
}

func (v value) transform(f func(series) series) (value, error) {
	if v.isNumber() {
		return value{}, errors.New("a function of a time series is called with a number")
	}
	out := value{many: v.many, list: []series{}}
	for _, s := range v.list {
		out.list = append(out.list, f(s))
	}
	return out, nil
}

// reduce makes a number of one series, and one series of a list: at each time, of
// those that have a value then.
func (e *evaluation) reduce(f func([]float64) float64, v value) (value, error) {
	if v.isNumber() {
		return v, nil
	}
	if v.isSeries() {
		var numbers []float64
		for _, s := range v.list[0].samples {
			numbers = append(numbers, s.value)
		}
		if len(numbers) == 0 {
			return numberValue(0), nil
		}
		return numberValue(f(numbers)), nil
	}
	byTime := map[int64][]float64{}
	out := series{}
	for i, s := range v.list {
		if i == 0 {
			out.span = s.span
		}
		for _, one := range s.samples {
			byTime[one.at.Unix()] = append(byTime[one.at.Unix()], one.value)
		}
		if err := e.spend(len(s.samples)); err != nil {
			return value{}, err
		}
	}
	for _, at := range slices.Sorted(maps.Keys(byTime)) {
		if v := f(byTime[at]); finite(v) {
			out.samples = append(out.samples, sample{time.Unix(at, 0).UTC(), v})
		}
	}
	return seriesValue(out), nil
}

// metrics is the list of the request's metrics, or of those whose name has a text.
func (e *evaluation) metrics() (value, error) {
	part := ""
	if e.words[0].kind == 's' {
		part = e.words[0].text
		e.words = e.words[1:]
	}
	if !e.take(")") {
		return value{}, errors.New("METRICS takes a string, or nothing")
	}
	list, err := e.all(part)
	if err != nil {
		return value{}, err
	}
	return listValue(list), e.spend(len(list))
}

// fill gives values to the periods that have none: a number, those of another series,
// the one before, or what is between.
func (e *evaluation) fill() (value, error) {
	v, err := e.binary(0)
	if err != nil {
		return value{}, err
	}
	if v.isNumber() || !e.take(",") {
		return value{}, errors.New("FILL is of a time series and what fills it")
	}
	var by func(s series, at time.Time, i int) (float64, bool)
	switch word := e.words[0]; word.text {
	case "REPEAT", "LINEAR":
		by = map[string]func(series, time.Time, int) (float64, bool){"REPEAT": repeated, "LINEAR": interpolated}[word.text]
		e.words = e.words[1:]
	default:
		filler, err := e.binary(0)
		if err != nil {
			return value{}, err
		}
		switch {
		case filler.isNumber():
			by = func(series, time.Time, int) (float64, bool) { return filler.number, true }
		case filler.isSeries():
			others := filler.list[0].at()
			by = func(_ series, at time.Time, _ int) (float64, bool) { v, ok := others[at.Unix()]; return v, ok }
		default:
			return value{}, errors.New("FILL fills with a number, a time series, REPEAT or LINEAR")
		}
	}
	if !e.take(")") {
		return value{}, errors.New("a parenthesis is not closed")
	}
	out := value{many: v.many, list: []series{}}
	for _, s := range v.list {
		if err := e.spend(s.periods()); err != nil {
			return value{}, err
		}
		out.list = append(out.list, s.filled(by))
	}
	return out, nil
}

// filled asks for each period without a value; i is the index of the first sample
// behind it.
func (s series) filled(by func(s series, at time.Time, i int) (float64, bool)) series {
	out := s
	out.samples = nil
	i := 0
	for _, at := range s.grid() {
		if i < len(s.samples) && s.samples[i].at.Equal(at) {
			out.samples = append(out.samples, s.samples[i])
			i++
			continue
		}
		if v, ok := by(s, at, i); ok && finite(v) {
			out.samples = append(out.samples, sample{at, v})
		}
	}
	return out
}

func repeated(s series, _ time.Time, i int) (float64, bool) {
	if i == 0 {
		return 0, false
	}
	return s.samples[i-1].value, true
}

// interpolated is on the line from the sample before to the one behind.
func interpolated(s series, at time.Time, i int) (float64, bool) {
	if i == 0 || i == len(s.samples) {
		return 0, false
	}
	a, b := s.samples[i-1], s.samples[i]
	share := at.Sub(a.at).Seconds() / b.at.Sub(a.at).Seconds()
	return a.value + share*(b.value-a.value), true
}

// choose is IF: at each time the one value or the other.
func (e *evaluation) choose() (value, error) {
	args, err := e.arguments(2, 3)
	if err != nil {
		return value{}, err
	}
	for _, a := range args {
		if a.many {
			return value{}, errors.New("IF is of time series and numbers, not of lists")
		}
	}
	condition := args[0]
	if condition.isNumber() {
		switch {
		case condition.number != 0:
			return args[1], nil
		case len(args) == 3:
			return args[2], nil
		}
		return seriesValue(series{}), nil
	}
	choices := make([]func(at int64) (float64, bool), len(args)-1)
	for i, a := range args[1:] {
		if a.isNumber() {
			choices[i] = func(int64) (float64, bool) { return a.number, true }
			continue
		}
		found := a.list[0].at()
		choices[i] = func(at int64) (float64, bool) { v, ok := found[at]; return v, ok }
	}
	out := condition.list[0]
	out.samples = nil
	for _, s := range condition.list[0].samples {
		i := 0
		if s.value == 0 {
			i = 1
		}
		if i >= len(choices) {
			continue
		}
		if v, ok := choices[i](s.at.Unix()); ok {
			out.samples = append(out.samples, sample{s.at, v})
		}
	}
	return seriesValue(out), e.spend(len(out.samples))
}
