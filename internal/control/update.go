package control

import (
	"context"
	"time"

	"thaw/internal/lambda"
)

// UpdateCodeInput is new code for $LATEST.
type UpdateCodeInput struct {
	Zip []byte
	// Object is where the zip is, if it is not given.
	Object       lambda.S3Object
	Architecture string // empty leaves it
	RevisionID   string // if set, the change is refused unless it is the current one
	// Publish makes a numbered version of the result, which is then the answer.
	Publish bool
	// DryRun checks everything and changes nothing.
	DryRun bool
}

// copies is how many versions have the new code in the end.
func (in UpdateCodeInput) copies() int {
	if in.Publish {
		return 2
	}
	return 1
}

// UpdateFunctionCode replaces the code of $LATEST.
func (c *Control) UpdateFunctionCode(ctx context.Context, ref lambda.Ref, in UpdateCodeInput) (_ View, err error) {
	if err := c.resolveLatest(ref); err != nil {
		return View{}, err
	}
	record, ok := c.catalog.Function(ref.Name)
	if !ok {
		return View{}, c.notFound(ref)
	}
	if err := c.admit(record.Function, in.RevisionID); err != nil {
		return View{}, err
	}
	kept, release, err := c.keep(ctx, ref.Name, source{in.Zip, in.Object}, in.copies(), record.Function.Latest.Code.Size)
	if err != nil {
		return View{}, err
	}
	defer func() { release(err) }()
	if err := c.checkSigned(record.Function, kept.signed); err != nil {
		return View{}, err
	}
	if in.DryRun {
		f := *record.Function
		if _, err := c.editCode(&f, kept, in); err != nil {
			return View{}, err
		}
		return c.view(&f, &f.Latest, ref.Qualifier), nil
	}
	published := 0
	f, err := c.change(ctx, ref, func(f *lambda.Function) (err error) {
		published, err = c.editCode(f, kept, in)
		return err
	})
	if err != nil {
		return View{}, err
	}
	c.activation.add(ref.Name)
	if in.Publish {
		v := &f.Versions[published]
		return c.view(f, v, v.Number), nil
	}
	return c.view(f, &f.Latest, ref.Qualifier), nil
}

// editCode puts code into $LATEST. It returns the index of the version that was
// published, if that was asked for.
func (c *Control) editCode(f *lambda.Function, kept content, in UpdateCodeInput) (published int, err error) {
	if err := c.admit(f, in.RevisionID); err != nil {
		return 0, err
	}
	if err := c.checkStorage(kept.code.Size*int64(in.copies()), f.Latest.Code.Size); err != nil {
		return 0, err
	}
	f.Latest.Code, f.Latest.Signed = kept.code, kept.signed
	if err := checkUnzipped(&f.Latest); err != nil {
		return 0, err
	}
	if in.Architecture != "" {
		f.Latest.Resources.Architecture = in.Architecture
	}
	if in.DryRun {
		return 0, nil
	}
	updating(&f.Latest)
	if in.Publish {
		published = publish(f, nil)
	}
	return published, nil
}

// UpdateFunctionConfiguration changes settings of $LATEST. A revisionID, if set,
// has to be the current one.
func (c *Control) UpdateFunctionConfiguration(ctx context.Context, ref lambda.Ref, s Settings, revisionID string) (_ View, err error) {
	if err := c.resolveLatest(ref); err != nil {
		return View{}, err
	}
	layers := c.attachment()
	defer func() { layers.release(err) }()
	f, err := c.change(ctx, ref, func(f *lambda.Function) error {
		// Settings that can never be are refused whatever the function's state.
		if err := s.apply(ctx, layers, f.Name, &f.Latest); err != nil {
			return err
		}
		if err := checkUnzipped(&f.Latest); err != nil {
			return err
		}
		if err := checkMandatory(&f.Latest); err != nil {
			return err
		}
		if err := c.admit(f, revisionID); err != nil {
			return err
		}
		if s.Layers != nil {
			if err := c.checkSigned(f, layerSignatures(f.Latest.Layers)...); err != nil {
				return err
			}
		}
		updating(&f.Latest)
		return nil
	})
	if err != nil {
		return View{}, err
	}
	c.activation.add(ref.Name)
	if s.Layers != nil {
		c.collection.due() // the layers of before may be nobody's now
	}
	return c.view(f, &f.Latest, ref.Qualifier), nil
}

// updating marks a version as changed and not ready yet. The reason is the one
// that creation gives too.
func updating(v *lambda.Version) {
	v.Status.Update = lambda.UpdateInProgress
	v.Status.UpdateReason = creatingReason
	v.Status.UpdateReasonCode = creatingCode
	v.LastModified = later(time.Now(), v.LastModified)
	touch(v)
}

// later is now, or, should the clock have been set back, the next time after
// before that answers can tell from it: they have milliseconds. So versions are
// ordered by when they were modified, whatever the clock does.
func later(now, before time.Time) time.Time {
	if next := before.Add(time.Millisecond); now.Before(next) {
		return next
	}
	return now
}
