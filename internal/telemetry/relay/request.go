package relay

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// settings is what an extension has subscribed to.
type settings struct {
	schema   string
	types    []string
	maxItems int
	maxBytes int
	timeout  time.Duration

	address string // inside
	url     string // as the request names it; empty for TCP
	method  string
}

// The kinds of events that can be subscribed to.
const (
	kindPlatform  = "platform"
	kindFunction  = "function"
	kindExtension = "extension"
)

// The schema versions, the oldest of each API first.
const (
	schema20200815 = "2020-08-15" // Logs API
	schema20210318 = "2021-03-18"
	schema20220701 = "2022-07-01" // Telemetry API
	schema20221213 = "2022-12-13"
	schema20250129 = "2025-01-29"
)

// schemas are the versions of an API. The Logs API's may be left out.
func schemas(api string) (versions []string, byDefault string) {
	if api == LogsAPI {
		return []string{schema20200815, schema20210318}, schema20200815
	}
	return []string{schema20220701, schema20221213, schema20250129}, ""
}

// bounds of a buffering parameter, as the service documents them.
type bounds struct{ least, most, usual int }

func (b bounds) of(name string, value *int, wrong *problems) int {
	if value == nil {
		return b.usual
	}
	if *value < b.least || *value > b.most {
		wrong.add("%s should be between %d and %d", name, b.least, b.most)
	}
	return *value
}

// problems are told together, as the service does.
type problems []string

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

type request struct {
	SchemaVersion string   `json:"schemaVersion"`
	Types         []string `json:"types"`
	Buffering     struct {
		MaxItems  *int `json:"maxItems"`
		MaxBytes  *int `json:"maxBytes"`
		TimeoutMS *int `json:"timeoutMs"`
	} `json:"buffering"`
	Destination *struct {
		Protocol string `json:"protocol"`
		URI      string `json:"URI"`
		Port     int    `json:"port"`
		Method   string `json:"method"`   // Logs API only
		Encoding string `json:"encoding"` // Logs API only
	} `json:"destination"`
}

// maxRequest bounds a subscription's request, in bytes.
const maxRequest = 64 << 10

// parse reads a subscription. host is where sandbox.localdomain is.
func parse(api, host string, body []byte) (settings, error) {
	if len(body) > maxRequest {
		return settings{}, errors.New("request body is too large")
	}
	var req request
	if err := json.Unmarshal(body, &req); err != nil {
		return settings{}, fmt.Errorf("request body is not valid: %w", err)
	}
	var wrong problems
	set := settings{
		schema:   req.SchemaVersion,
		types:    req.Types,
		maxItems: bounds{1000, 10_000, 10_000}.of("maxItems", req.Buffering.MaxItems, &wrong),
		maxBytes: bounds{256 << 10, 1 << 20, 256 << 10}.of("maxBytes", req.Buffering.MaxBytes, &wrong),
		timeout:  time.Duration(bounds{25, 30_000, 1000}.of("timeoutMs", req.Buffering.TimeoutMS, &wrong)) * time.Millisecond,
	}
	req.checkSchema(api, &set, &wrong)
	req.checkDestination(api, host, &set, &wrong)
	req.checkTypes(&wrong)
	if len(wrong) > 0 {
		return settings{}, errors.New(strings.Join(wrong, "; "))
	}
	return set, nil
}

func (r *request) checkSchema(api string, set *settings, wrong *problems) {
	versions, byDefault := schemas(api)
	if set.schema == "" {
		set.schema = byDefault
	}
	if !slices.Contains(versions, set.schema) {
		wrong.add("schemaVersion should be one of %s", strings.Join(versions, ", "))
	}
}

func (r *request) checkTypes(wrong *problems) {
	if len(r.Types) == 0 {
		wrong.add("types should not be empty")
	}
	for _, t := range r.Types {
		if t != kindPlatform && t != kindFunction && t != kindExtension {
			wrong.add("types should be of platform, function and extension")
			return
		}
	}
}

// reservedPort is the Runtime API's.
const reservedPort = 9001

func (r *request) checkDestination(api, host string, set *settings, wrong *problems) {
	port := 0
	switch d := r.Destination; {
	case d == nil:
		wrong.add("destination is not provided")
		return
	case d.Protocol == "TCP":
		port = d.Port
	case d.Protocol == "HTTP":
		set.method = "POST"
		if api == LogsAPI && d.Method != "" {
			set.method = d.Method
		}
		port = checkURI(d.URI, set, wrong)
	default:
		wrong.add("destination protocol should be HTTP or TCP")
		return
	}
	if r.Destination.Encoding != "" && r.Destination.Encoding != "JSON" {
		wrong.add("destination encoding should be JSON")
	}
	if set.method != "" && set.method != "POST" && set.method != "PUT" {
		wrong.add("destination method should be POST or PUT")
	}
	switch {
	case port == reservedPort:
		wrong.add("destination port %d is reserved", reservedPort)
	case port < 0 || port > 65535 || port == 0 && set.url == "":
		wrong.add("destination port is not valid")
	}
	set.address = net.JoinHostPort(host, strconv.Itoa(port))
}

// checkURI reads an HTTP destination and returns its port, 0 if it has none.
func checkURI(uri string, set *settings, wrong *problems) int {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" || u.User != nil || u.Fragment != "" {
		wrong.add("destination URI is not valid")
		set.url = uri
		return 0
	}
	set.url = u.String()
	if h := u.Hostname(); h != "sandbox.localdomain" && h != "sandbox" {
		wrong.add("destination URI should have the host sandbox.localdomain")
	}
	if u.Port() == "" {
		wrong.add("URI port is not provided")
		return 0
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil || port == 0 {
		return -1
	}
	return port
}
