package control

import (
	"context"
	"errors"
	"slices"
	"strings"

	"thaw/internal/lambda"
	"thaw/internal/store"
)

// DeleteFunction deletes a function with all its versions, or the one version
// that the reference names; one that is not there is no error, for a function
// that is.
func (c *Control) DeleteFunction(ctx context.Context, ref lambda.Ref) error {
	if err := c.resolve(ref); err != nil {
		return err
	}
	switch {
	case ref.Qualifier == "":
		return c.deleteWhole(ctx, ref)
	case ref.Qualifier == lambda.Latest:
		return lambda.Errorf(lambda.CodeInvalidParameterValue,
			"$LATEST version cannot be deleted without deleting the function.")
	case !isNumber(ref.Qualifier):
		return lambda.Errorf(lambda.CodeInvalidParameterValue, "Deletion of aliases is not currently supported.")
	}
	return c.deleteVersion(ctx, ref)
}

func (c *Control) deleteWhole(ctx context.Context, ref lambda.Ref) error {
	for range maxTries {
		record, ok := c.catalog.Function(ref.Name)
		if !ok {
			return c.notFound(ref)
		}
		err := c.catalog.DeleteFunction(ctx, ref.Name, record.Revision)
		if err == nil {
			c.collection.due()
		}
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return c.inProgress(ref.Name)
}

func (c *Control) deleteVersion(ctx context.Context, ref lambda.Ref) error {
	number := ref.Qualifier
	ref.Qualifier = "" // the answer for a function that is not there names it alone
	record, ok := c.catalog.Function(ref.Name)
	if ok && record.Function.Version(number) == nil {
		return nil
	}
	_, err := c.change(ctx, ref, func(f *lambda.Function) error {
		if err := checkUnnamed(f, number); err != nil {
			return err
		}
		f.Versions = slices.DeleteFunc(f.Versions, func(v lambda.Version) bool { return v.Number == number })
		f.Configs.Drop(number)
		return nil
	})
	if err == nil {
		c.collection.due()
	}
	return err
}

// checkUnnamed refuses to delete a version that aliases lead to. The text is this
// server's: the service's is not on record.
func checkUnnamed(f *lambda.Function, number string) error {
	var names []string
	for i := range f.Aliases {
		if f.Aliases[i].Names(number) {
			names = append(names, f.Aliases[i].Name)
		}
	}
	if names == nil {
		return nil
	}
	return lambda.Errorf(lambda.CodeResourceConflict,
		"Version %s of function %s cannot be deleted: aliases point to it: %s.", number, f.Name, strings.Join(names, ", "))
}

func isNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
