package awsapi

import (
	"encoding/base64"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Response is an encoded answer.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Encode makes the answer of an operation. Output is what NewOutput makes, or
// nil for an operation without one. A blob that is the whole body is not copied.
func (c *Codec) Encode(op *Operation, output any) *Response {
	resp := &Response{Status: op.Status, Header: http.Header{"Content-Type": {c.service.contentType()}}}
	if !op.HasOutput || output == nil {
		return resp
	}
	shape := c.service.shape(op.Output)
	value := reflect.ValueOf(output).Elem()
	for i := range shape.Members {
		m := &shape.Members[i]
		field := value.Field(i)
		if field.IsNil() {
			continue
		}
		switch m.In {
		case InHeader:
			resp.Header.Set(m.WireName(), headerText(field.Elem()))
		case InStatus:
			resp.Status = int(field.Elem().Int())
		}
	}
	switch {
	case shape.Payload != 0:
		c.encodePayload(resp, &shape.Members[shape.Payload-1], value.Field(shape.Payload-1))
	case hasBody(shape):
		resp.Body = c.appendStructure(make([]byte, 0, 1024), shape, value)
	}
	return resp
}

func (c *Codec) encodePayload(resp *Response, m *Member, field reflect.Value) {
	shape := c.service.shape(m.Shape)
	if shape.Kind == Blob {
		resp.Body = field.Bytes()
		return
	}
	if !field.IsNil() {
		resp.Body = c.appendValue(nil, shape, indirect(field))
	}
}

func headerText(value reflect.Value) string {
	if at, ok := value.Interface().(time.Time); ok {
		return at.UTC().Format(http.TimeFormat)
	}
	return display(value)
}

// Marshal encodes the body members of a structure of the model as JSON; ptr is a
// pointer to the structure, id its shape.
func (c *Codec) Marshal(id ShapeID, ptr any) []byte {
	return c.appendStructure(nil, c.service.shape(id), reflect.ValueOf(ptr).Elem())
}

// MarshalMembers encodes the named members of a structure, each as a document of
// its own. Absent members, and names that the structure lacks, are left out.
func (c *Codec) MarshalMembers(id ShapeID, ptr any, names []string) map[string][]byte {
	shape, value := c.service.shape(id), reflect.ValueOf(ptr).Elem()
	out := map[string][]byte{}
	for i := range shape.Members {
		m := &shape.Members[i]
		if slices.Contains(names, m.Name) && !value.Field(i).IsNil() {
			out[m.Name] = c.appendValue(nil, c.service.shape(m.Shape), indirect(value.Field(i)))
		}
	}
	return out
}

// Unmarshal reads what Marshal wrote, or one member of MarshalMembers: ptr is a
// pointer to a value of the shape.
func (c *Codec) Unmarshal(id ShapeID, data []byte, ptr any) error {
	r := &reader{data: data}
	if err := c.decodeValue(r, c.service.shape(id), reflect.ValueOf(ptr).Elem()); err != nil {
		return err
	}
	return r.end()
}

func (c *Codec) appendStructure(buf []byte, shape *Shape, value reflect.Value) []byte {
	buf = append(buf, '{')
	start := len(buf)
	for i := range shape.Members {
		m := &shape.Members[i]
		if m.In != InBody || value.Field(i).IsNil() {
			continue
		}
		if len(buf) > start {
			buf = append(buf, ',')
		}
		buf = appendString(buf, m.Name)
		buf = append(buf, ':')
		buf = c.appendValue(buf, c.service.shape(m.Shape), indirect(value.Field(i)))
	}
	return append(buf, '}')
}

func (c *Codec) appendValue(buf []byte, shape *Shape, value reflect.Value) []byte {
	switch shape.Kind {
	case Structure:
		return c.appendStructure(buf, shape, value)
	case List:
		element := c.service.shape(shape.Element)
		buf = append(buf, '[')
		for i := range value.Len() {
			if i > 0 {
				buf = append(buf, ',')
			}
			buf = c.appendValue(buf, element, value.Index(i))
		}
		return append(buf, ']')
	case Map:
		element := c.service.shape(shape.Element)
		buf = append(buf, '{')
		for i, key := range sortedKeys(value) {
			if i > 0 {
				buf = append(buf, ',')
			}
			buf = appendString(buf, key.String())
			buf = append(buf, ':')
			buf = c.appendValue(buf, element, value.MapIndex(key))
		}
		return append(buf, '}')
	default:
		return appendScalar(buf, shape.Kind, value)
	}
}

func appendScalar(buf []byte, kind Kind, value reflect.Value) []byte {
	switch kind {
	case String:
		return appendString(buf, value.String())
	case Boolean:
		return strconv.AppendBool(buf, value.Bool())
	case Blob:
		buf = append(buf, '"')
		buf = base64.StdEncoding.AppendEncode(buf, value.Bytes())
		return append(buf, '"')
	case Double:
		return strconv.AppendFloat(buf, value.Float(), 'g', -1, 64)
	case Timestamp:
		at := value.Interface().(time.Time)
		seconds := math.Round(float64(at.UnixMilli())) / 1000
		return strconv.AppendFloat(buf, seconds, 'f', -1, 64)
	default:
		return strconv.AppendInt(buf, value.Int(), 10)
	}
}

// appendString appends a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendString(buf []byte, s string) []byte {
	const digits = "0123456789abcdef"
	buf = append(buf, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			switch {
			case c == '"' || c == '\\':
				buf = append(buf, '\\', c)
			case c == '\n':
				buf = append(buf, '\\', 'n')
			case c < ' ' || c == 0x7f:
				buf = append(buf, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			default:
				buf = append(buf, c)
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		buf = utf8.AppendRune(buf, r)
		i += size
	}
	return append(buf, '"')
}
