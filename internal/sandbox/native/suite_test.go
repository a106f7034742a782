package native_test

import (
	"testing"

	"thaw/internal/sandbox"
	"thaw/internal/sandbox/sandboxtest"
)

func TestSuite(t *testing.T) {
	for name, poolSize := range map[string]int{"from the pool": 2, "without a pool": -1} {
		t.Run(name, func(t *testing.T) {
			d := open(t, poolSize)
			sandboxtest.Run(t, func(t *testing.T) sandboxtest.Harness {
				return sandboxtest.Harness{
					Driver: d,
					Program: func(b sandboxtest.Behaviour) (string, []string) {
						return "/var/task/probe", []string{"probe", string(b)}
					},
					Mounts: []sandbox.Mount{{Sources: []string{probeDir}, Target: "/var/task"}},
				}
			})
		})
	}
}
