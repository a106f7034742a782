package main

import (
	"context"
	"sync"

	"thaw/internal/code"
)

// packages are the server's deployment packages. While a backup reads them none is
// collected: a blob that the backup's records name has to be there when its turn
// comes, whatever was changed or deleted since.
type packages struct {
	*code.Packages
	reading sync.RWMutex // read-locked by a backup
}

// Collect removes what nobody names and nobody holds. During a backup everything
// counts as held, so that it is tried again later.
func (p *packages) Collect(ctx context.Context, named func() (inUse func(sha256 string) bool)) (held int, err error) {
	if !p.reading.TryLock() {
		return 1, nil
	}
	defer p.reading.Unlock()
	return p.Packages.Collect(ctx, named)
}
