package awsapi

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// field is one name of a form, cut at its dots: "Statistics.member.1" is three.
type field struct {
	text  string
	set   bool // there is a text, even an empty one
	below map[string]*field
}

// maxFormDepth bounds the dots of a name: no shape is nested as deep.
const maxFormDepth = 32

// fields makes a tree of a form.
func (q Query) fields() (*field, error) {
	root := new(field)
	for name, texts := range q.values {
		if strings.Count(name, ".") >= maxFormDepth {
			return nil, malformed("The name of a parameter has too many parts")
		}
		at := root
		for part := range strings.SplitSeq(name, ".") {
			if at.below == nil {
				at.below = map[string]*field{}
			}
			if at.below[part] == nil {
				at.below[part] = new(field)
			}
			at = at.below[part]
		}
		at.text, at.set = texts[0], true
	}
	return root, nil
}

// decodeForm makes the input of an operation of a form of awsQuery.
func (c *Codec) decodeForm(op *Operation, q Query) (any, error) {
	root, err := q.fields()
	if err != nil {
		return nil, err
	}
	input := op.NewInput()
	return input, c.membersFromForm(c.service.shape(op.Input), root, reflect.ValueOf(input).Elem())
}

func (c *Codec) membersFromForm(shape *Shape, f *field, target reflect.Value) error {
	for i := range shape.Members {
		m := &shape.Members[i]
		shape := c.service.shape(m.Shape)
		name := m.Name
		if shape.Flat != "" {
			name = shape.Flat
		}
		one := f.below[name]
		if one == nil {
			continue
		}
		if err := c.fromForm(shape, m, one, alloc(target.Field(i))); err != nil {
			return err
		}
	}
	return nil
}

// fromForm fills a value; m is the member in which it is, for messages.
func (c *Codec) fromForm(shape *Shape, m *Member, f *field, target reflect.Value) error {
	switch shape.Kind {
	case Structure:
		return c.membersFromForm(shape, f, target)
	case List:
		return c.listFromForm(shape, m, f, target)
	case Map:
		return c.mapFromForm(shape, m, f, target)
	case Blob:
		plain, err := base64.StdEncoding.DecodeString(f.text)
		if err != nil {
			return malformed("Value at %q is not base64", lowerCamel(m.Name))
		}
		target.SetBytes(plain)
		return nil
	}
	if !f.set {
		return malformed("Value at %q is not a scalar", lowerCamel(m.Name))
	}
	return c.setText(target, shape, m, f.text)
}

// listFromForm reads "member.1" and so on, or, if the list is flat, "1"; a name with
// an empty text is an empty list.
func (c *Codec) listFromForm(shape *Shape, m *Member, f *field, target reflect.Value) error {
	element := c.service.shape(shape.Element)
	list := reflect.MakeSlice(target.Type(), 0, 4)
	members := f.below["member"]
	if shape.Flat != "" {
		members = f
	}
	if members != nil {
		for i := 1; members.below[strconv.Itoa(i)] != nil; i++ {
			one := reflect.New(target.Type().Elem()).Elem()
			if err := c.fromForm(element, m, members.below[strconv.Itoa(i)], one); err != nil {
				return err
			}
			list = reflect.Append(list, one)
		}
	}
	target.Set(list)
	return nil
}

// mapFromForm reads "entry.1.key", "entry.1.value" and so on, or, if the map is flat,
// "1" with the names that it has for key and value.
func (c *Codec) mapFromForm(shape *Shape, m *Member, f *field, target reflect.Value) error {
	element := c.service.shape(shape.Element)
	target.Set(reflect.MakeMap(target.Type()))
	entries, keyName, valueName := f.below["entry"], "key", "value"
	if shape.Flat != "" {
		entries, keyName, valueName = f, shape.KeyName, shape.ValueName
	}
	if entries == nil {
		return nil
	}
	for i := 1; entries.below[strconv.Itoa(i)] != nil; i++ {
		key, value := entries.below[strconv.Itoa(i)].below[keyName], entries.below[strconv.Itoa(i)].below[valueName]
		if key == nil || value == nil {
			return malformed("An entry of %q lacks its key or value", lowerCamel(m.Name))
		}
		one := reflect.New(target.Type().Elem()).Elem()
		if err := c.fromForm(element, m, value, one); err != nil {
			return err
		}
		target.SetMapIndex(reflect.ValueOf(key.text), one)
	}
	return nil
}

// encodeForm makes the answer of awsQuery: XML.
func (c *Codec) encodeForm(op *Operation, output any, requestID string) *Response {
	var b bytes.Buffer
	b.WriteString(`<` + op.Name + `Response xmlns="` + c.service.XMLNamespace + `">`)
	if op.HasOutput && output != nil {
		c.element(&b, op.Name+"Result", c.service.shape(op.Output), reflect.ValueOf(output).Elem())
	}
	b.WriteString(`<ResponseMetadata><RequestId>` + requestID + `</RequestId></ResponseMetadata></` + op.Name + `Response>`)
	return &Response{Status: op.Status, Header: http.Header{"Content-Type": {queryAnswer}}, Body: b.Bytes()}
}

// element writes a value; a buffer takes everything.
func (c *Codec) element(b *bytes.Buffer, name string, shape *Shape, value reflect.Value) {
	if shape.Flat != "" {
		c.flat(b, shape, value)
		return
	}
	b.WriteString("<" + name + ">")
	switch shape.Kind {
	case Structure:
		for i := range shape.Members {
			m := &shape.Members[i]
			if !value.Field(i).IsNil() {
				c.element(b, m.Name, c.service.shape(m.Shape), indirect(value.Field(i)))
			}
		}
	case List:
		for i := range value.Len() {
			c.element(b, "member", c.service.shape(shape.Element), value.Index(i))
		}
	case Map:
		for _, key := range sortedKeys(value) {
			b.WriteString("<entry>")
			c.element(b, "key", c.service.shape(shape.Key), key)
			c.element(b, "value", c.service.shape(shape.Element), value.MapIndex(key))
			b.WriteString("</entry>")
		}
	default:
		_ = xml.EscapeText(b, []byte(xmlText(shape.Kind, value)))
	}
	b.WriteString("</" + name + ">")
}

// flat writes the entries of a list or map without anything around them.
func (c *Codec) flat(b *bytes.Buffer, shape *Shape, value reflect.Value) {
	element := c.service.shape(shape.Element)
	if shape.Kind == List {
		for i := range value.Len() {
			c.element(b, shape.Flat, element, value.Index(i))
		}
		return
	}
	for _, key := range sortedKeys(value) {
		b.WriteString("<" + shape.Flat + ">")
		c.element(b, shape.KeyName, c.service.shape(shape.Key), key)
		c.element(b, shape.ValueName, element, value.MapIndex(key))
		b.WriteString("</" + shape.Flat + ">")
	}
}

func xmlText(kind Kind, value reflect.Value) string {
	switch kind {
	case Boolean:
		return strconv.FormatBool(value.Bool())
	case Integer, Long:
		return strconv.FormatInt(value.Int(), 10)
	case Double:
		return strconv.FormatFloat(value.Float(), 'f', -1, 64)
	case Blob:
		return base64.StdEncoding.EncodeToString(value.Bytes())
	case Timestamp:
		return value.Interface().(time.Time).UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano)
	default:
		return value.String()
	}
}
