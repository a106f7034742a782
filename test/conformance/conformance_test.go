package conformance_test

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	update = flag.Bool("update", false, "take new matches and digests into testdata/matched.txt (needs THAW_RECORDED)")
	only   = flag.String("cases", "", "run only the cases whose name contains this")
)

// derived is a recorded case and the calls that were derived for it.
type derived struct {
	suite, name string
	steps       func(r *run)
	// alone says that the case looks at the whole account.
	alone bool
	// hurried says that it waits for tries that the service makes minutes apart.
	hurried bool
	// limit is how long it may wait for something; 0 is settleLimit.
	limit time.Duration
}

func (d derived) key() string { return d.suite + " " + d.name }

// outcome is how a case went.
type outcome struct {
	derived
	digest, canonical string
	answers           map[string]any
	bound             map[string]string
	failure           string // why the calls came to no end
	took              time.Duration
}

// recording is a case's recorded answers.
type recording struct{ Responses map[string]any }

// workers is how many cases run at one time.
const workers = 14

func TestRecorded(t *testing.T) {
	recorded := recordings(t)
	listed := readList(t)
	cases := chosen(t, listed, recorded != nil)
	outcomes := runAll(t, startDriver(t), startSites(t, cases), cases)
	if recorded == nil {
		t.Log("THAW_RECORDED is not set: only the digests of the listed cases are compared")
	}
	matched := make(map[string]string)
	for _, o := range outcomes {
		differences := o.judge(recorded)
		if len(differences) == 0 {
			matched[o.key()] = o.digest
		}
		checkListed(t, o, differences, listed)
	}
	if recorded != nil && *only == "" {
		reportUnderived(t, recorded, matched, outcomes)
	}
	if *update {
		writeList(t, recorded, listed, matched)
	}
}

// checkListed fails the test if a case of the list has changed.
func checkListed(t *testing.T, o outcome, differences []string, listed map[string]string) {
	want, known := listed[o.key()]
	switch {
	case len(differences) > 0:
		if reason := reasonOf(o.suite, o.name); reason != "" {
			differences = append([]string{reason}, differences...)
		}
		text := fmt.Sprintf("differs (%s) %s\n\t%s", o.took.Round(time.Millisecond), o.key(), strings.Join(differences, "\n\t"))
		if known {
			t.Errorf("it is in the list of what matches, and %s", text)
			return
		}
		t.Log(text)
	case known && want != o.digest && !*update:
		t.Errorf("%s: the answers have changed: digest %s, listed %s; these are they:\n%s", o.key(), o.digest, want, o.canonical)
	default:
		t.Logf("matched (%s) %s", o.took.Round(time.Millisecond), o.key())
	}
}

// judge compares with the recording, if there is one.
func (o outcome) judge(recorded map[string]map[string]recording) []string {
	if o.failure != "" {
		return []string{o.failure}
	}
	if recorded == nil {
		return nil
	}
	wanted, ok := recorded[o.suite][o.name]
	if !ok {
		return []string{"there is no recording of that name"}
	}
	found := newMatch(o.bound)
	for _, name := range slices.Sorted(maps.Keys(wanted.Responses)) {
		want := wanted.Responses[name]
		got, ok := o.answers[name]
		switch {
		case ok:
			found.compare(name, want, got)
		case internalFailure(want):
		default:
			found.differ(name, "no call was derived")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.answers)) {
		if _, ok := wanted.Responses[name]; !ok {
			found.differ(name, "a call was derived that is not recorded")
		}
	}
	return found.differences
}

// internalFailure tells an answer that the service gave by mistake: the
// recording keeps no more than that.
func internalFailure(want any) bool { return want == "<aws_internal_failure>" }

// chosen are the cases to run: without recordings, those of the list. A case
// that invokes a function is left out where its runtime is not built.
func chosen(t *testing.T, listed map[string]string, all bool) []derived {
	var cases []derived
	known := derivations()
	for key := range listed {
		if !slices.ContainsFunc(known, func(d derived) bool { return d.key() == key }) {
			t.Errorf("%s is in the list of what matches, and has no calls any more", key)
		}
	}
	for _, d := range known {
		if _, ok := listed[d.key()]; !ok && !all || !strings.Contains(d.key(), *only) {
			continue
		}
		if name := d.runtime(); name != "" {
			if _, err := os.Stat(filepath.Join(runtimes(t), name)); err != nil {
				t.Logf("left out %s: %s is not built", d.key(), name)
				continue
			}
			if _, err := exec.LookPath("javac"); err != nil && strings.HasPrefix(name, "java") {
				t.Logf("left out %s: this machine has no JDK", d.key())
				continue
			}
		}
		cases = append(cases, d)
	}
	return cases
}

// runtime is the managed runtime that a case invokes; empty if it needs none.
func (d derived) runtime() string {
	if d.suite == api || strings.HasPrefix(d.suite, "lambda_integration_") && !d.hurried || strings.HasPrefix(d.name, "TestJavaRuntimes::") {
		return ""
	}
	switch param := d.param(); {
	case strings.HasPrefix(param, "python"), strings.HasPrefix(param, "nodejs"), strings.HasPrefix(param, "java"):
		return param
	case strings.HasPrefix(param, "provided"):
		return ""
	case strings.Contains(d.name, "TestLambdaErrors::"), strings.Contains(d.name, "TestCloudwatchLogs::"):
		return "python3.13"
	}
	return "python3.12"
}

