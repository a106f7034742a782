package seeds_test

import (
	"slices"
	"testing"

	"thaw/internal/seeds"
)

func TestKeep(t *testing.T) {
	t.Chdir(t.TempDir())
	if kept := seeds.Kept(t); len(kept) > 0 {
		t.Fatalf("%v is kept before anything has failed", kept)
	}
	first, second := seeds.History{Seed: 1 << 63, Number: 7}, seeds.History{Seed: 3}
	for _, h := range []seeds.History{first, second, first} {
		seeds.Keep(t, h)
	}
	if kept, want := seeds.Kept(t), []seeds.History{first, second}; !slices.Equal(kept, want) {
		t.Errorf("kept %v, want %v", kept, want)
	}
	t.Run("other", func(t *testing.T) {
		if kept := seeds.Kept(t); len(kept) > 0 {
			t.Errorf("%v is another test's", kept)
		}
	})
}
