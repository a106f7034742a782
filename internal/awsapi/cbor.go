package awsapi

import (
	"math"
	"reflect"
	"strconv"
	"time"

	"github.com/fxamacker/cbor/v2"

	"thaw/internal/lambda"
)

// The protocol is Smithy RPC v2 CBOR: the path is
// /service/<service>/operation/<operation>, the body an item of CBOR (RFC 8949): maps
// for structures, tag 1 with seconds since 1970 for timestamps.
const cborType = "application/cbor"

// protocolHeader tells clients that an answer is one of this protocol, and not of
// something in between.
const protocolHeader = "Smithy-Protocol"

const cborProtocol = "rpc-v2-cbor"

// cborReader bounds what a body may ask for: no shape is nested as deep.
var cborReader = must(cbor.DecOptions{
	DupMapKey: cbor.DupMapKeyEnforcedAPF, IntDec: cbor.IntDecConvertSigned, MaxNestedLevels: 32, MaxMapPairs: 10_000,
	DefaultMapType: reflect.TypeFor[map[string]any](),
}.DecMode())

var cborWriter = must(cbor.EncOptions{}.EncMode())

// must is for options that are known to be good.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (c *Codec) decodeCBOR(op *Operation, body []byte) (any, error) {
	input := op.NewInput()
	if len(body) == 0 {
		return input, nil
	}
	var item any
	if err := cborReader.Unmarshal(body, &item); err != nil {
		return nil, malformed("The body is not CBOR that can be read: %v", err)
	}
	return input, c.fromCBOR(c.service.shape(op.Input), item, reflect.ValueOf(input).Elem())
}

// fromCBOR fills a value of a shape from what the reader has made of an item.
func (c *Codec) fromCBOR(shape *Shape, item any, target reflect.Value) error {
	switch shape.Kind {
	case Structure:
		if members, ok := item.(map[string]any); ok {
			return c.membersFromCBOR(shape, members, target)
		}
	case List:
		if items, ok := item.([]any); ok {
			return c.listFromCBOR(shape, items, target)
		}
	case Map:
		if entries, ok := item.(map[string]any); ok {
			return c.mapFromCBOR(shape, entries, target)
		}
	default:
		if scalarFromCBOR(shape.Kind, item, target) {
			return nil
		}
	}
	return lambda.Errorf(CodeSerialization, "%s can not be converted to %s", cborName(item), kindNames[shape.Kind])
}

func (c *Codec) membersFromCBOR(shape *Shape, members map[string]any, target reflect.Value) error {
	for i := range shape.Members {
		m := &shape.Members[i]
		item := members[m.Name]
		if item == nil { // null stands for absent
			continue
		}
		if err := c.fromCBOR(c.service.shape(m.Shape), item, alloc(target.Field(i))); err != nil {
			return err
		}
	}
	return nil
}

func (c *Codec) listFromCBOR(shape *Shape, items []any, target reflect.Value) error {
	element := c.service.shape(shape.Element)
	list := reflect.MakeSlice(target.Type(), len(items), len(items))
	for i, item := range items {
		if item == nil {
			return malformed("A list must not hold null")
		}
		if err := c.fromCBOR(element, item, list.Index(i)); err != nil {
			return err
		}
	}
	target.Set(list)
	return nil
}

func (c *Codec) mapFromCBOR(shape *Shape, entries map[string]any, target reflect.Value) error {
	element := c.service.shape(shape.Element)
	target.Set(reflect.MakeMapWithSize(target.Type(), len(entries)))
	for key, item := range entries {
		if item == nil {
			return malformed("A map must not hold null")
		}
		one := reflect.New(target.Type().Elem()).Elem()
		if err := c.fromCBOR(element, item, one); err != nil {
			return err
		}
		target.SetMapIndex(reflect.ValueOf(key), one)
	}
	return nil
}

// scalarFromCBOR is false for an item of another type, or out of range.
func scalarFromCBOR(kind Kind, item any, target reflect.Value) bool {
	switch v := item.(type) {
	case string:
		if kind == String {
			target.SetString(v)
		}
		return kind == String
	case bool:
		if kind == Boolean {
			target.SetBool(v)
		}
		return kind == Boolean
	case []byte:
		if kind == Blob {
			target.SetBytes(v)
		}
		return kind == Blob
	case time.Time:
		if kind == Timestamp {
			target.Set(reflect.ValueOf(v.UTC().Round(time.Millisecond)))
		}
		return kind == Timestamp
	case float64:
		if kind == Double {
			target.SetFloat(v)
		}
		return kind == Double
	case int64:
		switch {
		case kind == Double:
			target.SetFloat(float64(v))
		case kind == Long || kind == Integer && v >= math.MinInt32 && v <= math.MaxInt32:
			target.SetInt(v)
		default:
			return false
		}
		return true
	}
	return false
}

// cborName is how an error calls an item of the wrong type.
func cborName(item any) string {
	switch v := item.(type) {
	case map[string]any:
		return "START_OBJECT"
	case []any:
		return "START_ARRAY"
	case string:
		return "STRING_VALUE"
	case bool:
		if v {
			return "TRUE_VALUE"
		}
		return "FALSE_VALUE"
	default:
		return "NUMBER_VALUE"
	}
}

func (c *Codec) encodeCBOR(op *Operation, output any) (*Response, error) {
	resp := &Response{Status: op.Status, Header: map[string][]string{protocolHeader: {cborProtocol}, "Content-Type": {cborType}}}
	if !op.HasOutput || output == nil {
		resp.Header.Del("Content-Type")
		return resp, nil
	}
	var err error
	resp.Body, err = cborWriter.Marshal(c.toCBOR(c.service.shape(op.Output), reflect.ValueOf(output).Elem()))
	return resp, err
}

// toCBOR makes what the writer takes of a value.
func (c *Codec) toCBOR(shape *Shape, value reflect.Value) any {
	switch shape.Kind {
	case Structure:
		members := make(map[string]any, len(shape.Members))
		for i := range shape.Members {
			m := &shape.Members[i]
			if !value.Field(i).IsNil() {
				members[m.Name] = c.toCBOR(c.service.shape(m.Shape), indirect(value.Field(i)))
			}
		}
		return members
	case List:
		element := c.service.shape(shape.Element)
		items := make([]any, value.Len())
		for i := range items {
			items[i] = c.toCBOR(element, value.Index(i))
		}
		return items
	case Map:
		element := c.service.shape(shape.Element)
		entries := make(map[string]any, value.Len())
		for _, key := range value.MapKeys() {
			entries[key.String()] = c.toCBOR(element, value.MapIndex(key))
		}
		return entries
	case Timestamp:
		return cbor.Tag{Number: 1, Content: float64(value.Interface().(time.Time).UnixMilli()) / 1000}
	default:
		return value.Interface()
	}
}

// cborError is an error of this protocol: its code is in the body.
func (c *Codec) cborError(fault *Fault, e *lambda.Error) *Response {
	body, err := cborWriter.Marshal(map[string]string{"__type": c.service.ErrorPrefix + fault.Code, fault.MessageKey: e.Message})
	if err != nil { // a map of texts
		body = nil
	}
	h := c.errorHeader(fault, cborType)
	h.Set(protocolHeader, cborProtocol)
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	}
	return &Response{Status: fault.Status, Header: h, Body: body}
}
