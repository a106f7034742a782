package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/catalog"
	"thaw/internal/lambda"
	"thaw/internal/store"
	"thaw/internal/store/memory"
)

func open(t testing.TB, m store.Metadata) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open(t.Context(), m, catalog.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func function(name, description string) *lambda.Function {
	return &lambda.Function{Name: name, Latest: lambda.Version{Number: lambda.Latest, Description: description}}
}

func description(c *catalog.Catalog, name string) string {
	r, ok := c.Function(name)
	if !ok {
		return "-"
	}
	return r.Function.Latest.Description
}

func TestReadYourWrites(t *testing.T) {
	m := memory.New()
	defer m.Close()
	c := open(t, m.Metadata())
	ctx := t.Context()
	var r catalog.Record
	for i := range 200 {
		want := fmt.Sprint(i)
		var err error
		if r, err = c.PutFunction(ctx, function("f", want), r.Revision); err != nil {
			t.Fatal(err)
		}
		if got := description(c, "f"); got != want {
			t.Fatalf("read %q after writing %q", got, want)
		}
		if list := c.Functions(); len(list) != 1 || list[0].Revision != r.Revision {
			t.Fatalf("listed %+v", list)
		}
		if i%3 == 0 {
			if err := c.DeleteFunction(ctx, "f", r.Revision); err != nil {
				t.Fatal(err)
			}
			r = catalog.Record{}
			if got := description(c, "f"); got != "-" || len(c.Functions()) != 0 {
				t.Fatalf("read %q after deleting", got)
			}
		}
	}
}

func TestConflicts(t *testing.T) {
	m := memory.New()
	defer m.Close()
	c := open(t, m.Metadata())
	ctx := t.Context()
	first, err := c.PutFunction(ctx, function("f", "1"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutFunction(ctx, function("f", "x"), 0); !errors.Is(err, store.ErrConflict) {
		t.Errorf("second creation: %v", err)
	}
	if _, err := c.PutFunction(ctx, function("f", "2"), first.Revision); err != nil {
		t.Error(err)
	}
	if err := c.DeleteFunction(ctx, "f", first.Revision); !errors.Is(err, store.ErrConflict) {
		t.Errorf("deletion of an old revision: %v", err)
	}
	if got := description(c, "f"); got != "2" {
		t.Errorf("read %q", got)
	}
}

func TestCallerKeepsItsFunction(t *testing.T) {
	m := memory.New()
	defer m.Close()
	c := open(t, m.Metadata())
	f := full()
	if _, err := c.PutFunction(t.Context(), f, 0); err != nil {
		t.Fatal(err)
	}
	f.Latest.Environment["A"] = "changed"
	f.Versions[0].Layers[0].ARN = "changed"
	r, _ := c.Function("full")
	if diff := cmp.Diff(full(), r.Function); diff != "" {
		t.Errorf("the model shares memory with the caller (-want +got):\n%s", diff)
	}
}

func TestChangesFromElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		defer m.Close()
		here, there := open(t, m.Metadata()), open(t, m.Metadata())
		defer here.Close()
		defer there.Close()
		var log []string
		cancel := here.Subscribe(func(r catalog.Record, deleted bool) {
			log = append(log, fmt.Sprintf("%s %s %t", r.Function.Name, r.Function.Latest.Description, deleted))
		})
		ctx := t.Context()
		r, err := there.PutFunction(ctx, function("f", "1"), 0)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := there.DeleteFunction(ctx, "f", r.Revision); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := here.PutFunction(ctx, function("g", "1"), 0); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		cancel()
		if _, err := there.PutFunction(ctx, function("h", "1"), 0); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if diff := cmp.Diff([]string{"f 1 false", "f 1 true", "g 1 false"}, log); diff != "" {
			t.Errorf("notifications (-want +got):\n%s", diff)
		}
		if description(here, "h") != "1" || description(there, "g") != "1" {
			t.Error("a change from elsewhere is not seen")
		}
	})
}

// laggard is a Metadata whose watch shows a change only when it is let through.
type laggard struct {
	store.Metadata
	release chan struct{}
}

func (l laggard) Watch(ctx context.Context, prefix string) (<-chan store.Change, error) {
	changes, err := l.Metadata.Watch(ctx, prefix)
	if err != nil {
		return nil, err
	}
	late := make(chan store.Change)
	go func() {
		defer close(late)
		for c := range changes {
			if !c.Synced {
				<-l.release
			}
			late <- c
		}
	}()
	return late, nil
}

