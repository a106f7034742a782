package storetest

import (
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/store"
)

// digestOfABC is from FIPS 180-2, appendix B.1.
const digestOfABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

func newReader(s string) io.Reader { return strings.NewReader(s) }

func testPutOpenDelete(t *testing.T, b store.Blobs) {
	ctx := testContext(t)
	_, err := b.Open(ctx, digestOfABC)
	wantErr(t, err, store.ErrNotFound)
	for range 2 { // equal bytes are kept once
		digest, size, err := b.Put(ctx, iotest.OneByteReader(newReader("abc")))
		noErr(t, err)
		if digest != digestOfABC || size != 3 {
			t.Errorf("put: %s, %d bytes", digest, size)
		}
	}
	_, _, err = b.Put(ctx, newReader(""))
	noErr(t, err)
	digests, err := b.List(ctx)
	noErr(t, err)
	const digestOfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	if diff := cmp.Diff([]string{digestOfABC, digestOfNothing}, digests); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	f, err := b.Open(ctx, digestOfABC)
	noErr(t, err)
	noErr(t, b.Delete(ctx, digestOfABC))
	noErr(t, b.Delete(ctx, digestOfABC))
	if _, err := f.Seek(1, io.SeekStart); err != nil {
		t.Error(err)
	}
	if rest, err := io.ReadAll(f); err != nil || string(rest) != "bc" {
		t.Errorf("a reader that had it open reads %q, %v", rest, err)
	}
	noErr(t, f.Close())
	_, err = b.Open(ctx, digestOfABC)
	wantErr(t, err, store.ErrNotFound)
}

func testBrokenReader(t *testing.T, b store.Blobs) {
	ctx := testContext(t)
	broken := errors.New("broken")
	_, _, err := b.Put(ctx, io.MultiReader(newReader("abc"), iotest.ErrReader(broken)))
	wantErr(t, err, broken)
	if digests, err := b.List(ctx); err != nil || len(digests) != 0 {
		t.Errorf("half a blob is listed: %v, %v", digests, err)
	}
}

func testBadDigest(t *testing.T, b store.Blobs) {
	ctx := testContext(t)
	for _, digest := range []string{"", "../../etc/passwd", strings.ToUpper(digestOfABC), digestOfABC[1:] + "/"} {
		if _, err := b.Open(ctx, digest); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("open %q: %v", digest, err)
		}
		if err := b.Delete(ctx, digest); err == nil {
			t.Errorf("delete %q: no error", digest)
		}
	}
}

func testParallelPuts(t *testing.T, b store.Blobs) {
	ctx := testContext(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, _, err := b.Put(ctx, newReader("abc")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if digests, err := b.List(ctx); err != nil || len(digests) != 1 {
		t.Errorf("%v, %v", digests, err)
	}
}
