package environment

import "fmt"

// State is where an environment stands in its life.
type State int

// The states. Uninitialised is both the first state and the one after a reset:
// in either the next step is an init.
const (
	Uninitialised State = iota
	Initialising
	Idle
	Frozen
	Busy
	Resetting
	Down
)

func (s State) String() string {
	return [...]string{"uninitialised", "initialising", "idle", "frozen", "busy", "resetting", "down"}[s]
}

// event is what moves an environment from state to state.
type event int

const (
	initBegins event = iota
	initEnds
	freezes
	invokeBegins // thaws, too
	invokeEnds
	fails // an init or an invocation, or what runs was found dead
	resets
	shutsDown
)

func (e event) String() string {
	return [...]string{"init begins", "init ends", "freezes", "invoke begins", "invoke ends", "fails", "is reset", "shuts down"}[e]
}

// transitions is a life as a table: what is not in it does not happen.
type transitions map[State]map[event]State

// lifeCycle is the whole life.
var lifeCycle = transitions{
	Uninitialised: {initBegins: Initialising, shutsDown: Down},
	Initialising:  {initEnds: Idle, fails: Resetting, shutsDown: Down},
	Idle:          {freezes: Frozen, invokeBegins: Busy, fails: Resetting, shutsDown: Down},
	Frozen:        {invokeBegins: Busy, fails: Resetting, shutsDown: Down},
	Busy:          {invokeEnds: Idle, fails: Resetting, shutsDown: Down},
	Resetting:     {resets: Uninitialised, shutsDown: Down},
	Down:          {shutsDown: Down},
}

// next is the pure transition function.
func (t transitions) next(s State, e event) (State, error) {
	if to, ok := t[s][e]; ok {
		return to, nil
	}
	return s, fmt.Errorf("environment is %s: it cannot be that it %s", s, e)
}
