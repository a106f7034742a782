package runtimeapi

import (
	"encoding/json"
	"strconv"

	"thaw/internal/lambda"
)

// reply is the answer to one request.
type reply struct {
	status      int
	contentType string // empty without a body
	body        []byte
	field       string // the name of one more header field; empty if there is none
	value       string // and its value
	allow       string // the method that would be allowed, for status 405
	closing     bool   // the connection cannot be used further
	silent      bool   // the answer is written by somebody else, or later
}

const jsonType = "application/json"

// accepted answers every report that was taken.
var accepted = reply{status: 202, contentType: jsonType, body: []byte(`{"status":"OK"}`)}

// failed is a reply in the error envelope.
func failed(status int, errorType, message string) reply {
	return reply{status: status, contentType: jsonType, body: envelope(errorType, message)}
}

// envelope is the body that every error has.
func envelope(errorType, message string) []byte {
	return encode(struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}{message, errorType})
}

// encode renders a struct of strings and numbers, which always can be.
func encode(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return body
}

func reason(status int) string {
	switch status {
	case 200:
		return "OK"
	case 202:
		return "Accepted"
	case 400:
		return "Bad Request"
	case 401:
		return "Unauthorized"
	case 403:
		return "Forbidden"
	case 404:
		return "Not Found"
	case 405:
		return "Method Not Allowed"
	case 413:
		return "Request Entity Too Large"
	case 417:
		return "Expectation Failed"
	case 431:
		return "Request Header Fields Too Large"
	case 501:
		return "Not Implemented"
	case 505:
		return "HTTP Version Not Supported"
	}
	return "Unknown"
}

// appendReply writes an answer; head leaves the body out, as for a HEAD request.
func appendReply(b []byte, r reply, keep, head bool) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(r.status), 10)
	b = append(b, ' ')
	b = append(b, reason(r.status)...)
	b = append(b, "\r\n"...)
	if r.contentType != "" {
		b = appendField(b, "Content-Type", r.contentType)
	}
	if r.field != "" {
		b = appendField(b, r.field, r.value)
	}
	if r.allow != "" {
		b = appendField(b, "Allow", r.allow)
	}
	b = appendLength(b, len(r.body))
	if !keep {
		b = append(b, "Connection: close\r\n"...)
	}
	b = append(b, "\r\n"...)
	if head {
		return b
	}
	return append(b, r.body...)
}

// appendEventHead writes the head of an answer to /next. The names of the
// fields are spelled as clients know them; those without a value are left out.
func appendEventHead(b []byte, inv *lambda.Invocation, last bool) []byte {
	b = append(b, "HTTP/1.1 200 OK\r\n"...)
	b = appendField(b, "Lambda-Runtime-Aws-Request-Id", inv.RequestID)
	// Some clients take a missing deadline for a fault of the platform.
	b = append(b, "Lambda-Runtime-Deadline-Ms: "...)
	b = strconv.AppendInt(b, inv.Deadline.UnixMilli(), 10)
	b = append(b, "\r\n"...)
	b = appendField(b, "Lambda-Runtime-Invoked-Function-Arn", inv.ARN)
	if inv.TraceID != "" {
		b = appendField(b, "Lambda-Runtime-Trace-Id", inv.TraceID)
	}
	if inv.ClientContext != "" {
		b = appendField(b, "Lambda-Runtime-Client-Context", inv.ClientContext)
	}
	contentType := inv.ContentType
	if contentType == "" {
		contentType = jsonType
	}
	b = appendField(b, "Content-Type", contentType)
	b = appendLength(b, len(inv.Payload))
	if last {
		b = append(b, "Connection: close\r\n"...)
	}
	return append(b, "\r\n"...)
}

func appendLength(b []byte, n int) []byte {
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(n), 10)
	return append(b, "\r\n"...)
}

// appendField writes one field. Values come from callers: their line ends and
// other controls become spaces, which in JSON mean the same between tokens.
func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	from := len(b)
	b = append(b, value...)
	for i := from; i < len(b); i++ {
		if b[i] < ' ' && b[i] != '\t' || b[i] == 0x7f {
			b[i] = ' '
		}
	}
	return append(b, "\r\n"...)
}
