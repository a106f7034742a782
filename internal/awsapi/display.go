package awsapi

import (
	"math"
	"reflect"
	"strconv"
	"strings"
)

// display shows a value as Java would print it.
func display(value reflect.Value) string {
	r := repetition{left: math.MaxInt}
	r.value(value)
	return r.String()
}

// repetition shows values as Java would print them, as far as there is room.
type repetition struct {
	strings.Builder
	left int
}

// cutMark ends what is not shown whole.
const cutMark = "..."

// text writes a text, or its beginning if it does not fit.
func (r *repetition) text(s string) {
	if r.left <= 0 {
		return
	}
	if len(s) > r.left {
		s = strings.ToValidUTF8(s[:r.left], "") + cutMark
		r.left = 0
	} else {
		r.left -= len(s)
	}
	r.WriteString(s)
}

func (r *repetition) value(value reflect.Value) {
	switch value.Kind() {
	case reflect.String:
		r.text(value.String())
	case reflect.Bool:
		r.text(strconv.FormatBool(value.Bool()))
	case reflect.Int, reflect.Int64:
		r.text(strconv.FormatInt(value.Int(), 10))
	case reflect.Float64:
		r.text(decimal(value.Float()))
	case reflect.Slice:
		r.text("[")
		for i := 0; i < value.Len() && r.left > 0; i++ {
			if i > 0 {
				r.text(", ")
			}
			r.value(value.Index(i))
		}
		r.text("]")
	case reflect.Map:
		r.text("{")
		for i, k := range sortedKeys(value) {
			if r.left <= 0 {
				break
			}
			if i > 0 {
				r.text(", ")
			}
			r.text(k.String() + "=")
			r.value(value.MapIndex(k))
		}
		r.text("}")
	default:
		r.text(value.Type().Name())
	}
}

// decimal always has a point: "1.0".
func decimal(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}
