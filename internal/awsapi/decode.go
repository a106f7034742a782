package awsapi

import (
	"math"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"time"

	"thaw/internal/lambda"
)

// Codec decodes, validates and encodes the shapes of one service.
type Codec struct {
	service  *Service
	faults   map[string]*Fault
	patterns patterns
}

// NewCodec makes a Codec.
func NewCodec(s *Service) *Codec {
	c := &Codec{service: s, faults: make(map[string]*Fault, len(s.Faults))}
	for i := range s.Faults {
		c.faults[s.Faults[i].Code] = &s.Faults[i]
	}
	return c
}

// Request is what Decode reads: a routed request with its body.
type Request struct {
	Route  Route
	Query  string // escaped
	Header http.Header
	Body   []byte
}

// Decode makes the operation's input of a request. It checks types, not
// constraints. A blob that is the whole body is not copied.
func (c *Codec) Decode(r *Request) (any, error) {
	op := r.Route.Operation
	shape := c.service.shape(op.Input)
	input := op.NewInput()
	value := reflect.ValueOf(input).Elem()
	if err := c.decodeBindings(r, shape, value); err != nil {
		return nil, err
	}
	return input, c.decodeBody(r.Body, shape, value)
}

// decodeBindings reads labels, query and headers.
func (c *Codec) decodeBindings(r *Request, shape *Shape, value reflect.Value) error {
	query, err := url.ParseQuery(r.Query)
	if err != nil {
		return malformed("Could not parse the query string")
	}
	labels := r.Route.Operation.labels()
	for i := range shape.Members {
		m := &shape.Members[i]
		var texts []string
		switch m.In {
		case InLabel:
			for n, name := range labels {
				if name == m.WireName() {
					texts = []string{r.Route.Labels[n]}
				}
			}
		case InQuery:
			texts = query[m.WireName()]
		case InHeader:
			texts = r.Header.Values(m.WireName())
		}
		if len(texts) == 0 {
			continue
		}
		if err := c.setTexts(value.Field(i), m, texts); err != nil {
			return err
		}
	}
	return nil
}

// setTexts fills a member from the texts of a label, query or header; only a
// list takes more than the first.
func (c *Codec) setTexts(field reflect.Value, m *Member, texts []string) error {
	shape := c.service.shape(m.Shape)
	if shape.Kind != List {
		return c.setText(alloc(field), shape, m, texts[0])
	}
	element := c.service.shape(shape.Element)
	list := reflect.MakeSlice(field.Type(), len(texts), len(texts))
	for i, text := range texts {
		if err := c.setText(list.Index(i), element, m, text); err != nil {
			return err
		}
	}
	field.Set(list)
	return nil
}

func (c *Codec) setText(target reflect.Value, shape *Shape, m *Member, text string) error {
	switch shape.Kind {
	case String:
		target.SetString(text)
	case Integer, Long:
		n, err := strconv.ParseInt(text, 10, bits(shape.Kind))
		if err != nil {
			return malformed("Value %q at %q is not an integer", text, lowerCamel(m.Name))
		}
		target.SetInt(n)
	case Boolean:
		if text != "true" && text != "false" {
			return malformed("Value %q at %q is not a boolean", text, lowerCamel(m.Name))
		}
		target.SetBool(text == "true")
	case Double:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return malformed("Value %q at %q is not a number", text, lowerCamel(m.Name))
		}
		target.SetFloat(f)
	case Timestamp:
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return malformed("Value %q at %q is not a timestamp", text, lowerCamel(m.Name))
		}
		target.Set(reflect.ValueOf(at))
	default:
		return malformed("%q cannot be sent outside of the body", lowerCamel(m.Name))
	}
	return nil
}

func bits(k Kind) int {
	if k == Integer {
		return 32
	}
	return 64
}

// alloc makes the value behind a nil pointer and returns it.
func alloc(field reflect.Value) reflect.Value {
	if field.Kind() != reflect.Pointer {
		return field
	}
	if field.IsNil() {
		field.Set(reflect.New(field.Type().Elem()))
	}
	return field.Elem()
}

// decodeBody reads the members that travel in the body. An empty body is an
// object without members.
func (c *Codec) decodeBody(body []byte, shape *Shape, value reflect.Value) error {
	if shape.Payload != 0 {
		return c.decodePayload(body, &shape.Members[shape.Payload-1], value.Field(shape.Payload-1))
	}
	if len(body) == 0 || !hasBody(shape) {
		return nil
	}
	r := &reader{data: body}
	if r.peek() != '{' {
		if err := r.skip(); err != nil {
			return err
		}
		return unexpected("Unexpected value", "a structure")
	}
	if err := c.decodeStructure(r, shape, value); err != nil {
		return err
	}
	return r.end()
}

func hasBody(shape *Shape) bool {
	for i := range shape.Members {
		if shape.Members[i].In == InBody {
			return true
		}
	}
	return false
}

func (c *Codec) decodePayload(body []byte, m *Member, field reflect.Value) error {
	if len(body) == 0 {
		return nil
	}
	shape := c.service.shape(m.Shape)
	if shape.Kind == Blob {
		field.SetBytes(body)
		return nil
	}
	r := &reader{data: body}
	if err := c.decodeMember(r, shape, field); err != nil {
		return err
	}
	return r.end()
}

