package metrics_test

import (
	"bytes"
	"testing"

	"thaw/internal/telemetry/metrics"
)

// FuzzHour: no file brings the server down, and what is read of one is what is written.
func FuzzHour(f *testing.F) {
	f.Add([]byte{0, 1, 1})
	f.Add([]byte{59, 3, 2, 0, 0, 0, 0, 0, 0, 8, 64, 0, 0, 0, 0, 0, 0, 240, 63, 0, 0, 0, 0, 0, 0, 0, 64, 2, 0, 1, 70, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		metrics.ReadHour(data)
		points, err := metrics.ReadHour(metrics.WriteHour("a\x00\x00\x00\x00", data))
		if err != nil {
			t.Error(err)
		}
		written := metrics.AppendPoints(points)
		again, err := metrics.ReadHour(metrics.WriteHour("a\x00\x00\x00\x00", written))
		if err != nil || !bytes.Equal(metrics.AppendPoints(again), written) {
			t.Errorf("%x is read again as %x, %v", written, metrics.AppendPoints(again), err)
		}
	})
}

// FuzzLog: of a log the blocks up to the first that is broken are read.
func FuzzLog(f *testing.F) {
	f.Add([]byte("thawlog1\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if good := metrics.ReplayLog(data); good > len(data) {
			t.Errorf("%d bytes are good of %d", good, len(data))
		}
	})
}
