package events

import (
	"bytes"
	"log/slog"
	"testing"
	"testing/synctest"
)

var _ = synctest.Test

func openEvents(t testing.TB, dir string) *Events {
	t.Helper()
	var log bytes.Buffer
	s, err := Open(Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if log.Len() > 0 {
		t.Errorf("the log says:\n%s", &log)
	}
	return s
}
