package monitoring

import "time"

// Evaluate carries out an expression over series of one value a minute, for fuzzing; NaN
// is no value.
func Evaluate(text string, given map[string][]float64, isNaN func(float64) bool) (list [][]float64, number float64, err error) {
	e := &evaluation{work: new(int), lookup: func(id string) (value, error) { return seriesValue(minutes(given[id], isNaN)), nil }}
	e.all = func(string) (all []series, err error) {
		for _, id := range []string{"a", "b"} {
			all = append(all, minutes(given[id], isNaN))
		}
		return all, nil
	}
	v, err := e.evaluate(text)
	if err != nil || v.isNumber() {
		return nil, v.number, err
	}
	for _, s := range v.list {
		var numbers []float64
		for _, one := range s.samples {
			numbers = append(numbers, one.value)
		}
		list = append(list, numbers)
	}
	return list, 0, nil
}

func minutes(values []float64, isNaN func(float64) bool) series {
	start := time.Unix(0, 0).UTC()
	s := series{span: span{from: start, to: start.Add(time.Duration(len(values)) * time.Minute), period: time.Minute}}
	for i, v := range values {
		if !isNaN(v) {
			s.samples = append(s.samples, sample{start.Add(time.Duration(i) * time.Minute), v})
		}
	}
	return s
}
