package control_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/control"
	"thaw/internal/lambda"
	"thaw/internal/store"
	"thaw/internal/store/memory"
)

// TestLayerHistories lets several callers publish, delete, attach and let go at
// the same time, with collections among them. Nothing that a function or layer has
// is ever missing, and in the end nothing is kept that nobody has.
func TestLayerHistories(t *testing.T) {
	base := *seed
	if base == 0 {
		base = uint64(time.Now().UnixNano())
	}
	for i := range uint64(20) {
		t.Run(fmt.Sprint(base+i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := memory.New()
				defer m.Close()
				s := start(t, &slow{Metadata: m.Metadata(), random: rand.New(rand.NewPCG(base+i, 0))}, control.Options{Settle: settle})
				defer s.stop(t)
				for f := range 3 {
					create(t, s, input(fmt.Sprintf("f%d", f)))
				}
				rest()
				for round := range uint64(10) {
					var callers sync.WaitGroup
					for caller := range uint64(4) {
						callers.Go(func() {
							random := rand.New(rand.NewPCG(base+i, round<<8|caller))
							for range 8 {
								layerStep(t, s, random)
								time.Sleep(time.Duration(random.IntN(800)) * time.Millisecond)
							}
						})
					}
					callers.Wait()
					synctest.Wait()
					if missing := s.missing(); len(missing) > 0 {
						t.Fatalf("round %d: missing are %q", round, missing)
					}
				}
				time.Sleep(2 * time.Minute) // with the collection that comes again for what was held
				synctest.Wait()
				if diff := cmp.Diff(s.named(), s.packages.all()); diff != "" {
					t.Errorf("code that is kept (-named +kept):\n%s", diff)
				}
			})
		})
	}
}

// slow is a Metadata that writes late: there is time for others, and for
// collections, between a look at a layer and the change of a function.
type slow struct {
	store.Metadata
	mu     sync.Mutex
	random *rand.Rand
}

func (s *slow) Put(ctx context.Context, key string, value []byte, expect store.Revision) (store.Revision, error) {
	s.mu.Lock()
	late := time.Duration(s.random.IntN(4000)) * time.Millisecond
	s.mu.Unlock()
	time.Sleep(late)
	return s.Metadata.Put(ctx, key, value, expect)
}

// layerStep does one thing; what the service may refuse, it may refuse.
func layerStep(t *testing.T, s *server, random *rand.Rand) {
	ref := lambda.LayerRef{Name: fmt.Sprintf("l%d", random.IntN(3)), Version: 1}
	if record, ok := s.catalog.Layer(ref.Name); ok && len(record.Layer.Versions) > 0 {
		ref.Version = record.Layer.Versions[random.IntN(len(record.Layer.Versions))].Number
	}
	function := lambda.Ref{Name: fmt.Sprintf("f%d", random.IntN(3))}
	var err error
	switch random.IntN(8) {
	case 0, 1:
		zip := fmt.Sprintf("layer content %d", random.IntN(8)) // sometimes what another has
		_, err = s.PublishLayerVersion(t.Context(), ref, control.PublishLayerInput{Zip: []byte(zip)})
	case 2, 3:
		err = s.DeleteLayerVersion(t.Context(), ref)
	case 4, 5, 6:
		_, err = s.UpdateFunctionConfiguration(t.Context(), function,
			control.Settings{Layers: layers(scope.LayerVersionARN(ref.Name, ref.Version))}, "")
	case 7:
		_, err = s.UpdateFunctionConfiguration(t.Context(), function, control.Settings{Layers: layers()}, "")
	}
	if e, ok := errors.AsType[*lambda.Error](err); err != nil && (!ok || e.Code == lambda.CodeTooManyRequests) {
		t.Errorf("%v", err)
	}
}

// named is the code that functions and layers have, sorted.
func (s *server) named() []string {
	named := map[string]bool{}
	for _, r := range s.catalog.Functions() {
		named[r.Function.Latest.Code.SHA256] = true
		for _, l := range r.Function.Latest.Layers {
			named[l.Code.SHA256] = true
		}
	}
	for _, r := range s.catalog.Layers() {
		numbers := map[int64]bool{}
		for _, v := range r.Layer.Versions {
			named[v.Code.SHA256] = true
			if numbers[v.Number] || v.Number > r.Layer.LastPublished {
				named["a number that was given twice"] = true
			}
			numbers[v.Number] = true
		}
	}
	return slices.Sorted(maps.Keys(named))
}

func (s *server) missing() []string {
	kept := s.packages.all()
	return slices.DeleteFunc(s.named(), func(sum string) bool { return slices.Contains(kept, sum) })
}

// all is the code that is kept, sorted.
func (p *packages) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.kept))
}
