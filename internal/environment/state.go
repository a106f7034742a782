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
	Down
)

func (s State) String() string {
	return [...]string{"uninitialised", "initialising", "idle", "frozen", "busy", "down"}[s]
}

// event is what moves an environment from state to state.
type event int

const (
	initBegins event = iota
	initEnds
	freezes
	invokeBegins
	invokeEnds
	resets
	shutsDown
)

func (e event) String() string {
	return [...]string{"init begins", "init ends", "freezes", "invoke begins", "invoke ends", "resets", "shuts down"}[e]
}

// transitions is the whole life as a table: what is not in it does not happen.
var transitions = map[State]map[event]State{
	Uninitialised: {initBegins: Initialising, shutsDown: Down},
	Initialising:  {initEnds: Idle, resets: Uninitialised, shutsDown: Down},
	Idle:          {freezes: Frozen, invokeBegins: Busy, resets: Uninitialised, shutsDown: Down},
	Frozen:        {freezes: Frozen, invokeBegins: Busy, resets: Uninitialised, shutsDown: Down},
	Busy:          {invokeEnds: Idle, resets: Uninitialised, shutsDown: Down},
	Down:          {shutsDown: Down},
}

// next is the pure transition function.
func next(s State, e event) (State, error) {
	if to, ok := transitions[s][e]; ok {
		return to, nil
	}
	return s, fmt.Errorf("environment is %s: it cannot be that it %s", s, e)
}
