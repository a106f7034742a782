package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// overlay is what the model of a service does not say. Each entry has its reason
// in Why, by the entry's name.
type overlay struct {
	Path string `json:"path"` // of the service's description, "lambda/2015-03-31"

	// Operations and Shapes are added, in the model's own form.
	Operations map[string]*operation `json:"operations"`
	Shapes     map[string]*shape     `json:"shapes"`
	// Faults are errors that clients see and the model does not name.
	Faults map[string]fault `json:"faults"`
	// Query is what awsQuery had for errors of a model that tells it no more.
	Query map[string]queryFault `json:"query"`
	// Status replaces the status of success.
	Status map[string]int `json:"status"`
	// Sparse names lists whose elements may be null.
	Sparse []string `json:"sparse"`
	// ByService names members ("Shape.Member") whose values the front end takes as
	// they are.
	ByService []string `json:"byService"`
	// Patterns replaces patterns of shapes, by the shape's name.
	Patterns map[string]string `json:"patterns"`
	// Enums puts the values of shapes in another order, by the shape's name.
	Enums map[string][]string `json:"enums"`
	// Told names the values that an error tells for a member ("Shape.Member") in
	// the place of its enum.
	Told map[string][]string `json:"told"`
	// Before moves a member ("Shape.Member") before another of its shape.
	Before map[string]string `json:"before"`
	// QueryVersion and XMLNamespace are of awsQuery, for a service that speaks it and
	// whose model does not tell any more.
	QueryVersion string `json:"queryVersion"`
	XMLNamespace string `json:"xmlNamespace"`
	// Flat has the names of awsQuery for the entries of flat lists, and of flat maps
	// with those of their keys and values: ["Attribute", "Name", "Value"].
	Flat map[string][]string `json:"flat"`
	// MaxBody is the largest request body of an operation, in bytes; "" is for
	// every other operation.
	MaxBody map[string]int64 `json:"maxBody"`

	Why map[string]string `json:"why"`
}

type fault struct {
	Status     int    `json:"status"`
	MessageKey string `json:"messageKey"`
	Plain      bool   `json:"plain"`
	// Query is the code of awsQuery, if it is another than the name.
	Query string `json:"query"`
}

// queryFault is what awsQuery had for an error that the model names.
type queryFault struct {
	Code   string `json:"code"`   // empty: its name
	Status int    `json:"status"` // 0: the model's
}

func readOverlay(path string) (*overlay, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	o := new(overlay)
	if err := d.Decode(o); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return o, nil
}

// merge applies the overlay. What the model says by now must leave the overlay.
func (m *model) merge(o *overlay) error {
	steps := []func(*overlay) error{m.mergeOperations, m.mergeFaults, m.mergeStatus, m.mergeLists, m.mergeMembers, m.mergePatterns, m.mergeEnums, m.mergeTold, m.mergeOrder, m.mergeFlat, m.mergeLimits}
	for _, step := range steps {
		if err := step(o); err != nil {
			return err
		}
	}
	return nil
}

func (m *model) mergeOperations(o *overlay) error {
	for name, op := range o.Operations {
		if m.Operations[name] != nil {
			return fmt.Errorf("the model has operation %s now: remove it here", name)
		}
		m.Operations[name] = op
	}
	for name, s := range o.Shapes {
		if m.Shapes[name] != nil {
			return fmt.Errorf("the model has shape %s now: remove it here", name)
		}
		m.Shapes[name] = s
	}
	return nil
}

func (m *model) mergeFaults(o *overlay) error {
	for name := range o.Faults {
		if s := m.Shapes[name]; s != nil && s.Exception {
			return fmt.Errorf("the model has error %s now: remove it here", name)
		}
	}
	for name := range o.Query {
		s := m.Shapes[name]
		if s == nil || !s.Exception {
			return fmt.Errorf("awsQuery's error %s: the model has no such error", name)
		}
		if s.Error != nil {
			return fmt.Errorf("the model tells what awsQuery has for %s now: remove it here", name)
		}
	}
	m.extra, m.query = o.Faults, o.Query
	return nil
}

