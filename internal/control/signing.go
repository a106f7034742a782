package control

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"thaw/internal/catalog"
	"thaw/internal/lambda"
	"thaw/internal/store"
)

// SigningConfigView is a code signing configuration as an operation shows it.
type SigningConfigView struct {
	*lambda.SigningConfig
	ARN string
}

func (c *Control) signingView(config *lambda.SigningConfig) SigningConfigView {
	return SigningConfigView{SigningConfig: config, ARN: c.scope.SigningConfigARN(config.ID)}
}

// SigningSettings is what a caller wants a code signing configuration to be. What
// is nil stays, or has its default.
type SigningSettings struct {
	Description *string
	Publishers  []string
	Policy      *string
}

func (s *SigningSettings) apply(config *lambda.SigningConfig) {
	set(&config.Description, s.Description)
	set(&config.Policy, s.Policy)
	if s.Publishers != nil {
		config.Publishers = s.Publishers
	}
	config.LastModified = later(time.Now(), config.LastModified)
}

// CreateSigningConfig makes a code signing configuration, which only warns unless
// it is told to enforce.
func (c *Control) CreateSigningConfig(ctx context.Context, s SigningSettings, tags map[string]string) (SigningConfigView, error) {
	if err := checkTags(tags); err != nil {
		return SigningConfigView{}, err
	}
	config := lambda.SigningConfig{ID: lambda.NewSigningConfigID(), Policy: lambda.SigningWarn, Tags: tags}
	s.apply(&config)
	record, err := c.catalog.PutSigningConfig(ctx, &config, 0)
	if err != nil {
		return SigningConfigView{}, err
	}
	return c.signingView(record.Config), nil
}

// GetSigningConfig shows a code signing configuration.
func (c *Control) GetSigningConfig(_ context.Context, arn string) (SigningConfigView, error) {
	record, err := c.signingConfig(arn)
	if err != nil {
		return SigningConfigView{}, err
	}
	return c.signingView(record.Config), nil
}

// UpdateSigningConfig changes a code signing configuration. Code that is deployed
// already is not looked at again.
func (c *Control) UpdateSigningConfig(ctx context.Context, arn string, s SigningSettings) (SigningConfigView, error) {
	config, err := c.changeSigning(ctx, arn, func(config *lambda.SigningConfig) error {
		s.apply(config)
		return nil
	})
	if err != nil {
		return SigningConfigView{}, err
	}
	return c.signingView(config), nil
}

// changeSigning replaces a configuration by what edit makes of a copy, of which it
// replaces the maps and slices that it changes.
func (c *Control) changeSigning(ctx context.Context, arn string, edit func(*lambda.SigningConfig) error) (*lambda.SigningConfig, error) {
	for range maxTries {
		record, err := c.signingConfig(arn)
		if err != nil {
			return nil, err
		}
		config := *record.Config
		if err := edit(&config); err != nil {
			return nil, err
		}
		changed, err := c.catalog.PutSigningConfig(ctx, &config, record.Revision)
		if err == nil {
			return changed.Config, nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return nil, err
		}
		if !sleep(ctx, conflictPause) {
			return nil, ctx.Err()
		}
	}
	return nil, signingConflict()
}

// signingConflict is this server's own text.
func signingConflict() error {
	return lambda.Errorf(lambda.CodeResourceConflict, "The operation cannot be performed at this time. Other changes are under way.")
}

// DeleteSigningConfig deletes a configuration that no function has.
func (c *Control) DeleteSigningConfig(ctx context.Context, arn string) error {
	c.signing.Lock()
	defer c.signing.Unlock()
	record, err := c.signingConfig(arn)
	if err != nil {
		return err
	}
	if len(c.signed(record.Config.ID)) > 0 { // the text is this server's
		return lambda.Errorf(lambda.CodeResourceConflict,
			"The Lambda code signing configuration %s cannot be deleted: functions use it.", arn)
	}
	err = c.catalog.DeleteSigningConfig(ctx, record.Config.ID, record.Revision)
	if errors.Is(err, store.ErrConflict) {
		return signingConflict()
	}
	return err
}

// ListSigningConfigs shows the configurations sorted by ID. next is empty on the
// last page.
func (c *Control) ListSigningConfigs(_ context.Context, in PageInput) (views []SigningConfigView, next string, err error) {
	part, next, err := pageOf(c.catalog.SigningConfigs(), in, func(r catalog.SigningRecord) string { return r.Config.ID })
	for _, r := range part {
		views = append(views, c.signingView(r.Config))
	}
	return views, next, err
}

