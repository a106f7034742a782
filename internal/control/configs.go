package control

import (
	"context"

	"thaw/internal/lambda"
)

// PageInput asks for one page of a function's configurations.
type PageInput struct {
	Marker string // of the page before; empty for the first
	Max    int    // at most 50 are given; 0 means that
}

// page is a part of a list of configurations; next is empty on the last one.
func page[C lambda.Qualified](list []C, name string, in PageInput) (part []C, next string, err error) {
	after, err := decodeMarker(in.Marker)
	if err != nil {
		return nil, "", err
	}
	if after.name != "" {
		at, found := lambda.Find(list, after.version)
		if found {
			at++
		}
		list = list[at:]
	}
	part = list[:min(len(list), ListInput{Max: in.Max}.limit())]
	if len(part) < len(list) {
		next = marker{name, part[len(part)-1].Of()}.encode()
	}
	return part, next, nil
}

// function is the function of a reference; missing is the answer if there is
// none.
func (c *Control) function(ref lambda.Ref, missing error) (*lambda.Function, error) {
	if err := c.resolve(ref); err != nil {
		return nil, err
	}
	record, ok := c.catalog.Function(ref.Name)
	if !ok {
		return nil, missing
	}
	return record.Function, nil
}

// changeConfigs edits what is set for the function of a reference; missing is the
// answer if there is none.
func (c *Control) changeConfigs(ctx context.Context, ref lambda.Ref, missing error, edit func(*lambda.Function) error) (*lambda.Function, error) {
	if _, err := c.function(ref, missing); err != nil {
		return nil, err
	}
	return c.change(ctx, lambda.Ref{Name: ref.Name}, edit)
}
