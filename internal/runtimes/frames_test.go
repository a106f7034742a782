package runtimes_test

import (
	"encoding/binary"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// openFrames makes the pipe of framed log records and gives its writing end.
func (p *process) openFrames(t testing.TB) *os.File {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.frames = read
	t.Cleanup(func() { read.Close() })
	return write
}

// frame reads the next record: a word of type and level, the length, the time in
// microseconds, all big-endian, and the message.
func (p *process) frame(t *testing.T) string {
	t.Helper()
	if err := p.frames.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var header struct {
		Type, Size uint32
		Micros     int64
	}
	if err := binary.Read(p.frames, binary.BigEndian, &header); err != nil {
		t.Fatalf("read a frame's header: %v", err)
	}
	if header.Type&0xffffff00 != 0xa55a0000 || header.Size > 64<<10 {
		t.Fatalf("not a frame: type %#x, size %d", header.Type, header.Size)
	}
	if age := time.Since(time.UnixMicro(header.Micros)); age < -time.Minute || age > time.Hour {
		t.Errorf("a frame's time is %v ago", age)
	}
	message := make([]byte, header.Size)
	if _, err := io.ReadFull(p.frames, message); err != nil {
		t.Fatalf("read a frame's message: %v", err)
	}
	return string(message)
}

// A record of several lines must arrive as one: this is what the descriptor is for.
func TestFramedLog(t *testing.T) {
	tests := []struct {
		family, handler string
		files           map[string]string
	}{
		{family: "python", handler: "app.handler", files: map[string]string{"app.py": `
import logging, os
def handler(event, context):
    print("plain")
    logging.getLogger().error("first\nsecond")
    return os.environ.get("_LAMBDA_TELEMETRY_LOG_FD", "unset")
`}},
		{family: "nodejs", handler: "app.handler", files: map[string]string{"app.mjs": `
export const handler = async () => {
  process.stdout.write("plain\n");
  console.error("first\nsecond");
  return process.env._LAMBDA_TELEMETRY_LOG_FD ?? "unset";
};
`}},
	}
	for _, tt := range tests {
		for _, r := range languages(t, tt.family) {
			t.Run(r.Name, func(t *testing.T) {
				p := start(t, r, task(t, tt.files), tt.handler, nil)
				if got := p.invoke(t, "{}"); got.body != `"unset"` {
					t.Errorf("posted %+v, want the variable out of the function's sight", got)
				}
				if got := p.frame(t); !strings.Contains(got, "first\nsecond") {
					t.Errorf("framed %q, want the record of two lines", got)
				}
			})
		}
	}
}