// ListSignedFunctions shows the ARNs of the functions that have a configuration.
func (c *Control) ListSignedFunctions(_ context.Context, arn string, in PageInput) (arns []string, next string, err error) {
	record, err := c.signingConfig(arn)
	if err != nil {
		return nil, "", err
	}
	part, next, err := pageOf(c.signed(record.Config.ID), in, func(name string) string { return name })
	for _, name := range part {
		arns = append(arns, c.scope.FunctionARN(name, ""))
	}
	return arns, next, err
}

// signed are the names of the functions that have a configuration, sorted.
func (c *Control) signed(id string) (names []string) {
	for _, f := range c.catalog.List() {
		if f.Signing == id {
			names = append(names, f.Name)
		}
	}
	return names
}

// pageOf is a part of a list that is sorted by name; next is empty on the last one.
func pageOf[E any](list []E, in PageInput, name func(E) string) (part []E, next string, err error) {
	after, err := decodeMarker(in.Marker)
	if err != nil {
		return nil, "", err
	}
	if after.name != "" {
		at, found := slices.BinarySearchFunc(list, after.name, func(e E, after string) int { return strings.Compare(name(e), after) })
		if found {
			at++
		}
		list = list[at:]
	}
	part = list[:min(len(list), ListInput{Max: in.Max}.limit())]
	if len(part) < len(list) {
		next = marker{name: name(part[len(part)-1])}.encode()
	}
	return part, next, nil
}

// PutFunctionSigning gives a function a configuration, which its next deployment
// is held to.
func (c *Control) PutFunctionSigning(ctx context.Context, ref lambda.Ref, arn string) (name string, err error) {
	c.signing.Lock()
	defer c.signing.Unlock()
	id, err := c.signingID(arn)
	if err != nil {
		return "", err
	}
	return ref.Name, c.setSigning(ctx, ref, id)
}

// DeleteFunctionSigning takes its configuration from a function. One that has none
// is no error.
func (c *Control) DeleteFunctionSigning(ctx context.Context, ref lambda.Ref) error {
	return c.setSigning(ctx, ref, "")
}

func (c *Control) setSigning(ctx context.Context, ref lambda.Ref, id string) error {
	if err := c.resolveLatest(ref); err != nil {
		return err
	}
	_, err := c.changeConfigs(ctx, ref, c.notFound(ref), func(f *lambda.Function) error {
		f.Configs.Signing = id
		return nil
	})
	return err
}

// GetFunctionSigning shows the ARN of a function's configuration; empty if it has
// none.
func (c *Control) GetFunctionSigning(_ context.Context, ref lambda.Ref) (arn string, err error) {
	if err := c.resolveLatest(ref); err != nil {
		return "", err
	}
	f, err := c.function(ref, c.notFound(ref))
	if err != nil || f.Configs.Signing == "" {
		return "", err
	}
	return c.scope.SigningConfigARN(f.Configs.Signing), nil
}

// signingConfig is the record that an ARN names.
func (c *Control) signingConfig(arn string) (catalog.SigningRecord, error) {
	id, ok := c.scope.SigningConfigID(arn)
	record, found := c.catalog.SigningConfig(id)
	if !ok || !found {
		return record, lambda.Errorf(lambda.CodeResourceNotFound, "The Lambda code signing configuration %s can not be found.", arn)
	}
	return record, nil
}

// signingID is the ID of the configuration that a function is to have.
func (c *Control) signingID(arn string) (string, error) {
	record, err := c.signingConfig(arn)
	if err != nil {
		return "", lambda.Errorf(lambda.CodeCodeSigningConfigNotFound,
			"The code signing configuration cannot be found. Check that the provided configuration is not deleted: %s.", arn)
	}
	return record.Config.ID, nil
}

// taggedSigning are the tags of a configuration.
func (c *Control) taggedSigning(arn string) tagged {
	return tagged{
		read: func() (map[string]string, error) {
			record, err := c.signingConfig(arn)
			if err != nil {
				return nil, err
			}
			return record.Config.Tags, nil
		},
		change: func(ctx context.Context, edit tagEdit) error {
			_, err := c.changeSigning(ctx, arn, func(config *lambda.SigningConfig) (err error) {
				config.Tags, err = edit(config.Tags)
				return err
			})
			return err
		},
	}
}
