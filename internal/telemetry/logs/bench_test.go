package logs_test

import (
	"testing"
	"time"

	"thaw/internal/telemetry"
	"thaw/internal/telemetry/logs"
)

// BenchmarkInvocation is what a warm invocation pays for its log: START, one line
// out of the pipe, END and REPORT; "silent" without the line.
func BenchmarkInvocation(b *testing.B) {
	for name, line := range map[string]string{
		"line":   "2026-01-02T03:04:05.678Z\t" + id + "\tINFO\thello world\n",
		"silent": "",
	} {
		b.Run(name, func(b *testing.B) {
			s := logs.Open(logs.StreamOptions{Sink: discard{}, Group: group, Name: stream})
			c, w := capture(b, s)
			metrics := telemetry.NewReportMetrics(3*time.Millisecond, 0, 3*time.Second, 128, 36<<20)
			b.ReportAllocs()
			for b.Loop() {
				s.Emit(telemetry.Start{RequestID: id, Version: "$LATEST"})
				if line != "" {
					w.output.Write([]byte(line))
				}
				c.Flush()
				s.Emit(telemetry.End{RequestID: id})
				s.Emit(telemetry.Report{RequestID: id, Status: telemetry.Success, Metrics: metrics})
			}
			w.output.Close()
			w.frames.Close()
			c.Close()
		})
	}
}

type discard struct{}

func (discard) Append(string, string, time.Time, string) {}
