package memory_test

import (
	"testing"

	"thaw/internal/store"
	"thaw/internal/store/memory"
	"thaw/internal/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Engine{
		Open: func(*testing.T, string) store.Store { return memory.New() },
	})
}