func (m *model) mergeStatus(o *overlay) error {
	for name, status := range o.Status {
		op := m.Operations[name]
		if op == nil {
			return fmt.Errorf("status of operation %s: the model has no such operation", name)
		}
		if op.HTTP.ResponseCode == status {
			return fmt.Errorf("the model has status %d for %s now: remove it here", status, name)
		}
		op.HTTP.ResponseCode = status
	}
	return nil
}

func (m *model) mergeLists(o *overlay) error {
	for _, name := range o.Sparse {
		s := m.Shapes[name]
		if s == nil || s.Type != "list" {
			return fmt.Errorf("sparse list %s: the model has no such list", name)
		}
		s.sparse = true
	}
	return nil
}

func (m *model) mergeMembers(o *overlay) error {
	for _, path := range o.ByService {
		in, name, _ := strings.Cut(path, ".")
		s := m.Shapes[in]
		if s == nil || s.member(name) == nil {
			return fmt.Errorf("member %s: the model has no such member", path)
		}
		s.member(name).byService = true
	}
	return nil
}

func (m *model) mergePatterns(o *overlay) error {
	for name, pattern := range o.Patterns {
		s := m.Shapes[name]
		if s == nil || s.Pattern == "" {
			return fmt.Errorf("pattern of shape %s: the model has no such pattern", name)
		}
		if s.Pattern == pattern {
			return fmt.Errorf("the model has this pattern of %s now: remove it here", name)
		}
		s.Pattern = pattern
	}
	return nil
}

func (m *model) mergeEnums(o *overlay) error {
	for name, values := range o.Enums {
		s := m.Shapes[name]
		if s == nil || !slices.Equal(slices.Sorted(slices.Values(s.Enum)), slices.Sorted(slices.Values(values))) {
			return fmt.Errorf("values of shape %s: the model has others", name)
		}
		if slices.Equal(s.Enum, values) {
			return fmt.Errorf("the model has this order of %s now: remove it here", name)
		}
		s.Enum = values
	}
	return nil
}

func (m *model) mergeTold(o *overlay) error {
	for path, values := range o.Told {
		in, name, _ := strings.Cut(path, ".")
		s := m.Shapes[in]
		if s == nil || s.member(name) == nil {
			return fmt.Errorf("told member %s: the model has no such member", path)
		}
		s.member(name).told = values
	}
	return nil
}

func (m *model) mergeOrder(o *overlay) error {
	for path, other := range o.Before {
		in, name, _ := strings.Cut(path, ".")
		s := m.Shapes[in]
		if s == nil || s.member(name) == nil || s.member(other) == nil {
			return fmt.Errorf("member %s before %s: the model has no such members", path, other)
		}
		moved := s.member(name)
		s.Members = slices.DeleteFunc(s.Members, func(m *member) bool { return m == moved })
		at := slices.Index(s.Members, s.member(other))
		s.Members = slices.Insert(s.Members, at, moved)
	}
	return nil
}

func (m *model) mergeFlat(o *overlay) error {
	if o.QueryVersion != "" {
		if slices.Contains(m.Metadata.Protocols, "query") {
			return errors.New("the model has the protocol awsQuery now: remove queryVersion here")
		}
		m.Metadata.Protocols = append(m.Metadata.Protocols, "query")
		m.Metadata.APIVersion, m.Metadata.XMLNamespace = o.QueryVersion, o.XMLNamespace
	}
	for name, names := range o.Flat {
		s := m.Shapes[name]
		if s == nil || s.Type == "list" && len(names) != 1 || s.Type == "map" && len(names) != 3 || s.Type != "list" && s.Type != "map" {
			return fmt.Errorf("flat shape %s: the model has no such list or map, or its names are not one or three", name)
		}
		s.flat = names
	}
	return nil
}

func (m *model) mergeLimits(o *overlay) error {
	for _, op := range m.Operations {
		op.maxBody = o.MaxBody[""]
	}
	for name, limit := range o.MaxBody {
		if name == "" {
			continue
		}
		if m.Operations[name] == nil {
			return fmt.Errorf("body limit of operation %s: the model has no such operation", name)
		}
		m.Operations[name].maxBody = limit
	}
	return nil
}

func (s *shape) required(name string) bool { return slices.Contains(s.Required, name) }