// TestLateWatch lets the watch show what own writes have overtaken: nothing of
// it may come back.
func TestLateWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		l := laggard{Metadata: m.Metadata(), release: make(chan struct{})}
		c := open(t, l)
		ctx := t.Context()
		step := func(f func() error) {
			t.Helper()
			if err := f(); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		put := func(d string, expect store.Revision) (r catalog.Record) {
			step(func() (err error) { r, err = c.PutFunction(ctx, function("f", d), expect); return err })
			return r
		}
		see := func(want string) {
			t.Helper()
			if got := description(c, "f"); got != want {
				t.Errorf("read %q, want %q", got, want)
			}
		}
		late := func() { l.release <- struct{}{}; synctest.Wait() }

		r := put("1", 0)
		step(func() error { return c.DeleteFunction(ctx, "f", r.Revision) })
		late() // the creation
		see("-")
		put("2", 0)
		late() // the deletion
		see("2")
		late() // the second creation
		see("2")
		close(l.release)
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
}

// scripted is a Metadata whose watch of functions shows what the test sends.
type scripted struct {
	store.Metadata
	changes chan store.Change
}

func (s scripted) Watch(ctx context.Context, prefix string) (<-chan store.Change, error) {
	if prefix != "function/" {
		return s.Metadata.Watch(ctx, prefix)
	}
	context.AfterFunc(ctx, func() { close(s.changes) })
	return s.changes, nil
}

// TestLateWatchOfTwoLives: an old deletion must not make the newer one forgotten,
// or the function in between comes back.
func TestLateWatchOfTwoLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		defer m.Close()
		watch := scripted{Metadata: m.Metadata(), changes: make(chan store.Change, 1)}
		watch.changes <- store.Change{Synced: true}
		c := open(t, watch)
		defer c.Close()
		ctx := t.Context()
		var shown []store.Change
		for _, d := range []string{"1", "2"} {
			r, err := c.PutFunction(ctx, function("f", d), 0)
			if err != nil {
				t.Fatal(err)
			}
			e, err := m.Metadata().Get(ctx, "function/f")
			if err != nil {
				t.Fatal(err)
			}
			if err := c.DeleteFunction(ctx, "f", r.Revision); err != nil {
				t.Fatal(err)
			}
			marker := store.Entry{Key: e.Key, Revision: r.Revision + 1}
			shown = append(shown, store.Change{Entry: e}, store.Change{Entry: marker, Deleted: true})
		}
		for i, change := range shown {
			watch.changes <- change
			synctest.Wait()
			if got := description(c, "f"); got != "-" {
				t.Errorf("after step %d of the watch the deleted function is %q", i+1, got)
			}
		}
		// The last deletion has been shown: somebody else's function may come.
		last := shown[2]
		last.Revision = shown[3].Revision + 1
		watch.changes <- last
		synctest.Wait()
		if got := description(c, "f"); got != "2" {
			t.Errorf("a later creation reads %q", got)
		}
	})
}

func TestOpenRefusesWhatItCannotRead(t *testing.T) {
	m := memory.New()
	defer m.Close()
	if _, err := m.Metadata().Put(t.Context(), "function/f", []byte(`{"v":99}`), 0); err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Open(t.Context(), m.Metadata(), catalog.Options{Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		c.Close()
		t.Fatal("a record of a newer format was taken")
	}
}

func TestConcurrentReadersAndWriters(t *testing.T) {
	m := memory.New()
	defer m.Close()
	c := open(t, m.Metadata())
	ctx := t.Context()
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for w := range 4 {
		writers.Go(func() {
			name := fmt.Sprintf("f%d", w)
			var r catalog.Record
			for i := range 100 {
				var err error
				if r, err = c.PutFunction(ctx, function(name, fmt.Sprint(i)), r.Revision); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	readers.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			list := c.Functions()
			for i := 1; i < len(list); i++ {
				if list[i-1].Function.Name >= list[i].Function.Name {
					t.Error("list is not sorted")
					return
				}
			}
		}
	})
	writers.Wait()
	close(done)
	readers.Wait()
	if got := len(c.Functions()); got != 4 {
		t.Errorf("%d functions", got)
	}
}
