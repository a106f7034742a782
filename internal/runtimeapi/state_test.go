package runtimeapi_test

import (
	"testing"

	"thaw/internal/runtimeapi"
)

// TestStates holds every pair of state and event to the machine's definition.
func TestStates(t *testing.T) {
	allowed := map[string]map[int]string{
		"Started":                 {runtimeapi.EventNext: "Ready", runtimeapi.EventInitError: "InitError"},
		"InitError":               {},
		"Ready":                   {runtimeapi.EventNext: "Ready", runtimeapi.EventDeliver: "Running"},
		"Running":                 {runtimeapi.EventNext: "Running", runtimeapi.EventResponse: "InvocationResponse", runtimeapi.EventErrorResponse: "InvocationErrorResponse"},
		"InvocationResponse":      {runtimeapi.EventSent: "ResponseSent"},
		"InvocationErrorResponse": {runtimeapi.EventSent: "ResponseSent"},
		"ResponseSent":            {runtimeapi.EventNext: "Ready"},
	}
	if got, want := len(runtimeapi.States()), len(allowed); got != want {
		t.Fatalf("%d states, want %d", got, want)
	}
	for _, from := range runtimeapi.States() {
		for on := runtimeapi.EventNext; on <= runtimeapi.EventSent; on++ {
			to, ok := runtimeapi.Next(from, on)
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
		"Function":                  "Function.Unknown",
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
