package control

import (
	"context"

	"thaw/internal/lambda"
)

// ListVersions shows $LATEST and the published versions of a function, as they
// were published. in.AllVersions is not looked at. next is empty on the last page.
func (c *Control) ListVersions(_ context.Context, ref lambda.Ref, in ListInput) (views []View, next string, err error) {
	if err := c.resolveLatest(ref); err != nil {
		return nil, "", err
	}
	after, err := decodeMarker(in.Marker)
	if err != nil {
		return nil, "", err
	}
	record, ok := c.catalog.Function(ref.Name)
	if !ok {
		return nil, "", c.notFound(ref)
	}
	rest := after.rest(record.Function, true)
	page := rest[:min(len(rest), in.limit())]
	for _, v := range page {
		views = append(views, c.view(record.Function, v, v.Number))
	}
	if len(page) < len(rest) {
		next = marker{ref.Name, page[len(page)-1].Number}.encode()
	}
	return views, next, nil
}
