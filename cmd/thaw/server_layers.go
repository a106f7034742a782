package main

import (
	"context"

	"thaw/internal/lambda"
)

// acquired is the unpacked code of a version and of its layers, held until
// release is called: removing it sooner would empty what is mounted.
type acquired struct {
	root    string
	layers  []string
	release func()
}

func (s *server) acquire(ctx context.Context, v *lambda.Version) (_ acquired, err error) {
	var held []lambda.Code
	release := func() {
		for _, code := range held {
			s.code.Release(code)
		}
	}
	defer func() {
		if err != nil {
			release()
		}
	}()
	a := acquired{release: release}
	if a.root, err = s.code.Acquire(ctx, v.Code); err != nil {
		return acquired{}, err
	}
	held = append(held, v.Code)
	for _, l := range v.Layers {
		dir, err := s.code.Acquire(ctx, l.Code)
		if err != nil {
			return acquired{}, err
		}
		held = append(held, l.Code)
		a.layers = append(a.layers, dir)
	}
	return a, nil
}
