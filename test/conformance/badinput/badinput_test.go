package badinput_test

import (
	"maps"
	"net/http"
	"testing"

	"thaw/internal/awsapi"
)

// leastOutside and leastInside are how many cases there have to be: fewer mean
// that the generator has lost some.
const (
	leastOutside = 250
	leastInside  = 250
)

// trial is one value at one place, in an input that is else as it should be.
type trial struct {
	place
	variant
	input map[string]any
}

func (c *trial) String() string { return c.place.String() + " " + c.constraint }

// base is an input of an operation that nothing is wrong with, and to which a
// member may be added.
func (t *tables) base(op *awsapi.Operation, member string) map[string]any {
	input := t.required(t.shape(op.Input))
	maps.Copy(input, usual(op.Name, member))
	return input
}

// reachable tells whether a value can be sent: an empty label makes another path,
// and what a path, query or header has of a list or map is texts.
func (t *tables) reachable(p place, value any) bool {
	shape := t.shape(p.op.Input)
	for i := range shape.Members {
		m := &shape.Members[i]
		if m.Name != p.path[0].member {
			continue
		}
		if list, ok := value.([]any); ok && m.In == awsapi.InQuery {
			return len(list) > 0
		}
		return (m.In != awsapi.InLabel || value != "") && shape.Payload != i+1
	}
	return false
}

// trials are all there are of an operation.
func (t *tables) trials(op *awsapi.Operation) (list []*trial, missed int) {
	for _, p := range t.places(op) {
		variants, none := t.variants(p.shape)
		missed += none
		for _, v := range variants {
			if !t.reachable(p, v.value) {
				missed++
				continue
			}
			input := t.put(t.shape(op.Input), t.base(op, p.path[0].member), p.path, v.value).(map[string]any)
			list = append(list, &trial{p, v, input})
		}
	}
	return list, missed
}

func TestBadInputs(t *testing.T) {
	model := newTables()
	s := newServer(t) // what is refused leaves it as it is
	count, unsent, kinds := 0, 0, make(map[string]int)
	for i := range model.service.Operations {
		trials, missed := model.trials(&model.service.Operations[i])
		unsent += missed
		for _, c := range trials {
			if !c.outside {
				continue
			}
			count++
			kinds[c.constraint]++
			want := model.expected(c.op, c.input)
			got := s.send(model, c.op, c.input)
			if got.status != http.StatusBadRequest || got.code != "ValidationException" || got.message != want {
				t.Errorf("%s: %d %s %.2000s\nwant %.2000s", c, got.status, got.code, got.message, want)
			}
		}
	}
	t.Logf("%d inputs outside of a constraint: %v; of %d sides of constraints there is no value, or none that can be sent", count, kinds, unsent)
	if count < leastOutside {
		t.Errorf("only %d inputs were derived, want %d at least", count, leastOutside)
	}
}

func TestGoodInputs(t *testing.T) {
	model := newTables()
	count, narrower := 0, 0
	list := exceptions()
	used := make([]bool, len(list))
	s := newServer(t)
	// send uses a new server when one may have changed.
	send := func(op *awsapi.Operation, input map[string]any) answer {
		got := s.send(model, op, input)
		if got.status < 400 && op.Method != http.MethodGet {
			s = newServer(t)
		}
		return got
	}
	for i := range model.service.Operations {
		op := &model.service.Operations[i]
		usually := send(op, model.base(op, ""))
		if want := model.expected(op, model.base(op, "")); want != "" {
			t.Errorf("%s: the usual input is refused by the model: %s", op.Name, want)
		}
		trials, _ := model.trials(op)
		for _, c := range trials {
			if c.outside {
				continue
			}
			count++
			got := send(op, c.input)
			if !got.refused() || got == usually {
				continue
			}
			narrower++
			if i := excepted(list, c, got.message); i >= 0 && got.status == http.StatusBadRequest {
				used[i] = true
				continue
			}
			t.Errorf("%s is refused, though the model has it (where the service is narrower, exceptions_test.go says so): %d %s %.1000s",
				c, got.status, got.code, got.message)
		}
	}
	t.Logf("%d inputs inside of a constraint, of %d of which the service wants more", count, narrower)
	if count < leastInside {
		t.Errorf("only %d inputs were derived, want %d at least", count, leastInside)
	}
	for i, e := range list {
		if !used[i] {
			t.Errorf("%s is no exception any more: remove it", e.places)
		}
	}
}

// refused tells whether an input was found wrong, or broke something. That what it
// names is not there, or not built, is no fault of it.
func (a answer) refused() bool {
	return a.status == http.StatusBadRequest || a.status >= 500 && a.status != http.StatusNotImplemented
}
