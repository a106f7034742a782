package environment

import (
	"context"
	"maps"
	"time"
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

// ZoneID is the availability zone that environments of a region tell.
var ZoneID = zoneID

// Farewell is the plan for an occasion and who is there.
func Farewell(on string, internal, external bool) (runtime, all time.Duration) {
	who := alone
	if internal {
		who |= withInternal
	}
	if external {
		who |= withExternal
	}
	o := map[string]occasion{"failed init": failedInit, "timeout": afterTimeout, "failure": afterFailure, "spindown": spindown}[on]
	plan := farewells[o][who]
	return plan.runtime, plan.all
}

// FindExtensions names the external extensions.
func (e *Environment) FindExtensions() []string { return e.findExtensions() }

// FindBootstrap is the program that starts; empty if there is none.
func (e *Environment) FindBootstrap() string {
	path, _ := e.bootstrap()
	return path
}
