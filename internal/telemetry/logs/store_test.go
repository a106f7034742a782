package logs_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/telemetry/logs"
)

func TestWaitWakesAtTheNextEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := logs.NewStore(logs.Options{})
		store.Append(group, stream, time.Now(), "one\n")
		_, next := store.Read(group, 0, 0)
		go func() {
			time.Sleep(time.Hour)
			store.Append(group, stream, time.Now(), "two\n")
		}()
		events, _ := store.Wait(t.Context(), group, next, 0)
		if len(events) != 1 || events[0].Message != "two\n" {
			t.Errorf("events %+v", events)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if events, _ := store.Wait(ctx, group, next+1, 0); events != nil {
			t.Errorf("events out of nothing: %+v", events)
		}
	})
}

// TestNumbersOfAnEarlierServer: one who followed a server that was replaced is
// shown all that the new one has.
func TestNumbersOfAnEarlierServer(t *testing.T) {
	store := logs.NewStore(logs.Options{})
	store.Append(group, stream, time.Now(), "one\n")
	if events, next := store.Read(group, 500, 0); len(events) != 1 || next != 2 {
		t.Errorf("events %+v, go on with %d", events, next)
	}
}

func TestGroupsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := logs.NewStore(logs.Options{MaxGroups: 3})
		for i := range 5 {
			time.Sleep(time.Second)
			store.Append(fmt.Sprint("g", i), "s", time.Now(), "x\n")
		}
		for i := range 5 {
			events, _ := store.Read(fmt.Sprint("g", i), 0, 0)
			if got, want := len(events) == 1, i >= 2; got != want {
				t.Errorf("group g%d kept: %v, want %v", i, got, want)
			}
		}
	})
}

func TestGroupBytesAreBounded(t *testing.T) {
	store := logs.NewStore(logs.Options{GroupBytes: 64 << 10})
	for range 64 << 10 {
		store.Append(group, stream, time.Now(), "0123456789abcde\n")
	}
	store.Append(group, stream, time.Now(), strings.Repeat("y", logs.MaxEvent))
	store.Append(group, stream, time.Now(), "z\n")
	events, next := store.Read(group, 0, 0)
	if len(events) != 1 || next != 64<<10+3 {
		t.Errorf("%d events are kept and the next is %d", len(events), next)
	}
}
