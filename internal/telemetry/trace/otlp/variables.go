package otlp

import (
	"fmt"
	"net/url"
	"strings"
)

// Endpoint completes the URL of a collector: spans go to /v1/traces below it.
func Endpoint(base string) (string, error) {
	u, err := collector(base)
	if err != nil {
		return "", err
	}
	return u.JoinPath("v1", "traces").String(), nil
}

func collector(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not the http or https URL of a collector", text)
	}
	return u, nil
}

// Variables reads OpenTelemetry's standard variables: where to send spans, empty
// if nowhere, and with which headers.
func Variables(getenv func(string) string) (endpoint string, headers map[string]string, err error) {
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") || getenv("OTEL_TRACES_EXPORTER") == "none" {
		return "", nil, nil
	}
	if given := getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"); given != "" {
		var u *url.URL
		if u, err = collector(given); err != nil {
			return "", nil, fmt.Errorf("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: %w", err)
		}
		endpoint = u.String()
	} else if base := getenv("OTEL_EXPORTER_OTLP_ENDPOINT"); base != "" {
		if endpoint, err = Endpoint(base); err != nil {
			return "", nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
		}
	}
	given := getenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS")
	if given == "" {
		given = getenv("OTEL_EXPORTER_OTLP_HEADERS")
	}
	headers, err = parseHeaders(given)
	return endpoint, headers, err
}

// parseHeaders reads "name=value,name=value" with escapes as in a URL.
func parseHeaders(given string) (map[string]string, error) {
	headers := map[string]string{}
	for pair := range strings.SplitSeq(given, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, found := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !found || err != nil || strings.ContainsAny(name+value, "\r\n") {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_HEADERS: it must be name=value,name=value") // without the values: they may be secret
		}
		headers[strings.TrimSpace(name)] = value
	}
	return headers, nil
}
