package runtimeapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"thaw/internal/runtimeapi"
	"thaw/internal/telemetry"
)

// options reads what the server is made with.
func (s *stage) options(text string) {
	o := &s.opts
	for name, value := range fields(text) {
		switch name {
		case "max-response":
			o.MaxResponse = int64(s.number(value))
		case "max-connections":
			o.MaxConnections = s.number(value)
		case "extensions":
			o.Extensions = strings.Fields(value)
		case "function":
			if _, err := fmt.Sscan(value, &o.Function.Name, &o.Function.Version, &o.Function.Handler, &o.Function.AccountID); err != nil {
				s.t.Fatal(err)
			}
		case "subscriptions":
			o.Subscriptions = (*subscriptions)(s)
		case "snapstart":
			o.SnapStart = true
		case "metadata":
			if _, err := fmt.Sscan(value, &o.Metadata.Token, &o.Metadata.AvailabilityZoneID); err != nil {
				s.t.Fatal(err)
			}
		default:
			s.t.Fatalf("options: no such option: %q", name)
		}
	}
}

func (s *stage) number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// subscriptions refuses what says "bad" and tells of the rest.
type subscriptions stage

func (s *subscriptions) Subscribe(extension, api string, body []byte) error {
	if strings.Contains(string(body), "bad") {
		return errors.New("it says bad")
	}
	(*stage)(s).tell("%s subscribes by %s: %s", extension, api, body)
	return nil
}

func (s *stage) tell(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(&s.told, format+"\n", args...)
}

// listen has the records that the server gives away written down.
func (s *stage) listen() {
	record := func(r telemetry.Record) {
		text, err := json.Marshal(r)
		if err != nil {
			s.t.Error(err)
		}
		s.tell("%s %s", r.Type(), text)
	}
	s.opts.OnExtension = func(e telemetry.Extension) { record(e) }
	s.opts.OnSubscription = record
}

// observations are the steps that only look.
var observations = map[string]func(*stage) string{
	"done": func(s *stage) string {
		done := false
		s.exchange.WhenRuntimeDone(func() { done = true })
		return fmt.Sprintln(done)
	},
	"idle":  func(s *stage) string { return fmt.Sprintln(closed(idle(s.exchange))) },
	"times": (*stage).times,
	"signals": func(s *stage) string {
		v := s.server
		return fmt.Sprintf("registered %v, started %v, restore ready %v, ready %v, failed %v\n",
			closed(v.Registered()), closed(v.Started()), closed(v.RestoreReady()), closed(v.Ready()), closed(v.Failed()))
	},
	"fault": func(s *stage) string {
		f := s.server.Fault()
		if f == nil {
			return "none\n"
		}
		return fmt.Sprintf("source: %s, reported: %q\n%s", f.Source, f.Reported, renderFailure(f.Failure))
	},
	"extensions": func(s *stage) string {
		var b strings.Builder
		for _, e := range s.server.Extensions() {
			fmt.Fprintf(&b, "%s external=%v %s %v\n", e.Name, e.External, e.State, e.Events)
		}
		return b.String()
	},
	"told": func(s *stage) string {
		s.mu.Lock()
		defer s.mu.Unlock()
		told := s.told.String()
		s.told.Reset()
		return told
	},
}

func (s *stage) times() string {
	var b strings.Builder
	t := s.exchange.Times()
	for _, m := range []struct {
		name string
		at   time.Time
	}{{"delivered", t.Delivered}, {"responding", t.Responding}, {"responded", t.Responded}, {"runtime done", t.RuntimeDone}, {"idle", t.Idle}} {
		when := "-"
		if !m.at.IsZero() {
			when = m.at.Sub(s.began).String()
		}
		fmt.Fprintf(&b, "%s %s\n", m.name, when)
	}
	return b.String()
}

// end performs the steps that end a phase.
func (s *stage) end(name, text string) (string, bool) {
	if name == "restored" {
		err := s.server.Restored()
		if err != nil && !errors.Is(err, runtimeapi.ErrNotReady) {
			s.t.Errorf("restored: %v", err)
		}
		if err != nil {
			return "refused\n", true
		}
		return "\n", true
	}
	reason, left, _ := strings.Cut(strings.TrimSpace(text), " ")
	d, err := time.ParseDuration(left)
	if err != nil {
		s.t.Fatal(err)
	}
	s.server.Shutdown(reason, time.Now().Add(d))
	return "", false
}

var uuid = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// abstract names the identifiers that the server has sent by numbers.
func (s *stage) abstract(text string) string {
	return uuid.ReplaceAllStringFunc(text, func(id string) string {
		for i, known := range s.ids {
			if known == id {
				return fmt.Sprintf("{%d}", i+1)
			}
		}
		s.ids = append(s.ids, id)
		return fmt.Sprintf("{%d}", len(s.ids))
	})
}

// insert puts the identifiers in.
func (s *stage) insert(text string) string {
	for i, id := range s.ids {
		text = strings.ReplaceAll(text, fmt.Sprintf("{%d}", i+1), id)
	}
	return text
}
