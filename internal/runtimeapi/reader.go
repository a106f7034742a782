package runtimeapi

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
)

const (
	// maxHead bounds a request's line and header fields together, in bytes: a
	// tracing cause of 64 KiB may be among them.
	maxHead = 128 << 10
	// maxTrailer bounds the trailer fields, in bytes: an error's report in base64
	// may be among them.
	maxTrailer = 256 << 10
	// maxFields bounds header and trailer fields together.
	maxFields = 100
	// keepHead is how much memory a connection keeps for heads between requests.
	keepHead = 8 << 10
)

// span is a stretch of a request's head.
type span struct{ from, to int }

type field struct{ name, value span }

// request is the head of one HTTP/1.1 request (RFC 9112), read into memory that
// is used again for the connection's next one: nothing of it may be kept.
type request struct {
	head     []byte
	verb     span
	target   span
	fields   []field
	trailers int   // index of the first trailer field
	length   int64 // of the body in bytes; chunked means unknown
	last     bool  // the peer wants the connection closed
	expects  bool  // the peer awaits 100 Continue
	opened   bool  // reading the body has begun
	consumed bool  // nothing of the body is left to read
}

const chunked int64 = -1

// protocolError is a request that is not HTTP as we take it.
type protocolError struct {
	status  int
	message string
}

func (e *protocolError) Error() string { return e.message }

func (e *protocolError) reply() reply {
	return failed(e.status, "InvalidRequestFormat", e.message)
}

func malformed(message string) error { return &protocolError{400, message} }

var errTruncated = errors.New("body ended early")

// read reads a head. Errors are protocolErrors or the reader's own.
func (q *request) read(br *bufio.Reader) error {
	q.reset()
	line, err := q.line(br, maxHead)
	if err == nil && line.from == line.to { // one empty line before is tolerated
		line, err = q.line(br, maxHead)
	}
	if err != nil {
		return err
	}
	http10, err := q.requestLine(line)
	if err != nil {
		return err
	}
	if err := q.readFields(br, maxHead); err != nil {
		return err
	}
	q.trailers = len(q.fields)
	return q.framing(http10)
}

func (q *request) reset() {
	head, fields := q.head[:0], q.fields[:0]
	if cap(head) > keepHead {
		head = nil
	}
	*q = request{head: head, fields: fields}
}

// line appends one line to the head and returns it without its end.
func (q *request) line(br *bufio.Reader, limit int) (span, error) {
	from := len(q.head)
	for {
		part, err := br.ReadSlice('\n')
		if len(q.head)+len(part) > limit {
			return span{}, &protocolError{431, "request header fields are too large"}
		}
		q.head = append(q.head, part...)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return span{}, err
		}
	}
	to := len(q.head) - 1
	if to > from && q.head[to-1] == '\r' {
		to--
	}
	return span{from, to}, nil
}

func (q *request) requestLine(line span) (http10 bool, err error) {
	b := q.bytes(line)
	first, last := bytes.IndexByte(b, ' '), bytes.LastIndexByte(b, ' ')
	if first <= 0 || last == first || !isToken(b[:first]) {
		return false, malformed("malformed request line")
	}
	q.verb = span{line.from, line.from + first}
	q.target = span{line.from + first + 1, line.from + last}
	if !isTarget(q.bytes(q.target)) {
		return false, malformed("malformed request target")
	}
	switch string(b[last+1:]) {
	case "HTTP/1.1":
		return false, nil
	case "HTTP/1.0":
		q.last = true
		return true, nil
	}
	if bytes.HasPrefix(b[last+1:], []byte("HTTP/")) {
		return false, &protocolError{505, "HTTP version is not supported"}
	}
	return false, malformed("malformed request line")
}

func isTarget(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return len(b) > 0
}

// readFields reads header or trailer fields up to the empty line.
func (q *request) readFields(br *bufio.Reader, limit int) error {
	for {
		line, err := q.line(br, limit)
		if err != nil {
			return err
		}
		if line.from == line.to {
			return nil
		}
		if len(q.fields) == maxFields {
			return &protocolError{431, "too many request header fields"}
		}
		b := q.bytes(line)
		colon := bytes.IndexByte(b, ':')
		if colon <= 0 || !isToken(b[:colon]) {
			return malformed("malformed header field name")
		}
		f := field{span{line.from, line.from + colon}, span{line.from + colon + 1, line.to}}
		f.value = q.trim(f.value)
		if !isValue(q.bytes(f.value)) {
			return malformed("malformed header field value")
		}
		q.fields = append(q.fields, f)
	}
}

