package runtimes_test

import (
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkWarm measures the smallest possible round of each client: one event
// over the plain net/http server of these tests, with nothing around it.
func BenchmarkWarm(b *testing.B) {
	tests := []struct{ runtime, dir, handler string }{
		{"provided.al2023", "go", "bootstrap"},
		{"java17", "java", "example.Hello"}, {"java21", "java", "example.Hello"}, {"java25", "java", "example.Hello"},
		{"python3.8", "python", "handler.handler"}, {"python3.9", "python", "handler.handler"},
		{"python3.10", "python", "handler.handler"}, {"python3.11", "python", "handler.handler"},
		{"python3.12", "python", "handler.handler"}, {"python3.13", "python", "handler.handler"},
		{"python3.14", "python", "handler.handler"},
		{"nodejs20.x", "node", "index.handler"}, {"nodejs22.x", "node", "index.handler"},
		{"nodejs24.x", "node", "index.handler"}, {"nodejs26.x", "node", "index.handler"},
	}
	for _, tt := range tests {
		b.Run(tt.runtime, func(b *testing.B) {
			r, err := built(b).Resolve(tt.runtime)
			if err != nil {
				b.Skip(err)
			}
			dir := filepath.Join("..", "..", "examples", tt.dir)
			switch tt.dir {
			case "go":
				dir = compile(b, dir)
			case "java":
				dir = exampleJar(b, r)
			}
			dir, err = filepath.Abs(dir)
			if err != nil {
				b.Fatal(err)
			}
			begin := time.Now()
			p := start(b, r, dir, tt.handler, nil)
			p.invoke(b, `{"name":"Ada"}`)
			first := time.Since(begin)
			for b.Loop() {
				p.invoke(b, `{"name":"Ada"}`)
			}
			b.ReportMetric(float64(first.Microseconds())/1000, "first-ms")
			b.Log("resident", p.residentKB())
		})
	}
}
