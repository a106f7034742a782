package runtimeapi_test

import (
	"testing"

	"thaw/internal/runtimeapi"
)

// TestStates holds every pair of state and event to the machine's definition.
func TestStates(t *testing.T) {
	allowed := map[string]map[int]string{
		"Started": {
			runtimeapi.EventNext: "Ready", runtimeapi.EventInitError: "InitError", runtimeapi.EventRestoreNext: "RestoreReady",
		},
		"InitError":               {},
		"Ready":                   {runtimeapi.EventNext: "Ready", runtimeapi.EventDeliver: "Running"},
		"Running":                 {runtimeapi.EventNext: "Running", runtimeapi.EventResponse: "InvocationResponse", runtimeapi.EventErrorResponse: "InvocationErrorResponse"},
		"InvocationResponse":      {runtimeapi.EventSent: "ResponseSent"},
		"InvocationErrorResponse": {runtimeapi.EventSent: "ResponseSent"},
		"ResponseSent":            {runtimeapi.EventNext: "Ready"},
		"RestoreReady":            {runtimeapi.EventRestored: "Restoring"},
		"Restoring":               {runtimeapi.EventNext: "Ready", runtimeapi.EventRestoreError: "RestoreError"},
		"RestoreError":            {},
	}
	testMachine(t, allowed, runtimeapi.States(), runtimeapi.EventRestoreError, runtimeapi.Next)
}

// TestExtensionStates does the same for the machine of extensions.
func TestExtensionStates(t *testing.T) {
	allowed := map[string]map[int]string{
		"Started": {runtimeapi.ExtensionRegisters: "Registered"},
		"Registered": {
			runtimeapi.ExtensionAsks: "Ready", runtimeapi.ExtensionFailsInit: "InitError", runtimeapi.ExtensionFailsRunning: "ExitError",
		},
		"Ready": {
			runtimeapi.ExtensionAsksAgain: "Ready", runtimeapi.ExtensionGetsEvent: "Running", runtimeapi.ExtensionFailsRunning: "ExitError",
		},
		"Running":   {runtimeapi.ExtensionAsks: "Ready", runtimeapi.ExtensionFailsRunning: "ExitError"},
		"InitError": {runtimeapi.ExtensionFailsInit: "InitError"},
		"ExitError": {runtimeapi.ExtensionFailsRunning: "ExitError"},
	}
	testMachine(t, allowed, runtimeapi.ExtensionStates(), runtimeapi.ExtensionFailsRunning, runtimeapi.NextExtension)
}

// testMachine compares a machine with what is allowed; last is the last of its
// events, which are numbered from 0.
func testMachine(t *testing.T, allowed map[string]map[int]string, states []string, last int, next func(string, int) (string, bool)) {
	t.Helper()
	if got, want := len(states), len(allowed); got != want {
		t.Fatalf("%d states, want %d", got, want)
	}
	for _, from := range states {
		for on := range last + 1 {
			to, ok := next(from, on)
			want, wantOK := allowed[from][on]
			if to != want || ok != wantOK {
				t.Errorf("%s on event %d: got %q, %v; want %q, %v", from, on, to, ok, want, wantOK)
			}
		}
	}
}

func TestErrorName(t *testing.T) {
	for in, want := range map[string]string{
		"Runtime.ImportModuleError": "Runtime.ImportModuleError",
		"Function.Custom":           "Function.Custom",
		"Function.custom":           "Function.Unknown",
		"Function.A":                "Function.Unknown",
		"Function.A1":               "Function.Unknown",
		"Function.":                 "Function.Unknown",
		"Function":                  "Runtime.Unknown",
		"Runtime.A.B":               "Runtime.Unknown",
		"Runtime.":                  "Runtime.Unknown",
		"unhandled":                 "Runtime.Unknown",
		"":                          "Runtime.Unknown",
		"XFunction.Custom":          "Runtime.Unknown",
	} {
		if got := runtimeapi.ErrorName(in); got != want {
			t.Errorf("ErrorName(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestWithoutCause(t *testing.T) {
	for in, want := range map[string]string{
		`{"errorCause":1,"errorType":"T"}`:               `{"errorType":"T"}`,
		`{"errorMessage":"m","stackTrace":[ ],"x":true}`: `{"errorMessage":"m","stackTrace":[]}`,
		`not json`: `not json`,
		`[1]`:      `[1]`,
	} {
		if got := runtimeapi.WithoutCause(in); got != want {
			t.Errorf("WithoutCause(%s) = %s, want %s", in, got, want)
		}
	}
}
