package code

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Sweep removes the packages that are not in use; inUse is asked with a digest
// as lambda.Code has it. It is called once at start, before the first Add and
// Acquire: it asks nobody who holds one.
func (p *Packages) Sweep(ctx context.Context, inUse func(sha256 string) bool) error {
	unused, err := p.unnamed(inUse)
	if err != nil {
		return err
	}
	for _, digest := range unused {
		if err := p.remove(ctx, digest); err != nil {
			return err
		}
	}
	return nil
}

// Collect removes the packages that nobody names and nobody holds. named takes
// a picture of the names; it is called twice, since a package may be named while
// the first one is looked at. held is how many packages stay only because they
// are held: another Collect, later, may remove them.
func (p *Packages) Collect(ctx context.Context, named func() (inUse func(sha256 string) bool)) (held int, err error) {
	unused, err := p.unnamed(named())
	if err != nil || len(unused) == 0 {
		return 0, err
	}
	claimed := make([]string, 0, len(unused))
	for _, digest := range unused {
		if p.claimUnheld(digest) {
			claimed = append(claimed, digest)
		}
	}
	held = len(unused) - len(claimed)
	// Whoever held one of these before has named it by now, or never will; and
	// whoever wants one from now on waits, and makes it anew.
	inUse := named()
	for _, digest := range claimed {
		if err == nil && !inUse(inBase64(digest)) {
			err = p.remove(ctx, digest)
		}
		p.yield(digest)
	}
	return held, err
}

// unnamed lists the trees that are not in use.
func (p *Packages) unnamed(inUse func(sha256 string) bool) (digests []string, err error) {
	entries, err := os.ReadDir(p.trees)
	if err != nil {
		return nil, fmt.Errorf("list trees: %w", err)
	}
	for _, e := range entries {
		digest, _, _ := strings.Cut(e.Name(), ".")
		if sum := inBase64(digest); sum != "" && !inUse(sum) {
			digests = append(digests, digest)
		}
	}
	return slices.Compact(digests), nil // in order, and so those of one digest together
}

// claimUnheld claims a digest unless somebody is at it or holds it.
func (p *Packages) claimUnheld(digest string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy[digest] != nil || p.held[digest] > 0 {
		return false
	}
	p.busy[digest] = make(chan struct{})
	return true
}

// remove deletes a package. The tree goes last: it is what an interrupted
// removal is found again by.
func (p *Packages) remove(ctx context.Context, digest string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := p.blobs.Delete(ctx, digest); err != nil {
		return fmt.Errorf("delete package %s: %w", digest, err)
	}
	if err := p.removeTree(digest); err != nil {
		return err
	}
	p.log.LogAttrs(ctx, slog.LevelDebug, "unused package removed", slog.String("sha256", digest))
	return nil
}

// removeTree removes a package's tree, and those of earlier boots before it: what
// is left is found again.
func (p *Packages) removeTree(digest string) error {
	if err := p.removeOld(digest); err != nil {
		return err
	}
	return p.removeNamed(filepath.Base(p.tree(digest)))
}

// removeOld removes a package's trees of earlier boots. The digest is the caller's.
func (p *Packages) removeOld(digest string) error {
	p.mu.Lock()
	names := p.old[digest]
	delete(p.old, digest)
	p.mu.Unlock()
	for _, name := range names {
		if err := p.removeNamed(name); err != nil {
			return err
		}
	}
	return nil
}

// removeNamed takes a tree's name away before its files, so that no part of a
// tree ever stands under a name.
func (p *Packages) removeNamed(name string) error {
	doomed := filepath.Join(p.tmp, "removed-"+name)
	err := os.Rename(filepath.Join(p.trees, name), doomed)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = os.RemoveAll(doomed)
	}
	if err != nil {
		return fmt.Errorf("remove tree %s: %w", name, err)
	}
	return nil
}

// inBase64 is a digest as lambda.Code has it; empty if it is not one.
func inBase64(digest string) string {
	sum, err := hex.DecodeString(digest)
	if err != nil || len(sum) != sha256.Size {
		return ""
	}
	return base64.StdEncoding.EncodeToString(sum)
}
