package e2e_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	linearClients = 12
	linearNames   = 4
	linearKills   = 3
	// linearMoves is how many moves lie between two kills; linearTime ends them
	// earlier where the machine is slow.
	linearMoves = 600
	linearTime  = 4 * time.Second
	// linearCheck bounds the search for an order of one function's history, which
	// takes milliseconds.
	linearCheck = 20 * time.Second
)

// linearDo is what clients do, by how often.
var linearDo = []struct {
	weight int
	do     string
}{
	{10, "create"}, {16, "update"}, {8, "code"}, {16, "publish"}, {4, "delete"}, {5, "deleteVersion"},
	{14, "createAlias"}, {16, "updateAlias"}, {3, "deleteAlias"},
	{14, "get"}, {8, "getAlias"}, {6, "listVersions"}, {6, "listAliases"}, {4, "listFunctions"},
}

// life is one process of the server, as clients know it.
type life struct {
	s *server
	// moves has one for each move that has ended, as many as are waited for.
	moves chan struct{}
	dead  chan struct{} // closed when it has been killed and waited for
	next  *life         // valid then; nil after the last
	died  int64         // valid then
}

func newLife(s *server) *life {
	return &life{s: s, moves: make(chan struct{}, linearMoves), dead: make(chan struct{})}
}

// wait lasts until the server has answered its share of moves, or the time is over.
func (l *life) wait() {
	late := time.NewTimer(linearTime)
	defer late.Stop()
	for range linearMoves {
		select {
		case <-l.moves:
		case <-late.C:
			return
		}
	}
}

// linear is clients that change the same few functions and note what they see.
type linear struct {
	began   time.Time
	zips    map[string][]byte // by digest
	digests []string

	mu      sync.Mutex
	history map[string][]porcupine.Operation // by function
	done    map[string]int                   // outcomes by move and problem
	errs    []error
}

func (l *linear) now() int64 { return int64(time.Since(l.began)) }

// TestLinear has many clients create, change, publish and delete the same few
// functions, versions and aliases while the server is killed and started again.
// What they see has to have an order, that of the calls, in which a single function
// record does the same. A move without an answer may have been carried out, before
// its server was dead, or not at all.
func TestLinear(t *testing.T) {
	seed := *randomSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("to have the clients do the same again: -seed %d", seed)
	l := newLinear(t)
	dir := t.TempDir()
	flags := []string{"--paused-sandboxes", "0", "--stop-grace", "1s"}
	needRoot(t)
	now := newLife(startIn(t, dir, flags...))
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	defer func() { stop(); clients.Wait() }()
	for i := range linearClients {
		first := now
		clients.Go(func() { l.play(ctx, rand.New(rand.NewPCG(seed, uint64(i))), i, first) })
	}
	for kills := range linearKills + 1 {
		now.wait()
		if kills == linearKills {
			break
		}
		now.s.kill()
		now.died = l.now()
		now.next = newLife(startIn(t, dir, flags...))
		close(now.dead)
		now = now.next
	}
	stop()
	clients.Wait()
	l.check(t)
}

func newLinear(t *testing.T) *linear {
	l := &linear{
		began: time.Now(), zips: map[string][]byte{},
		history: map[string][]porcupine.Operation{}, done: map[string]int{},
	}
	for i := range 3 {
		zip := zipOf(t, "bootstrap", 0o755, fmt.Appendf(nil, "#!/bin/sh\nexit %d\n", i))
		sum := sha256.Sum256(zip)
		digest := base64.StdEncoding.EncodeToString(sum[:])
		l.zips[digest], l.digests = zip, append(l.digests, digest)
	}
	return l
}

// play is one client: it goes on until ctx ends.
func (l *linear) play(ctx context.Context, r *rand.Rand, client int, now *life) {
	revisions := map[string]string{} // last seen, by function and alias
	numbers := map[string]string{}   // of the version that was seen last, by function
	for i := 0; ctx.Err() == nil && now != nil; i++ {
		name, m := fmt.Sprintf("linear-%d", r.IntN(linearNames)), l.pick(r)
		m.value = fmt.Sprintf("%d.%d", client, i)
		if m.do == "updateAlias" && r.IntN(2) == 0 {
			m.revision = revisions[name+m.alias]
		}
		if number := numbers[name]; number != "" && (m.do == "createAlias" || m.do == "updateAlias") {
			m.version = number
		}
		op := porcupine.Operation{ClientId: client, Input: m, Call: l.now()}
		seen, err := l.do(now.s, name, m)
		op.Return = l.now()
		if seen.alias.name != "" {
			revisions[name+m.alias] = seen.alias.revision
		}
		if seen.release.number != "" && seen.release.number != lastVersion {
			numbers[name] = seen.release.number
		}
		if err != nil {
			now = l.unanswered(ctx, now, name, op, err)
			continue
		}
		l.note(name, op, seen)
		select {
		case now.moves <- struct{}{}:
		default: // more than are waited for
		}
	}
}

