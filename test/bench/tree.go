package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"thaw/internal/catalog"
	"thaw/internal/lambda"
	"thaw/internal/store/local"
	"thaw/internal/store/sealed"
	"thaw/internal/vault"
)

// tree is how much a server is to keep in the scenarios without invocations.
type tree struct {
	functions int
	versioned int // of them, with versions
	versions  int // of each of these
}

// fillers is how many functions are written at a time.
const fillers = 8

// fill puts the tree into the store of a server that has been started once and does
// not run, as the server itself would. The functions have no code: they are not to
// be invoked.
func (t tree) fill(ctx context.Context, data string) (err error) {
	logger := slog.New(slog.DiscardHandler)
	keys, err := vault.Read(filepath.Join(data, vault.FileName))
	if err != nil {
		return err
	}
	store, err := local.Open(ctx, local.Options{Dir: filepath.Join(data, "store"), Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	records, err := sealed.Open(ctx, sealed.Options{Metadata: store.Metadata(), Vault: keys, Logger: logger})
	if err != nil {
		return err
	}
	c, err := catalog.Open(ctx, records, catalog.Options{Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return t.put(ctx, c)
}

func (t tree) put(ctx context.Context, c *catalog.Catalog) error {
	var writers sync.WaitGroup
	errs := make([]error, fillers)
	for w := range fillers {
		writers.Go(func() {
			for i := w; i < t.functions && errs[w] == nil; i += fillers {
				_, errs[w] = c.PutFunction(ctx, t.function(i), 0)
			}
		})
	}
	writers.Wait()
	return errors.Join(errs...)
}

// name is that of a function by its number; those with versions are the first.
func (t tree) name(i int) string { return fmt.Sprintf("service-%05d-handler", i) }

func (t tree) function(i int) *lambda.Function {
	now := time.Now()
	f := &lambda.Function{
		Name: t.name(i), CreatedAt: now, Tags: map[string]string{"team": strconv.Itoa(i % 20), "stage": "production"},
		Latest: version(i, lambda.Latest, now),
	}
	if i >= t.versioned {
		return f
	}
	for n := range t.versions {
		f.Versions = append(f.Versions, version(i, strconv.Itoa(n+1), now))
	}
	f.LastPublished = t.versions
	f.Aliases = []lambda.Alias{{Name: "live", Version: strconv.Itoa(t.versions), RevisionID: lambda.NewUUID()}}
	return f
}

func version(i int, number string, now time.Time) lambda.Version {
	sum := sha256.Sum256(fmt.Append(nil, i, number))
	name := tree{}.name(i)
	return lambda.Version{
		Number: number, Description: "handles what comes in at " + name, Role: "arn:aws:iam::000000000000:role/" + name,
		Runtime: "python3.14", Handler: "handler.handler",
		Resources:   lambda.Resources{Architecture: "x86_64", MemoryMB: 256, Timeout: 30 * time.Second, EphemeralStorageMB: 512},
		Environment: map[string]string{"TABLE": name + "-table", "STAGE": "production", "LEVEL": "info"},
		Code:        lambda.Code{SHA256: base64.StdEncoding.EncodeToString(sum[:]), Size: 4096, Unzipped: 16384},
		Logging:     lambda.Logging{Format: "Text", Group: "/aws/lambda/" + name},
		Tracing:     lambda.TracingPassThrough,
		Status:      lambda.Status{State: lambda.StateActive, Update: lambda.UpdateSuccessful},
		RevisionID:  lambda.NewUUID(), LastModified: now,
	}
}
