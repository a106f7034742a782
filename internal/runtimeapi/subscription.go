package runtimeapi

import (
	"encoding/json"

	"thaw/internal/telemetry"
)

// serveTelemetry takes an extension's subscription by the Telemetry API.
func serveTelemetry(c *conn, _ []byte) reply {
	return c.subscribe(TelemetryAPI, "Telemetry")
}

// serveLogs takes one by the Logs API, its predecessor.
func serveLogs(c *conn, _ []byte) reply {
	return c.subscribe(LogsAPI, "Logs")
}

// subscribed answers a subscription that was taken: a JSON string.
var subscribed = reply{status: 200, contentType: jsonType, body: []byte(`"OK"`)}

// subscribe takes a subscription, which is possible until init is over. name is
// the API's in messages.
func (c *conn) subscribe(api, name string) reply {
	s := c.srv
	if s.opts.Subscriptions == nil {
		return failed(202, name+".NotSupported", name+" API is not supported")
	}
	id, r, ok := identifier(&c.req)
	if !ok {
		return r
	}
	body, r, ok := c.smallBody()
	if !ok {
		return r
	}
	s.mu.Lock()
	e := s.byID(id)
	over := s.ready.done || s.leaving
	s.mu.Unlock()
	switch {
	case e == nil:
		return unknownExtension("extension " + id)
	case over:
		return failed(403, name+".SubscriptionClosed", name+" API subscription is closed")
	}
	if err := s.opts.Subscriptions.Subscribe(e.name, api, body); err != nil {
		return failed(400, "ValidationError", err.Error())
	}
	s.opts.OnSubscription(subscriptionRecord(e.name, api, body))
	return subscribed
}

// subscriptionRecord is what telemetry tells of a subscription that was taken.
func subscriptionRecord(extension, api string, body []byte) telemetry.Record {
	var asked struct {
		Types []string `json:"types"`
	}
	if json.Unmarshal(body, &asked) != nil || asked.Types == nil {
		asked.Types = []string{}
	}
	r := telemetry.TelemetrySubscription{Name: extension, State: "Subscribed", Types: asked.Types}
	if api == LogsAPI {
		return telemetry.LogsSubscription(r)
	}
	return r
}
