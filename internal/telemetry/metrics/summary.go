package metrics

import (
	"math"
	"slices"
)

// growth is the ratio of a bucket's ends: a value read back is within one percent of
// the one that was measured.
const growth = 1.02

var logGrowth = math.Log(growth)

// zeroBucket holds zero and what is below it.
const zeroBucket = math.MinInt16

// bucket counts the values in (growth^(index-1), growth^index].
type bucket struct {
	index int16
	count uint64
}

// bucketOf is the index of a value's bucket.
func bucketOf(v float64) int16 {
	switch {
	case v == 1:
		return 0
	case v <= 0 || math.IsNaN(v):
		return zeroBucket
	}
	return int16(min(max(math.Ceil(math.Log(v)/logGrowth), math.MinInt16+1), math.MaxInt16))
}

// middle is the value that stands for those of a bucket.
func (b bucket) middle() float64 {
	if b.index == zeroBucket {
		return 0
	}
	return math.Pow(growth, float64(b.index)) * 2 / (1 + growth)
}

// Summary is what is kept of some values. Its zero value is of none.
type Summary struct {
	Count    uint64
	Sum      float64
	Min, Max float64

	buckets []bucket // by index
}

// Add adds a value.
func (s *Summary) Add(v float64) {
	if s.Count == 0 {
		s.Min, s.Max = v, v
	} else {
		s.Min, s.Max = min(s.Min, v), max(s.Max, v)
	}
	s.Count++
	s.Sum += v
	s.bump(bucketOf(v), 1)
}

func (s *Summary) bump(index int16, n uint64) {
	// Most values fall where the last one did, or near: there are few buckets.
	at, found := slices.BinarySearchFunc(s.buckets, index, func(b bucket, i int16) int { return int(b.index) - int(i) })
	if !found {
		s.buckets = slices.Insert(s.buckets, at, bucket{index: index})
	}
	s.buckets[at].count += n
}

// Merge adds the values of another.
func (s *Summary) Merge(o *Summary) {
	if o.Count == 0 {
		return
	}
	if s.Count == 0 {
		s.Min, s.Max = o.Min, o.Max
	} else {
		s.Min, s.Max = min(s.Min, o.Min), max(s.Max, o.Max)
	}
	s.Count += o.Count
	s.Sum += o.Sum
	for _, b := range o.buckets {
		s.bump(b.index, b.count)
	}
}

// Average is the mean value; zero for none.
func (s *Summary) Average() float64 {
	if s.Count == 0 {
		return 0
	}
	return s.Sum / float64(s.Count)
}

// Percentile is the value below which p percent of the values are, from 0 to 100,
// within one percent of it.
func (s *Summary) Percentile(p float64) float64 {
	rank := p / 100 * float64(s.Count)
	seen := 0.0
	for _, b := range s.buckets {
		if seen += float64(b.count); seen >= rank && seen > 0 {
			return s.clamp(b.middle())
		}
	}
	return s.Max
}

func (s *Summary) clamp(v float64) float64 { return min(max(v, s.Min), s.Max) }

// Trimmed is what is between two bounds, which are percentiles or values.
type Trimmed struct {
	Count, Sum   float64
	Low, High    float64 // the values at the bounds
	Below, Above float64 // how many are outside
}

// Trim parts the values. Bounds are percentiles, 0 to 100, or, if values is set,
// values; of a bucket that a bound goes through a share is taken.
func (s *Summary) Trim(low, high float64, values bool) Trimmed {
	if values {
		return s.trimValues(low, high)
	}
	from, to := low/100*float64(s.Count), high/100*float64(s.Count)
	t := Trimmed{Low: s.Percentile(low), High: s.Percentile(high)}
	seen := 0.0
	for _, b := range s.buckets {
		n := float64(b.count)
		below := min(max(from-seen, 0), n)
		above := min(max(seen+n-to, 0), n)
		inside := max(n-below-above, 0)
		seen += n
		t.Below, t.Above, t.Count = t.Below+below, t.Above+above, t.Count+inside
		t.Sum += inside * s.clamp(b.middle())
	}
	return t
}

// trimValues takes low as excluded and high as included.
func (s *Summary) trimValues(low, high float64) Trimmed {
	t := Trimmed{Low: low, High: high}
	for _, b := range s.buckets {
		n, v := float64(b.count), s.clamp(b.middle())
		switch {
		case v <= low:
			t.Below += n
		case v > high:
			t.Above += n
		default:
			t.Count, t.Sum = t.Count+n, t.Sum+n*v
		}
	}
	return t
}
