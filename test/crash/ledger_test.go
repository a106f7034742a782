package crash_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
)

// ledger is what children have acknowledged, and what has come of it.
type ledger struct {
	events map[string]bool // acknowledged, and not yet seen in the end
	blobs  map[string]bool
	// may has for each record the writings that can be its last: the one that was
	// acknowledged, and those that were tried after it.
	may map[string][]uint64
	// read is how far the file of executions was read; executed and dead are what the
	// events have come to since the last time they were settled.
	path     string
	read     int64
	executed map[string]int
	dead     map[string]bool

	// What is told in the end.
	acknowledged, records, duplicates, executions, deadLetters int
	lost, found                                                []string
}

func newLedger(executed string) *ledger {
	return &ledger{path: executed, events: map[string]bool{}, blobs: map[string]bool{}, may: map[string][]uint64{},
		executed: map[string]int{}, dead: map[string]bool{}}
}

// neverWritten stands for a record that nobody has acknowledged yet: like a deletion,
// it is not there.
const neverWritten = 4

// life is one child's report.
type life struct {
	states  map[string]uint64
	synced  bool
	drained bool
}

// listen takes in a child's report until its end; opened is called when the store
// is open.
func (g *ledger) listen(r io.Reader, opened func()) error {
	l := life{states: map[string]uint64{}}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line, whole := strings.CutSuffix(lines.Text(), ";")
		if !whole {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "found":
			g.found = append(g.found, rest)
		case "state":
			key, n, err := keyAndNumber(rest)
			if err != nil {
				return err
			}
			l.states[key] = n
		case "states":
			l.synced = true
			g.compare(l.states)
			if opened != nil {
				opened()
			}
		case "try", "record":
			key, n, err := keyAndNumber(rest)
			if err != nil {
				return err
			}
			if word == "try" {
				if len(g.may[key]) == 0 {
					g.may[key] = []uint64{neverWritten}
				}
				g.may[key] = append(g.may[key], n)
				continue
			}
			g.may[key] = []uint64{n}
			g.records++
		case "event":
			g.events[rest] = true
			g.acknowledged++
		case "blob":
			g.blobs[rest] = true
		case "dead":
			g.dead[rest] = true
			g.deadLetters++
		case "drained":
			l.drained = true
		default:
			return fmt.Errorf("a child says %q", line)
		}
	}
	if l.drained {
		return g.settle()
	}
	return lines.Err()
}

func keyAndNumber(s string) (string, uint64, error) {
	key, digits, _ := strings.Cut(s, " ")
	n, err := strconv.ParseUint(digits, 10, 64)
	return key, n, err
}

// compare checks what a start has found against what may be.
func (g *ledger) compare(states map[string]uint64) {
	for key, may := range g.may {
		n, there := states[key]
		ok := false
		for _, m := range may {
			if isDeletion(m) != there && (!there || m == n) {
				g.may[key] = []uint64{m} // from now on it is no other
				ok = true
				break
			}
		}
		if !ok && len(may) > 0 {
			g.lost = append(g.lost, fmt.Sprintf("record %s is %d (there: %t), may be %v", key, n, there, may))
		}
	}
	for digest := range g.blobs {
		if _, there := states["blob/"+digest]; !there {
			g.lost = append(g.lost, "blob "+digest)
		}
	}
}

// settle checks, when nothing waits any more, that every acknowledged event was
// executed, and that those that failed are dead letters.
func (g *ledger) settle() error {
	f, err := os.Open(g.path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Seek(g.read, io.SeekStart); err != nil {
		return err
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		g.executed[lines.Text()]++
		g.executions++
		g.read += int64(len(lines.Bytes())) + 1
	}
	for id := range g.events {
		switch {
		case strings.HasPrefix(id, failing):
			if !g.dead[id] {
				g.lost = append(g.lost, "dead letter "+id)
			}
		case g.executed[id] == 0:
			g.lost = append(g.lost, "event "+id)
		}
	}
	for id, n := range g.executed {
		if once := 1 + 2*min(strings.Count(id, failing), 1); n > once {
			g.duplicates += n - once
		}
	}
	clear(g.events)
	clear(g.executed)
	clear(g.dead)
	return lines.Err()
}

// check fails the test for what was lost, and for damage that nobody did.
func (g *ledger) check(t *testing.T) {
	t.Helper()
	for i, what := range g.lost {
		if i == 20 {
			t.Errorf("and %d more", len(g.lost)-i)
			break
		}
		t.Errorf("lost: %s", what)
	}
	for _, what := range g.found {
		t.Errorf("damage was found: %s", what)
	}
}

func (g *ledger) String() string {
	return fmt.Sprintf("%d events and %d records acknowledged, %d executions of which %d too many, %d dead letters, %d lost, %d findings",
		g.acknowledged, g.records, g.executions, g.duplicates, g.deadLetters, len(g.lost), len(g.found))
}