// param is what the case's name has in brackets.
func (d derived) param() string {
	_, param, _ := strings.Cut(d.name, "[")
	return strings.TrimSuffix(param, "]")
}

// runAll runs those that need the account for themselves first, and then the
// others, several at a time, those that may wait for longest first. The outcomes
// are in the order of the cases.
func runAll(t *testing.T, driver *driver, sites *sites, cases []derived) []outcome {
	outcomes := make([]outcome, len(cases))
	queue := make(chan int)
	var wg sync.WaitGroup
	for i, d := range cases {
		if d.alone {
			outcomes[i] = d.run(t, driver, sites)
		}
	}
	for range workers {
		wg.Go(func() {
			for i := range queue {
				outcomes[i] = cases[i].run(t, driver, sites)
			}
		})
	}
	order := make([]int, len(cases))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(cases[b].limit, cases[a].limit) })
	for _, i := range order {
		if !cases[i].alone {
			queue <- i
		}
	}
	close(queue)
	wg.Wait()
	return outcomes
}

func (d derived) run(t *testing.T, driver *driver, sites *sites) (o outcome) {
	r := &run{
		t: t, driver: driver, sites: sites, site: sites.of(d), param: d.param(), fn: functionName(d.name), role: "arn:aws:iam::" + account + ":role/lambda-role",
		limit: cmp.Or(d.limit, settleLimit), answers: make(map[string]any), bound: make(map[string]string),
	}
	r.bind("<function-name:1>", r.fn)
	begin := time.Now()
	defer func() {
		o = outcome{derived: d, answers: r.answers, bound: r.bound, took: time.Since(begin)}
		if fault := recover(); fault != nil {
			reason, ok := fault.(stop)
			if !ok {
				panic(fault)
			}
			o.failure = reason.reason
		}
		r.clean()
		o.digest, o.canonical = digest(r.answers)
	}()
	d.steps(r)
	return o
}

// clean deletes what the case made, the newest first.
func (r *run) clean() {
	defer func() {
		// A server that is gone shows in the cases.
		if fault := recover(); fault != nil {
			if _, ok := fault.(stop); !ok {
				panic(fault)
			}
		}
	}()
	for _, undo := range slices.Backward(r.cleanup) {
		undo()
	}
}

// functionName is of a case, and no other case has it.
func functionName(name string) string {
	clean := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}, strings.TrimPrefix(name, "Test"))
	if len(clean) > 50 {
		clean = clean[len(clean)-50:]
	}
	return "fn" + clean
}

func reportUnderived(t *testing.T, recorded map[string]map[string]recording, matched map[string]string, outcomes []outcome) {
	known := make(map[string]bool)
	for _, o := range outcomes {
		known[o.key()] = true
	}
	near, reachable := 0, 0
	for _, suite := range slices.Sorted(maps.Keys(recorded)) {
		count, all := 0, recorded[suite]
		for _, name := range slices.Sorted(maps.Keys(all)) {
			key := suite + " " + name
			if _, ok := matched[key]; ok {
				count++
			} else if !known[key] {
				t.Logf("not derived %s: %s", key, cmp.Or(reasonOf(suite, name), "not looked at yet"))
			}
		}
		t.Logf("%s: %d of %d matched", suite, count, len(all))
		if suite == api {
			continue
		}
		for name := range all {
			switch _, ok := matched[suite+" "+name]; {
			case ok:
				near, reachable = near+1, reachable+1
			case reasonOf(suite, name) != noSources:
				reachable++
			}
		}
	}
	t.Logf("of the other suites' cases that need no event source %d of %d matched: %d %%", near, reachable, 100*near/max(reachable, 1))
}

// recordings reads the folder of THAW_RECORDED; nil means that there is none.
func recordings(t *testing.T) map[string]map[string]recording {
	t.Helper()
	dir := os.Getenv("THAW_RECORDED")
	if dir == "" {
		if *update {
			t.Fatal("-update needs THAW_RECORDED")
		}
		return nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings in %s (%v)", dir, err)
	}
	all := make(map[string]map[string]recording)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var suite map[string]recording
		if err := json.Unmarshal(content, &suite); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = suite
	}
	return all
}

const listFile = "testdata/matched.txt"

const listHead = `# Recorded cases that this server answers as the service did: a digest of its own
# answers, the suite, the case. "go test ./test/conformance -update" adds to it.
`

func readList(t *testing.T) map[string]string {
	t.Helper()
	content, err := os.ReadFile(listFile)
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]string)
	for line := range strings.Lines(string(content)) {
		if sum, key, ok := strings.Cut(strings.TrimSpace(line), " "); ok && sum != "#" {
			listed[key] = sum
		}
	}
	return listed
}

// writeList adds to the list and takes nothing out of it.
func writeList(t *testing.T, recorded map[string]map[string]recording, listed, matched map[string]string) {
	t.Helper()
	all := maps.Clone(listed)
	maps.Copy(all, matched)
	text := listHead
	for _, key := range slices.Sorted(maps.Keys(all)) {
		text += all[key] + " " + key + "\n"
	}
	if err := os.WriteFile(listFile, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d cases of %d suites are in the list", len(all), len(recorded))
}