func (c *Codec) decodeStructure(r *reader, shape *Shape, value reflect.Value) error {
	return r.object(func(name string) error {
		for i := range shape.Members {
			if m := &shape.Members[i]; m.In == InBody && m.Name == name {
				return c.decodeMember(r, c.service.shape(m.Shape), value.Field(i))
			}
		}
		return r.skip()
	})
}

// decodeMember reads a value that may be null, which stands for absent.
func (c *Codec) decodeMember(r *reader, shape *Shape, field reflect.Value) error {
	if r.null() {
		field.SetZero()
		return nil
	}
	return c.decodeValue(r, shape, alloc(field))
}

func (c *Codec) decodeValue(r *reader, shape *Shape, target reflect.Value) error {
	if err := expect(r, shape.Kind); err != nil {
		return err
	}
	switch shape.Kind {
	case Structure:
		return c.decodeStructure(r, shape, target)
	case List:
		return c.decodeList(r, shape, target)
	case Map:
		return c.decodeMap(r, shape, target)
	default:
		return decodeScalar(r, shape.Kind, target)
	}
}

func (c *Codec) decodeList(r *reader, shape *Shape, target reflect.Value) error {
	element := c.service.shape(shape.Element)
	list := reflect.MakeSlice(target.Type(), 0, 4)
	err := r.array(func() error {
		if r.null() {
			return malformed("A list must not hold null")
		}
		one := reflect.New(target.Type().Elem()).Elem()
		if err := c.decodeValue(r, element, one); err != nil {
			return err
		}
		list = reflect.Append(list, one)
		return nil
	})
	target.Set(list)
	return err
}

func (c *Codec) decodeMap(r *reader, shape *Shape, target reflect.Value) error {
	element := c.service.shape(shape.Element)
	target.Set(reflect.MakeMap(target.Type()))
	return r.object(func(key string) error {
		if r.null() {
			return malformed("A map must not hold null")
		}
		one := reflect.New(target.Type().Elem()).Elem()
		if err := c.decodeValue(r, element, one); err != nil {
			return err
		}
		target.SetMapIndex(reflect.ValueOf(key), one)
		return nil
	})
}

func decodeScalar(r *reader, kind Kind, target reflect.Value) error {
	switch kind {
	case String:
		text, err := r.text()
		target.SetString(text)
		return err
	case Blob:
		plain, err := r.blob()
		target.SetBytes(plain)
		return err
	case Boolean:
		word, err := r.word()
		target.SetBool(word == "true")
		return err
	case Timestamp:
		return decodeTimestamp(r, target)
	case Double:
		text, err := r.number()
		if err != nil {
			return err
		}
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return unexpected("NUMBER_VALUE", "a Double")
		}
		target.SetFloat(f)
		return nil
	default:
		text, err := r.number()
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(text, 10, bits(kind))
		if err != nil {
			return unexpected("NUMBER_VALUE", kindNames[kind])
		}
		target.SetInt(n)
		return nil
	}
}

// decodeTimestamp reads seconds since 1970, with a fraction.
func decodeTimestamp(r *reader, target reflect.Value) error {
	text, err := r.number()
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(seconds) > 253402300799 { // the end of the year 9999
		return unexpected("NUMBER_VALUE", "a Timestamp")
	}
	whole, fraction := math.Modf(seconds)
	at := time.Unix(int64(whole), int64(math.Round(fraction*1000))*int64(time.Millisecond)).UTC()
	target.Set(reflect.ValueOf(at))
	return nil
}

var kindNames = [...]string{
	Structure: "a structure", List: "a List", Map: "a Map", String: "a String", Integer: "an Integer", Long: "a Long",
	Double: "a Double", Boolean: "a Boolean", Blob: "a Blob", Timestamp: "a Timestamp",
}

// unexpected words a wrong type. The words are this server's choice: how the
// service's front end puts it is not on record.
func unexpected(got, want string) error {
	return lambda.Errorf(CodeSerialization, "%s can not be converted to %s", got, want)
}

// expect checks the next value's type by its first byte.
func expect(r *reader, kind Kind) error {
	var got string
	var fits bool
	switch c := r.peek(); {
	case c == '{':
		got, fits = "START_OBJECT", kind == Structure || kind == Map
	case c == '[':
		got, fits = "START_ARRAY", kind == List
	case c == '"':
		got, fits = "STRING_VALUE", kind == String || kind == Blob
	case c == 't':
		got, fits = "TRUE_VALUE", kind == Boolean
	case c == 'f':
		got, fits = "FALSE_VALUE", kind == Boolean
	case c == '-' || c >= '0' && c <= '9':
		got, fits = "NUMBER_VALUE", kind == Integer || kind == Long || kind == Double || kind == Timestamp
	default:
		return r.syntax("a value")
	}
	if fits {
		return nil
	}
	if err := r.skip(); err != nil { // broken JSON is told as such
		return err
	}
	return unexpected(got, kindNames[kind])
}
