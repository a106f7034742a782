package local_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"thaw/internal/store"
)

// writerDir, in the environment, makes this test binary the process that is
// killed: it writes to the store in that directory until it dies.
const writerDir = "THAW_TEST_WRITER_DIR"

// batchSize is how many events the child enqueues in one call.
const batchSize = 5

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerDir); dir != "" {
		fmt.Fprintln(os.Stderr, writeForever(dir, os.Getenv(writerDir+"_LIFE")))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestKill kills a writing process, several times over one directory. All that
// it had reported as acknowledged has to be there, and no part of a batch.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	for life := range 4 {
		for _, line := range writeAndKill(t, dir, life) {
			acknowledged[line] = true
		}
		if len(acknowledged) < 20*(life+1) {
			t.Fatalf("only %d writes before the kill", len(acknowledged))
		}
		checkAcknowledged(t, dir, acknowledged)
	}
}

// writeAndKill lets a child write for a moment, and returns what it reported.
func writeAndKill(t *testing.T, dir string, life int) (lines []string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), writerDir+"="+dir, fmt.Sprintf("%s_LIFE=%d", writerDir, life))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	for scanner.Scan() {
		// A line that was cut by the kill was not reported.
		if line, whole := strings.CutSuffix(scanner.Text(), ";"); whole {
			lines = append(lines, line)
		}
		if len(lines) == 150 { // what is in the pipe by then still comes
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil {
		t.Fatal("the writer ended by itself")
	}
	return lines
}

func checkAcknowledged(t *testing.T, dir string, acknowledged map[string]bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := open(t, dir)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	there := readKeys(ctx, t, s)
	for batch, events := range readEvents(ctx, t, s, acknowledged) {
		if events != batchSize {
			t.Errorf("%d events of %s", events, batch)
		}
		there[batch] = true
	}
	digests, err := s.Blobs().List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, digest := range digests {
		there["blob "+digest] = true
	}
	for line := range acknowledged {
		if !there[line] {
			t.Errorf("lost: %s", line)
		}
	}
}

func readKeys(ctx context.Context, t *testing.T, s store.Store) map[string]bool {
	t.Helper()
	there := map[string]bool{}
	watch, err := s.Metadata().Watch(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	for c := range watch {
		if c.Synced {
			return there
		}
		if string(c.Value) != c.Key {
			t.Errorf("%s holds %q", c.Key, c.Value)
		}
		there["key "+c.Key] = true
	}
	t.Fatal("the watch ended before it was synced")
	return nil
}

// readEvents counts the events of each batch. They are leased for a moment only,
// and stay for the lives to come.
func readEvents(ctx context.Context, t *testing.T, s store.Store, acknowledged map[string]bool) map[string]int {
	t.Helper()
	expect := 0
	for line := range acknowledged {
		if strings.HasPrefix(line, "batch") {
			expect += batchSize
		}
	}
	batches := map[string]int{}
	for got := 0; ; {
		wait := time.Minute
		if got >= expect {
			wait = 20 * time.Millisecond // there may be more, that were not reported
		}
		leasing, cancel := context.WithTimeout(ctx, wait)
		leased, err := s.Queue("async").Lease(leasing, 1000, time.Hour)
		cancel()
		if err != nil {
			return batches
		}
		got += len(leased)
		for _, l := range leased {
			batches[l.Partition]++
		}
	}
}

// writeForever is the child. A line is written when a write was acknowledged.
func writeForever(dir, life string) error {
	s, err := openStore(context.Background(), dir)
	if err != nil {
		return err
	}
	ctx := context.Background()
	var wg sync.WaitGroup
	var failed sync.Map
	loop := func(write func(name string) (string, error)) {
		wg.Go(func() {
			for i := 0; ; i++ {
				line, err := write(fmt.Sprintf("%s-%d", life, i))
				if err != nil {
					failed.Store(err, true)
					return
				}
				if _, err := fmt.Println(line + ";"); err != nil {
					return
				}
			}
		})
	}
	loop(func(name string) (string, error) {
		_, err := s.Metadata().Put(ctx, "k/"+name, []byte("k/"+name), 0)
		return "key k/" + name, err
	})
	for _, worker := range []string{"a", "b", "c"} {
		loop(func(name string) (string, error) {
			batch := "batch " + worker + name
			events := make([]store.Event, batchSize)
			for i := range events {
				events[i] = store.Event{ID: fmt.Sprintf("%s-%d", batch, i), Partition: batch, Body: make([]byte, 1000)}
			}
			return batch, s.Queue("async").EnqueueBatch(ctx, events)
		})
	}
	loop(func(name string) (string, error) {
		digest, _, err := s.Blobs().Put(ctx, strings.NewReader(name))
		return "blob " + digest, err
	})
	wg.Wait()
	failed.Range(func(e, _ any) bool { err = e.(error); return false })
	return fmt.Errorf("the writer stopped: %w", err)
}
