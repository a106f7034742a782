package environment_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"thaw/internal/environment"
)

var update = flag.Bool("update", false, "rewrite what the transcripts expect")

// The transcripts are described in testdata/transcripts/README.md.

// TestTranscripts plays every transcript and compares what everybody has seen.
func TestTranscripts(t *testing.T) {
	for _, tr := range transcripts(t) {
		t.Run(tr.name, func(t *testing.T) {
			got := tr.play(t, environment.Table())
			if *update {
				tr.rewrite(t, got)
				return
			}
			for _, section := range tr.expected() {
				if diff := cmp.Diff(tr.section(section), got[section]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", section, diff)
				}
			}
		})
	}
}

// contractLine is how a transcript's header names what it proves.
var contractLine = regexp.MustCompile(`§\d`)

func TestTranscriptsNameWhatTheyProve(t *testing.T) {
	for _, tr := range transcripts(t) {
		if !contractLine.MatchString(string(tr.archive.Comment)) {
			t.Errorf("%s: the header names no line of the contract", tr.name)
		}
		if !slices.Contains(tr.expected(), "platform sees") {
			t.Errorf("%s: expects nothing of the platform", tr.name)
		}
	}
}

// transcript is one file of testdata/transcripts.
type transcript struct {
	name, path string
	archive    *txtar.Archive
}

func transcripts(t *testing.T) []*transcript {
	t.Helper()
	paths, err := filepath.Glob("testdata/transcripts/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	var all []*transcript
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &transcript{strings.TrimSuffix(filepath.Base(path), ".txtar"), path, archive})
	}
	return all
}

// section is a part of the file; empty if it is not there.
func (tr *transcript) section(name string) string {
	for _, f := range tr.archive.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

// observed are the sections that hold what was seen rather than what is done.
func observed(section string) bool {
	return strings.HasSuffix(section, " sees") || section == "log" || section == "telemetry"
}

func (tr *transcript) expected() []string {
	var names []string
	for _, f := range tr.archive.Files {
		if observed(f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

// rewrite puts what was seen into the file. The telemetry is kept only where the
// file has such a section.
func (tr *transcript) rewrite(t *testing.T, got map[string]string) {
	t.Helper()
	var files []txtar.File
	telemetry := false
	for _, f := range tr.archive.Files {
		telemetry = telemetry || f.Name == "telemetry"
		if !observed(f.Name) {
			files = append(files, f)
		}
	}
	for _, name := range order(got) {
		if got[name] != "" && (name != "telemetry" || telemetry) {
			files = append(files, txtar.File{Name: name, Data: []byte(got[name])})
		}
	}
	tr.archive.Files = files
	if err := os.WriteFile(tr.path, txtar.Format(tr.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// order puts the platform first, then runtime and extensions, then the log.
func order(got map[string]string) []string {
	var actors []string
	for name := range got {
		if strings.HasSuffix(name, " sees") && name != "platform sees" && name != "runtime sees" {
			actors = append(actors, name)
		}
	}
	slices.Sort(actors)
	return append(append([]string{"platform sees", "runtime sees"}, actors...), "log", "telemetry")
}

// play runs a transcript under a virtual clock and returns what was seen, by
// section. A life of another kind than the real one is given up as soon as the
// platform sees it: what comes then may never end.
func (tr *transcript) play(t *testing.T, table environment.Transitions) map[string]string {
	t.Helper()
	strange := !reflect.DeepEqual(table, environment.Table())
	var seen map[string]string
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, tr, table)
		for _, line := range lines(tr.section("platform")) {
			s.step(line)
			if strange && !strings.HasPrefix(tr.section("platform sees"), s.platform.String()) {
				break
			}
		}
		s.close()
		seen = s.seen()
	})
	return seen
}

// lines are the commands of a section: comments and empty lines left out.
func lines(section string) []string {
	var out []string
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

// notes is what one party has seen, each line with its time.
type notes struct {
	began time.Time
	lines []string
}

func (n *notes) add(format string, args ...any) {
	at := fmt.Sprintf("%7.3f  ", time.Since(n.began).Seconds())
	text := strings.TrimSuffix(fmt.Sprintf(format, args...), "\n")
	n.lines = append(n.lines, at+strings.ReplaceAll(text, "\n", "\n         "))
}

func (n *notes) String() string {
	if len(n.lines) == 0 {
		return ""
	}
	return strings.Join(n.lines, "\n") + "\n"
}
