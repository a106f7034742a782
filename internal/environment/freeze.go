package environment

import (
	"fmt"
	"time"
)

// Freeze stops everything inside until the next invocation. It is for an idle
// environment; one that is not idle any more is left as it is.
func (e *Environment) Freeze() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	state, err := e.table.next(e.state, freezes)
	if err != nil {
		return nil
	}
	l := e.life.Load()
	l.relay.Pause() // nobody inside could take what it delivers
	if err := e.box.Freeze(); err != nil {
		l.relay.Resume()
		return fmt.Errorf("freeze environment %s: %w", e.id, err)
	}
	e.state = state
	return nil
}

// thaw lets time go on inside. The caller holds e.mu, and the environment is frozen.
func (e *Environment) thaw() error {
	if err := e.box.Thaw(); err != nil {
		return fmt.Errorf("thaw: %w", err)
	}
	e.life.Load().relay.Resume()
	return nil
}

// wake thaws a frozen environment that is about to end: what is frozen cannot end
// by itself. The caller holds e.mu.
func (e *Environment) wake() {
	if e.state != Frozen {
		return
	}
	if err := e.thaw(); err != nil {
		e.logger.Debug("thaw what is to end", "error", err)
	}
}

// occupy makes an idle environment busy, thawed if it was frozen: in one step, so
// that a freeze cannot come between.
func (e *Environment) occupy() (*life, time.Duration, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	state, err := e.table.next(e.state, invokeBegins)
	if err != nil {
		return nil, 0, err
	}
	if e.state == Frozen {
		if err := e.thaw(); err != nil {
			return nil, 0, err
		}
	}
	e.state = state
	took := e.initTook
	e.initTook = 0
	return e.life.Load(), took, nil
}
