package store_test

import (
	"errors"
	"strings"
	"testing"

	"thaw/internal/store"
)

func TestCheckDigest(t *testing.T) {
	good := strings.Repeat("0a", 32)
	if err := store.CheckDigest(good); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", good[1:], good + "0", "A" + good[1:], "/" + good[1:], "g" + good[1:]} {
		if store.CheckDigest(bad) == nil {
			t.Errorf("%q is taken for a digest", bad)
		}
	}
}

func TestCheckPrefix(t *testing.T) {
	for _, good := range []string{"", "/", "a/", "a//", "A-z_0=9."} {
		if err := store.CheckPrefix(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"a*", "a b", "$", "é", "a\n"} {
		if store.CheckPrefix(bad) == nil {
			t.Errorf("%q begins no key", bad)
		}
	}
}

func TestCheckValue(t *testing.T) {
	if err := store.CheckValue(make([]byte, store.MaxValue)); err != nil {
		t.Error(err)
	}
	if err := store.CheckValue(make([]byte, store.MaxValue+1)); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("one byte more: %v", err)
	}
}
