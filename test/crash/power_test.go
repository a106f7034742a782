package crash_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"thaw/test/crash/powercut"
)

// needFUSE skips, with the reason, where a file system cannot be mounted.
func needFUSE(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("no FUSE: %v", err)
	}
}

// TestPowerCut cuts the power under a working process at random writes, also while
// it starts, over and over on one disk.
func TestPowerCut(t *testing.T) {
	needFUSE(t)
	for _, ordered := range []bool{false, true} {
		t.Run(fmt.Sprintf("ordered=%t", ordered), func(t *testing.T) { powerCuts(t, ordered) })
	}
}

func powerCuts(t *testing.T, ordered bool) {
	first := newSeed(t)
	random := source(first)
	dir := directory(t)
	at := filepath.Join(dir, "disk")
	if err := os.Mkdir(at, 0o700); err != nil {
		t.Fatal(err)
	}
	g := newLedger(filepath.Join(dir, "executed"))
	cuts := repeat(6, 75)
	began := time.Now()
	disk := powercut.New(ordered)
	for life := range uint64(cuts) {
		var err error
		if disk, err = cutOnce(t.Context(), g, disk, at, life, random); err != nil {
			t.Fatalf("life %d: %v", life, err)
		}
		if (life+1)%5 == 0 || int(life) == cuts-1 {
			if err := drainDisk(t.Context(), g, disk, at, life); err != nil {
				t.Fatalf("life %d: %v", life, err)
			}
			progress(t, "power cut", int(life)+1, cuts, began, g)
		}
		if len(g.lost)+len(g.found) > 0 {
			break
		}
	}
	g.check(t)
}

// cutOnce runs a child on a disk and cuts the power.
func cutOnce(ctx context.Context, g *ledger, disk *powercut.Disk, at string, life uint64, random *rand.Rand) (_ *powercut.Disk, err error) {
	unmount, err := disk.Mount(at)
	if err != nil {
		return nil, err
	}
	defer func() {
		select {
		case <-disk.WasCut():
			disk.Release()
		default:
		}
		if e := unmount(); err == nil {
			err = e
		}
	}()
	starting := random.IntN(4) == 0
	if starting {
		disk.CutAfter(1 + random.IntN(150))
	}
	c, out, err := start(ctx, at, g.path, life, false)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	died := make(chan struct{})
	go func() {
		select {
		case <-disk.WasCut():
		case <-died:
			return
		}
		// What was acknowledged before the cut may be on its way still; then the
		// process dies before anything that waits is let go.
		time.Sleep(5 * time.Millisecond)
		c.Process.Kill()
		disk.Release()
	}()
	after := 1 + random.IntN(repeat(3000, 12000))
	var opened func()
	if !starting {
		opened = func() { disk.CutAfter(after) }
	}
	err = g.listen(out, opened)
	if err != nil {
		c.Process.Kill()
	}
	waitErr := c.Wait()
	close(died)
	if err != nil {
		return nil, err
	}
	select {
	case <-disk.WasCut():
	default:
		return nil, fmt.Errorf("the child ended by itself: %w", waitErr)
	}
	return disk.After(random), nil
}

// drainDisk has a child work off everything, and leaves the disk as if nothing had
// happened to it.
func drainDisk(ctx context.Context, g *ledger, disk *powercut.Disk, at string, life uint64) error {
	unmount, err := disk.Mount(at)
	if err != nil {
		return err
	}
	err = drain(ctx, g, at, life)
	if e := unmount(); err == nil {
		err = e
	}
	return err
}