func (l *linear) pick(r *rand.Rand) move {
	sum := 0
	for _, d := range linearDo {
		sum += d.weight
	}
	n, m := r.IntN(sum), move{}
	for _, d := range linearDo {
		if n -= d.weight; n < 0 {
			m.do = d.do
			break
		}
	}
	number, alias := fmt.Sprint(1+r.IntN(4)), string('a'+rune(r.IntN(2)))
	switch m.do {
	case "create", "code":
		m.code, m.publish = l.digests[r.IntN(len(l.digests))], r.IntN(3) == 0
	case "createAlias", "updateAlias", "deleteAlias", "getAlias":
		m.alias, m.version = alias, number
	case "deleteVersion":
		m.version = number
	case "get":
		m.version = []string{"", number, alias}[r.IntN(3)]
	}
	return m
}

// unanswered notes a move whose server was gone, and waits for the next one. An
// error of a server that lives on is the test's.
func (l *linear) unanswered(ctx context.Context, now *life, name string, op porcupine.Operation, err error) *life {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	select {
	case <-now.dead:
	case <-ctx.Done():
		select {
		case <-now.dead: // both
		default:
			l.fail(fmt.Errorf("%+v of %s: %w", op.Input, name, err))
			return nil
		}
	}
	// Nothing of a request that met no server was carried out, and a list of all
	// functions changes nothing.
	var dial *net.OpError
	if op.Input.(move).do != "listFunctions" && !(errors.As(err, &dial) && dial.Op == "dial") {
		// The dead do nothing: the search need not look for it any later.
		op.Return = max(op.Call+1, now.died)
		l.note(name, op, outcome{problem: noAnswer})
	}
	return now.next
}

func (l *linear) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, err)
}

// note takes a move into the history. To a list of all functions each function
// is as if it had been read alone.
func (l *linear) note(name string, op porcupine.Operation, seen outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := op.Input.(move)
	l.done[m.do+" "+seen.problem]++
	if m.do != "listFunctions" {
		op.Output = seen
		l.history[name] = append(l.history[name], op)
		return
	}
	for i := range linearNames {
		name := fmt.Sprintf("linear-%d", i)
		op.Input, op.Output = move{do: "get"}, outcome{problem: missing404}
		if at := slices.IndexFunc(seen.aliases, func(p pointer) bool { return p.name == name }); at >= 0 {
			op.Output = outcome{release: seen.releases[at]}
		}
		l.history[name] = append(l.history[name], op)
	}
}

// check holds the history of each function against the model.
func (l *linear) check(t *testing.T) {
	for _, err := range l.errs {
		t.Error(err)
	}
	moves := 0
	for _, n := range l.done {
		moves += n
	}
	for _, d := range linearDo {
		// A machine that is slow may not get round to all of them.
		if moves > linearMoves && l.done[d.do+" "] == 0 {
			t.Errorf("no %s was carried out: %v", d.do, l.done)
		}
	}
	for name, history := range l.history {
		began := time.Now()
		result, info := porcupine.CheckOperationsVerbose(linearModel(), history, linearCheck)
		if result != porcupine.Ok {
			t.Errorf("%s: %d moves are %s\n%s", name, len(history), result, unplaced(history, info))
			continue
		}
		t.Logf("%s: %d moves, checked in %v", name, len(history), time.Since(began))
	}
	t.Logf("outcomes: %v", l.done)
}

// unplaced shows where the longest order that was found ends: the last of its
// moves, and the first of those that have no place in it.
func unplaced(history []porcupine.Operation, info porcupine.LinearizationInfo) string {
	var longest []porcupine.Operation
	for _, placed := range info.PartialLinearizationsOperations()[0] {
		if len(placed) > len(longest) {
			longest = placed
		}
	}
	var b strings.Builder
	show := func(op porcupine.Operation) {
		fmt.Fprintf(&b, "%9.3f–%9.3f ms, client %2d: %+v → %+v\n", float64(op.Call)/1e6, float64(op.Return)/1e6, op.ClientId, op.Input, op.Output)
	}
	const shown = 25
	for _, op := range longest[max(0, len(longest)-shown):] {
		show(op)
	}
	fmt.Fprintf(&b, "and after these %d there is no place for all of\n", len(longest))
	rest := slices.Clone(history)
	slices.SortFunc(rest, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	rest = slices.DeleteFunc(rest, func(op porcupine.Operation) bool {
		return slices.ContainsFunc(longest, func(p porcupine.Operation) bool { return p.ClientId == op.ClientId && p.Call == op.Call })
	})
	for _, op := range rest[:min(len(rest), shown)] {
		show(op)
	}
	return b.String()
}