// isValue tells the field values of RFC 9110 §5.5: no controls but the tab.
func isValue(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func (q *request) trim(s span) span {
	for s.from < s.to && (q.head[s.from] == ' ' || q.head[s.from] == '\t') {
		s.from++
	}
	for s.from < s.to && (q.head[s.to-1] == ' ' || q.head[s.to-1] == '\t') {
		s.to--
	}
	return s
}

// framing finds out how the body is delimited, and refuses what could be read
// in two ways.
func (q *request) framing(http10 bool) error {
	sawLength, sawCoding := false, false
	for _, f := range q.fields {
		name, value := q.bytes(f.name), q.bytes(f.value)
		switch {
		case equalFold(name, "content-length"):
			n, ok := parseLength(value)
			if !ok || sawLength && n != q.length {
				return malformed("malformed Content-Length")
			}
			q.length, sawLength = n, true
		case equalFold(name, "transfer-encoding"):
			if sawCoding || http10 {
				return malformed("malformed Transfer-Encoding")
			}
			if !equalFold(value, "chunked") {
				return &protocolError{501, "transfer coding is not supported"}
			}
			sawCoding = true
		case equalFold(name, "connection"):
			q.last = q.last || hasOption(value, "close")
		case equalFold(name, "expect"):
			if !equalFold(value, "100-continue") {
				return &protocolError{417, "expectation is not supported"}
			}
			q.expects = !http10
		}
	}
	if sawLength && sawCoding {
		return malformed("both Content-Length and Transfer-Encoding")
	}
	if sawCoding {
		q.length = chunked
	}
	q.consumed = q.length == 0
	q.expects = q.expects && !q.consumed
	return nil
}

func parseLength(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// hasOption finds an option in a comma-separated list.
func hasOption(list []byte, option string) bool {
	for item := range bytes.SplitSeq(list, []byte{','}) {
		if equalFold(bytes.TrimSpace(item), option) {
			return true
		}
	}
	return false
}

func (q *request) bytes(s span) []byte { return q.head[s.from:s.to] }
func (q *request) method() []byte      { return q.bytes(q.verb) }
func (q *request) isHead() bool        { return string(q.bytes(q.verb)) == "HEAD" }

// path is the target without scheme, authority and query.
func (q *request) path() []byte {
	p := q.bytes(q.target)
	if rest, ok := bytes.CutPrefix(p, []byte("http://")); ok {
		p = rest[len(rest):]
		if i := bytes.IndexByte(rest, '/'); i >= 0 {
			p = rest[i:]
		}
	}
	p, _, _ = bytes.Cut(p, []byte{'?'})
	return p
}

// header is the value of the first header field of a name given in lower case;
// nil if there is none.
func (q *request) header(name string) []byte { return q.find(q.fields[:q.trailers], name) }

// trailer is the same for the fields behind a chunked body.
func (q *request) trailer(name string) []byte { return q.find(q.fields[q.trailers:], name) }

func (q *request) find(fields []field, name string) []byte {
	for _, f := range fields {
		if equalFold(q.bytes(f.name), name) {
			return q.bytes(f.value)
		}
	}
	return nil
}

// equalFold compares with an ASCII string in lower case.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// isToken tells the names of RFC 9110 §5.6.2.
func isToken(b []byte) bool {
	for _, c := range b {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-':
		case strings.IndexByte("!#$%&'*+.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return len(b) > 0
}

// parseHex reads a chunk's size.
func parseHex(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 15 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b), 16, 63)
	return int64(n), err == nil && b[0] != '+' && b[0] != '-'
}

// ended turns the end of a connection within a body into errTruncated. A peer
// that was too slow is treated alike: nobody waits for it any more.
func ended(err error) error {
	var bad *protocolError
	if err == nil || errors.As(err, &bad) || errors.Is(err, errTruncated) {
		return err
	}
	if errors.Is(err, io.EOF) {
		return errTruncated
	}
	return errors.Join(errTruncated, err)
}
