package environment

import (
	"context"
	"maps"
)

// Transitions is the table of an environment's life, for tests that change it.
type Transitions = transitions

// Event is what moves an environment from state to state.
type Event = event

// Table returns a copy of the table.
func Table() Transitions {
	t := Transitions{}
	for state, row := range lifeCycle {
		t[state] = maps.Clone(row)
	}
	return t
}

// NewWithTable is New with a life of another kind.
func NewWithTable(opts Options, t Transitions) *Environment {
	e := New(opts)
	e.table = t
	return e
}

// End takes down what Shutdown, with a life of another kind, has left.
func (e *Environment) End(ctx context.Context) error { return e.end(ctx) }
