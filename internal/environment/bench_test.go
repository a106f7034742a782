package environment_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"thaw/internal/environment"
	"thaw/internal/lambda"
	"thaw/internal/runtimes"
	"thaw/internal/sandbox/fake"
)

// BenchmarkInvoke is one warm invocation: START to REPORT, over the driver's
// network in memory, with a runtime that costs as little as one can.
func BenchmarkInvoke(b *testing.B) {
	root := b.TempDir()
	if err := os.WriteFile(filepath.Join(root, "bootstrap"), nil, 0o755); err != nil {
		b.Fatal(err)
	}
	env := environment.New(environment.Options{
		Function: "f", Scope: lambda.DefaultScope, CodeRoot: root, Logger: slog.New(slog.DiscardHandler),
		Version: &lambda.Version{
			Number: lambda.Latest, Handler: "f",
			Resources: lambda.Resources{MemoryMB: 128, Timeout: 3 * time.Second, EphemeralStorageMB: 512},
			Logging:   lambda.Logging{Format: "Text", Group: group},
		},
		Runtime: runtimes.Runtime{Bootstrap: []string{"/var/task/bootstrap"}},
		Driver:  fake.New(fake.Options{Programs: map[string]fake.Program{"/var/task/bootstrap": lean}}),
		Logs:    unread{},
	})
	if err := env.Init(b.Context()); err != nil {
		b.Fatal(err)
	}
	free := make(chan bool, 1)
	watch := environment.Watch{Responded: func() {}, Free: func(ok bool) { free <- ok }}
	inv := lambda.Invocation{RequestID: id, ARN: "arn", Payload: []byte(`{"n":1}`)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := env.Invoke(b.Context(), inv, false, watch); err != nil {
			b.Fatal(err)
		}
		<-free
	}
	if err := env.Shutdown(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// lean is a runtime that answers every event with itself.
func lean(ctx context.Context, p *fake.Process) int {
	conn, err := p.Dial(ctx, "tcp", "169.254.100.1:9001")
	if err != nil {
		return 1
	}
	r := bufio.NewReader(conn)
	for {
		io.WriteString(conn, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n")
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return 0
		}
		event, _ := io.ReadAll(resp.Body)
		fmt.Fprintf(conn, "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s",
			resp.Header.Get("Lambda-Runtime-Aws-Request-Id"), len(event), event)
		if resp, err = http.ReadResponse(r, nil); err != nil {
			return 0
		}
		io.Copy(io.Discard, resp.Body)
	}
}
