package runtimeapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"thaw/internal/lambda"
)

// registration is the body of a request to register.
type registration struct {
	Events            []string `json:"events"`
	ConfigurationKeys []string `json:"configurationKeys"`
}

// serveRegister takes an extension in: an external one by the name of its file,
// any other name as an internal one.
func serveRegister(c *conn, _ []byte) reply {
	name := string(c.req.header("lambda-extension-name"))
	accountID := hasFeature(c.req.header("lambda-extension-accept-feature"), "accountId")
	body, r, ok := c.smallBody()
	if !ok {
		return r
	}
	switch {
	case name == "":
		return failed(403, "Extension.InvalidExtensionName", "Empty extension name")
	case len(name) > maxExtensionName:
		return failed(403, "Extension.InvalidExtensionName", fmt.Sprintf("Extension name is longer than %d bytes", maxExtensionName))
	}
	asked, err := parseRegistration(body)
	if err != nil {
		return failed(403, "InvalidRequestFormat", err.Error())
	}
	s := c.srv
	s.mu.Lock()
	id, r, ok := s.register(name, asked)
	s.mu.Unlock()
	if !ok {
		return r
	}
	return registered(s.opts.Function, id, accountID)
}

func parseRegistration(body []byte) (registration, error) {
	var r registration
	if err := json.Unmarshal(body, &r); err != nil {
		return registration{}, err
	}
	if len(r.ConfigurationKeys) != 0 {
		return registration{}, errors.New("configurationKeys are deprecated; use environment variables instead")
	}
	return r, nil
}

// hasFeature finds a feature in a comma-separated list; case matters.
func hasFeature(list []byte, feature string) bool {
	for item := range bytes.SplitSeq(list, []byte{','}) {
		if string(bytes.TrimSpace(item)) == feature {
			return true
		}
	}
	return false
}

// register takes an extension in; mu is held.
func (s *Server) register(name string, asked registration) (id string, r reply, ok bool) {
	e := s.byName(name)
	internal := e == nil || !e.external
	for _, event := range asked.Events {
		if why := unavailable(event, internal); why != "" {
			return "", failed(403, "Extension.InvalidEventType", event+": "+why), false
		}
	}
	if internal {
		if r, ok = s.admit(e); !ok {
			return "", r, false
		}
		e = &extension{name: name, state: extensionStarted}
		s.extensions = append(s.extensions, e)
	}
	to, ok := e.state.next(extensionRegisters)
	if !ok {
		return "", extensionForbidden(e.state, extensionRegistered, e.name), false
	}
	e.state, e.id = to, lambda.NewUUID()
	for _, event := range asked.Events {
		e.invoke = e.invoke || event == invokeEvent
		e.shutdown = e.shutdown || event == shutdownEvent
	}
	s.checkRegistered()
	return e.id, reply{}, true
}

// admit judges one more internal extension; before is the one of the same name.
func (s *Server) admit(before *extension) (reply, bool) {
	switch {
	case s.registrationClosed:
		return failed(403, "Extension.RegistrationClosed", "Extension registration closed already"), false
	case len(s.extensions) >= maxExtensions:
		return failed(403, "Extension.TooManyExtensions", fmt.Sprintf("Extension limit (%d) reached", maxExtensions)), false
	case before != nil:
		return failed(403, "Extension.InvalidExtensionState", "Extension with this name already registered"), false
	}
	return reply{}, true
}

// unavailable tells why an extension cannot ask for an event; empty if it can.
// The names are those that the service gives its reasons.
func unavailable(event string, internal bool) string {
	switch {
	case event == invokeEvent, event == shutdownEvent && !internal:
		return ""
	case event == shutdownEvent:
		return "ShutdownEventNotSupportedForInternalExtension"
	}
	return "ErrorInvalidEventType"
}

// registered answers an extension that was taken in.
func registered(f FunctionInfo, id string, accountID bool) reply {
	told := struct {
		Name      string `json:"functionName"`
		Version   string `json:"functionVersion"`
		Handler   string `json:"handler"`
		AccountID string `json:"accountId,omitempty"`
	}{Name: f.Name, Version: f.Version, Handler: f.Handler}
	if accountID {
		told.AccountID = f.AccountID
	}
	return reply{status: 200, contentType: jsonType, body: encode(told), field: "Lambda-Extension-Identifier", value: id}
}

// extensionForbidden answers a call that an extension's state does not allow.
func extensionForbidden(from, to extensionState, who string) reply {
	return failed(403, "Extension.InvalidExtensionState", fmt.Sprintf(
		"State transition from %s to %s failed for extension %s. Error: State transition is not allowed", from, to, who))
}
