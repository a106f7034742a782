// Package filter owns the patterns by which an event source mapping picks the
// records that it hands on: a part of EventBridge's patterns.
//
// A pattern is a JSON object of the shape of a record. Its leaves are lists of
// which one element has to match:
//
//	{"body": {"kind": ["order", {"prefix": "re"}], "count": [{"numeric": [">", 3]}]}}
//
// An element is a string, a number, true, false or null, or an object with one of
// the words exists, prefix, suffix, equals-ignore-case, anything-but and numeric.
// "$or" is a list of patterns.
package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxDepth bounds how deep a pattern may be nested.
const maxDepth = 64

// Check tells what is wrong with a pattern; nil if nothing is.
func Check(pattern string) error {
	decoder := json.NewDecoder(bytes.NewReader([]byte(pattern)))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return fmt.Errorf("read pattern: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	object, ok := value.(map[string]any)
	if !ok {
		return errors.New("a pattern is an object")
	}
	return checkObject(object, 0)
}

func checkObject(object map[string]any, depth int) error {
	if depth == maxDepth {
		return errors.New("nested too deep")
	}
	if len(object) == 0 {
		return errors.New("an object is empty")
	}
	for name, value := range object {
		if err := checkField(name, value, depth); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	}
	return nil
}

func checkField(name string, value any, depth int) error {
	switch value := value.(type) {
	case map[string]any:
		return checkObject(value, depth+1)
	case []any:
		if len(value) == 0 {
			return errors.New("a list is empty")
		}
		if alternatives, ok := objects(value); ok && name == "$or" {
			for _, a := range alternatives {
				if err := checkObject(a, depth+1); err != nil {
					return err
				}
			}
			return nil
		}
		for _, element := range value {
			if err := checkElement(element); err != nil {
				return err
			}
		}
		return nil
	default:
		return errors.New("neither an object nor a list")
	}
}

// objects is a list whose elements are all objects.
func objects(list []any) ([]map[string]any, bool) {
	var out []map[string]any
	for _, element := range list {
		object, ok := element.(map[string]any)
		if !ok {
			return nil, false
		}
		out = append(out, object)
	}
	return out, true
}

func checkElement(element any) error {
	object, ok := element.(map[string]any)
	if !ok {
		if _, ok := element.([]any); ok {
			return errors.New("a list in a list")
		}
		return nil // a value to be equal to
	}
	if len(object) != 1 {
		return errors.New("a rule has one word")
	}
	for word, operand := range object {
		if !fits(word, operand) {
			return fmt.Errorf("no rule: %q", word)
		}
	}
	return nil
}

// fits tells whether a word of a rule is known and takes the operand.
func fits(word string, operand any) bool {
	switch word {
	case "exists":
		_, ok := operand.(bool)
		return ok
	case "prefix", "suffix", "equals-ignore-case":
		_, ok := operand.(string)
		return ok
	case "anything-but":
		return fitsExclusion(operand)
	case "numeric":
		list, ok := operand.([]any)
		return ok && fitsRange(list)
	default:
		return false
	}
}

// fitsExclusion is of what may stand behind anything-but: a string or number, some
// of them, or a prefix or suffix.
func fitsExclusion(operand any) bool {
	switch operand := operand.(type) {
	case string, json.Number:
		return true
	case []any:
		for _, element := range operand {
			switch element.(type) {
			case string, json.Number:
			default:
				return false
			}
		}
		return len(operand) > 0
	case map[string]any:
		for word, text := range operand {
			_, ok := text.(string)
			return ok && len(operand) == 1 && (word == "prefix" || word == "suffix")
		}
	}
	return false
}

// fitsRange is of what may stand behind numeric: one comparison, or a lower and an
// upper bound.
func fitsRange(list []any) bool {
	if len(list) != 2 && len(list) != 4 {
		return false
	}
	for i := 0; i < len(list); i += 2 {
		sign, _ := list[i].(string)
		if _, ok := list[i+1].(json.Number); !ok {
			return false
		}
		switch {
		case sign == "=" && len(list) == 2:
		case (sign == ">" || sign == ">=") && i == 0:
		case (sign == "<" || sign == "<=") && i == len(list)-2:
		default:
			return false
		}
	}
	return true
}
