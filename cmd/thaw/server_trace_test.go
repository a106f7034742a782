package main

import "testing"

func TestDestination(t *testing.T) {
	variable := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://variable:4318", "OTEL_EXPORTER_OTLP_HEADERS": "k=v"}
	for name, test := range map[string]struct {
		flag  string
		env   map[string]string
		want  string
		fails bool
	}{
		"nowhere":              {"", nil, "", false},
		"the flag":             {"http://flag:4318", nil, "http://flag:4318/v1/traces", false},
		"the variable":         {"", variable, "http://variable:4318/v1/traces", false},
		"the flag before that": {"http://flag:4318/", variable, "http://flag:4318/v1/traces", false},
		"a flag that is none":  {"flag:4318", nil, "", true},
		"a bad variable":       {"", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "x"}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			endpoint, headers, err := (&tracing{Endpoint: test.flag}).destination(func(n string) string { return test.env[n] })
			if endpoint != test.want || (err != nil) != test.fails {
				t.Errorf("%q, %v; want %q", endpoint, err, test.want)
			}
			if test.env != nil && err == nil && headers["k"] != "v" {
				t.Errorf("headers %v", headers)
			}
		})
	}
}
