package metrics

import "bytes"

// Flush writes the minutes that are over.
func (s *Store) Flush() error { return s.flush(false) }

// Point is a point as tests see it.
type Point = point

// ReadHour reads the points of a file.
func ReadHour(data []byte) (points []Point, err error) {
	h, err := openHour(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	if err := h.verify(); err != nil {
		return nil, err
	}
	err = h.find("", func(_ string, chunk []byte) {
		r := &reading{data: chunk}
		for len(r.data) > 0 {
			p, err := r.point()
			if err != nil {
				return
			}
			points = append(points, p)
		}
	})
	return points, err
}

// WriteHour makes a file with one series.
func WriteHour(key string, chunk []byte) []byte { return encodeHour(map[string][]byte{key: chunk}) }

// AppendPoints writes points that were read.
func AppendPoints(points []Point) (chunk []byte) {
	for i := range points {
		chunk = appendPoint(chunk, &points[i])
	}
	return chunk
}

// ReplayLog tells how much of a log is good.
func ReplayLog(data []byte) int {
	l := &log{known: map[string]uint64{}}
	return l.replay(data, func(string, *point) {})
}
