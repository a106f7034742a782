package crash_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

var (
	long = flag.Bool("crash.long", false, "run the long forms")
	seed = flag.Uint64("crash.seed", 0, "seed of the first history; 0 takes one from the clock")
	work = flag.String("crash.dir", "", "where the histories' files are kept; empty means /dev/shm if it can be, or the temporary directory")
)

func TestMain(m *testing.M) {
	if root := os.Getenv(childDir); root != "" {
		if err := childMain(root); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// newSeed is the seed of a test's histories, which it prints.
func newSeed(t *testing.T) uint64 {
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("-crash.seed=%d", s)
	return s
}

func source(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// repeat is how often something is done: in the tests, and in their long forms.
func repeat(short, longer int) int {
	if *long {
		return longer
	}
	return short
}

// directory is a place that forgets with the test, in memory if it can be: it is
// killed processes that are looked at there, not disks.
func directory(t *testing.T) string {
	t.Helper()
	parent := *work
	if parent == "" {
		if _, err := os.Stat("/dev/shm"); err == nil {
			parent = "/dev/shm"
		}
	}
	dir, err := os.MkdirTemp(parent, "thaw-crash-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("kept: %s", dir)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
