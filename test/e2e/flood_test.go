package e2e_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestFlood prints much faster than an environment may: the log tells what is
// missing and how the flood ended, and the neighbour does not notice.
func TestFlood(t *testing.T) {
	s := shared(t)
	s.neighbour(t)
	s.bad(t, "flood", 1769, 60)
	a := s.invoke(t, "flood", map[string]any{"do": "print", "megabytes": 300})
	if a.Payload != `"printed"` {
		t.Errorf("answer %q", a.Payload)
	}
	note := regexp.MustCompile(`LOGS_DROPPED Records: (\d+)\tBytes: (\d+)\tReason: .*\nx+\nthe last line\nEND RequestId: `).FindStringSubmatch(a.Log)
	if note == nil {
		t.Fatalf("the log ends with %q", a.Log[max(0, len(a.Log)-2500):])
	}
	records, err := strconv.Atoi(note[1])
	if err != nil {
		t.Fatal(err)
	}
	if bytes := strconv.Itoa(records * 1024); bytes != note[2] {
		t.Errorf("%d lines of 1024 bytes are missing, which are said to be %s bytes", records, note[2])
	}
	b := s.invoke(t, "flood", map[string]any{"do": "state"})
	if strings.Contains(b.Log, "LOGS_DROPPED") {
		t.Errorf("the next invocation is told of the flood: %q", b.Log)
	}
}
