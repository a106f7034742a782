package control

import (
	"context"
	"reflect"
	"strconv"

	"thaw/internal/lambda"
)

// PublishInput is what a caller says of a version that he publishes.
type PublishInput struct {
	// Description of the version; nil takes that of $LATEST.
	Description *string
	// CodeSHA256 and RevisionID, if set, must be those of $LATEST.
	CodeSHA256 string
	RevisionID string
}

// PublishVersion makes a numbered version of $LATEST, or shows the last one if
// nothing has changed since. It is Active at once, as $LATEST is.
func (c *Control) PublishVersion(ctx context.Context, ref lambda.Ref, in PublishInput) (View, error) {
	if err := c.resolveLatest(ref); err != nil {
		return View{}, err
	}
	record, ok := c.catalog.Function(ref.Name)
	if !ok {
		return View{}, c.notFound(ref)
	}
	if err := c.admitPublish(record.Function, in); err != nil {
		return View{}, err
	}
	if last := unchanged(record.Function); last != nil {
		return c.view(record.Function, last, last.Number), nil
	}
	published := 0
	f, err := c.change(ctx, ref, func(f *lambda.Function) error {
		if err := c.admitPublish(f, in); err != nil {
			return err
		}
		if unchanged(f) == nil {
			if err := c.checkStorage(f.Latest.Code.Size, 0); err != nil {
				return err
			}
			touch(&f.Latest)
		}
		published = publish(f, in.Description)
		return nil
	})
	if err != nil {
		return View{}, err
	}
	v := &f.Versions[published]
	if !v.Settled() {
		c.activation.add(ref.Name)
	}
	return c.view(f, v, v.Number), nil
}

// admitPublish tells whether $LATEST may be published now.
func (c *Control) admitPublish(f *lambda.Function, in PublishInput) error {
	if err := c.admit(f, in.RevisionID); err != nil {
		return err
	}
	if sum := f.Latest.Code.SHA256; in.CodeSHA256 != "" && in.CodeSHA256 != sum {
		return lambda.Errorf(lambda.CodeInvalidParameterValue,
			"CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST.",
			in.CodeSHA256, sum)
	}
	return nil
}

// publish makes a numbered version of $LATEST, unless nothing has changed since
// the last one, and returns its index in Versions. Numbers are never used again.
// Publishing changes the RevisionId of $LATEST too, which the change that it is
// part of has done already.
func publish(f *lambda.Function, description *string) int {
	if unchanged(f) != nil {
		return len(f.Versions) - 1
	}
	f.LastPublished++
	v := f.Latest
	v.Number = strconv.Itoa(f.LastPublished)
	if description != nil && *description != v.Description {
		v.Description, v.PublishedFrom = *description, new(v.Description)
	}
	if f.Latest.Status != activated() {
		v.Status = pending()
	}
	touch(&v)
	f.Versions = append(f.Versions, v)
	return len(f.Versions) - 1
}

// activated is the status of what has been activated.
func activated() lambda.Status {
	return lambda.Status{State: lambda.StateActive, Update: lambda.UpdateSuccessful}
}

// unchanged is the last published version if $LATEST is still what it was made
// of; otherwise nil.
func unchanged(f *lambda.Function) *lambda.Version {
	last := len(f.Versions) - 1
	if last < 0 || !sameVersion(f.Latest, f.Versions[last]) {
		return nil
	}
	return &f.Versions[last]
}

// sameVersion compares $LATEST with a published version, by code and configuration.
func sameVersion(latest, v lambda.Version) bool {
	if v.PublishedFrom != nil {
		v.Description, v.PublishedFrom = *v.PublishedFrom, nil
	}
	for _, v := range []*lambda.Version{&latest, &v} {
		v.Number, v.RevisionID, v.LastModified = "", "", lambda.Version{}.LastModified
		v.Status = lambda.Status{}
		v.Code.Unzipped = 0 // which an older server has not recorded
	}
	return reflect.DeepEqual(latest, v)
}
