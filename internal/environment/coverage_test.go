package environment_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"thaw/internal/environment"
)

// TestEveryTransitionMatters changes each entry of the table of transitions, once
// so that it is missing and once for each other state that it could lead to, and
// fails for a change that no transcript notices.
func TestEveryTransitionMatters(t *testing.T) {
	all := transcripts(t)
	for _, m := range mutations() {
		t.Run(m.name, func(t *testing.T) {
			for i, tr := range all {
				if tr.notices(t, m.table) { // and may well notice the next one, too
					all[0], all[i] = all[i], all[0]
					return
				}
			}
			t.Error("no transcript notices it")
		})
	}
}

type mutation struct {
	name  string
	table environment.Transitions
}

// mutations are all tables that differ from the real one in one entry.
func mutations() []mutation {
	var out []mutation
	for from, row := range environment.Table() {
		for on, to := range row {
			missing := environment.Table()
			delete(missing[from], on)
			out = append(out, mutation{fmt.Sprintf("%v %v, not", from, on), missing})
			for other := environment.Uninitialised; other <= environment.Down; other++ {
				if other == to {
					continue
				}
				changed := environment.Table()
				changed[from][on] = other
				out = append(out, mutation{fmt.Sprintf("%v %v to %v", from, on, other), changed})
			}
		}
	}
	slices.SortFunc(out, func(a, b mutation) int { return strings.Compare(a.name, b.name) })
	return out
}

// notices tells whether a transcript shows that the life is another one.
func (tr *transcript) notices(t *testing.T, table environment.Transitions) bool {
	got := tr.play(t, table)
	return slices.ContainsFunc(tr.expected(), func(section string) bool {
		return tr.section(section) != got[section]
	})
}

// errorTypes are those of the contract's §6, and where they are seen.
var errorTypes = []string{
	"Extension.InitError", "Extension.ExitError", "Extension.Crash", "Extension.LaunchError",
	"Runtime.ExitError", "Runtime.InvalidEntrypoint", "Runtime.InvalidTaskConfig",
	"Runtime.InvalidResponseModeHeader", "Runtime.TruncatedResponse", "Runtime.Unknown", "Runtime.OutOfMemory",
	"Function.ResponseSizeTooLarge", "Function.Unknown", "Sandbox.Timedout",
	// Of clients, which pass through.
	"Runtime.HandlerNotFound", "Runtime.ImportModuleError", "Runtime.UserCodeSyntaxError",
	"Runtime.MalformedHandlerName", "Runtime.MarshalError", "Runtime.UnmarshalError",
}

// elsewhere are error types of §6 that no transcript can show, with the reason.
var elsewhere = map[string]string{
	"Runtime.InvalidWorkingDir":        "the working directory is that of images; /var/task is always there",
	"Runtime.RestoreHookUserTimeout":   "of SnapStart, which is not there yet",
	"Runtime.BeforeSnapshotError":      "of SnapStart, which is not there yet",
	"Runtime.AfterRestoreError":        "of SnapStart, which is not there yet",
	"Runtime.Unavailable":              "of managed instances, which have many invocations in one environment",
	"Runtime.InvokeTimeout":            "of managed instances",
	"Runtime.InvokeResponseInProgress": "of managed instances",
	"Runtime.ErrorResponseInProgress":  "of managed instances",
	"Runtime.InvokeResponseWasSent":    "of managed instances",
	"Runtime.InvalidInvokeId":          "of managed instances",
	"Runtime.TooManyIdleRuntimes":      "of managed instances",
	"Runtime.InitError":                "of managed instances",
	"Sandbox.Failure":                  "the platform's fault: an error of ours, which is no result",
	"Sandbox.Timeout":                  "of managed instances",
	"Sandbox.TimeoutResponseTrailer":   "of streamed responses, which are not there yet",
}

func TestEveryErrorTypeHasATranscript(t *testing.T) {
	seen := allSeen(t)
	for _, name := range errorTypes {
		if !strings.Contains(seen, name) {
			t.Errorf("no transcript shows %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(elsewhere)) {
		if strings.Contains(seen, " "+name+" ") {
			t.Errorf("a transcript shows %s, of which it is said: %s", name, elsewhere[name])
		}
	}
}

// logLines are the forms of the contract's §7.
var logLines = map[string]string{
	"INIT_START":                `(?m)^INIT_START Runtime Version: \S+\tRuntime Version ARN: arn:\S+$`,
	"INIT_REPORT timeout":       `(?m)^INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: init\tStatus: timeout$`,
	"INIT_REPORT error":         `(?m)^INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: init\tStatus: error\tError Type: Runtime\.UserCodeSyntaxError$`,
	"INIT_REPORT in an invoke":  `(?m)^INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: invoke\tStatus: error\tError Type: Runtime\.ExitError\nSTART RequestId: `,
	"START":                     `(?m)^START RequestId: id-\d Version: \$LATEST$`,
	"timeout":                   `(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z id-\d Task timed out after \d+\.\d\d seconds\n\nEND `,
	"fault":                     `(?m)^RequestId: id-\d Error: Runtime exited with error: exit status 1\nRuntime\.ExitError\nEND `,
	"END":                       `(?m)^END RequestId: id-\d$`,
	"REPORT cold":               `(?m)^REPORT RequestId: id-\d\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\tInit Duration: \d+\.\d\d ms\t$`,
	"REPORT warm":               `(?m)^REPORT RequestId: id-\d\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\t$`,
	"REPORT timeout":            `(?m)^REPORT .*\tStatus: timeout$`,
	"REPORT out of memory":      `(?m)^REPORT .*\tStatus: error\tError Type: Runtime\.OutOfMemory$`,
	"XRAY":                      `(?m)^XRAY TraceId: 1-[0-9a-f-]+\tSegmentId: [0-9a-f]{16}\tSampled: true\t$`,
	"JSON initStart":            `"type":"platform\.initStart"`,
	"JSON report":               `(?m)^\{"time":"[^"]+","type":"platform\.report","record":\{"requestId":"id-1",`,
	"JSON line of the function": `(?m)^\{.*"level":"ERROR"`,
}

func TestEveryLogLineHasATranscript(t *testing.T) {
	var logs strings.Builder
	for _, tr := range transcripts(t) {
		logs.WriteString(tr.section("log"))
	}
	for name, form := range logLines {
		if !regexp.MustCompile(form).MatchString(logs.String()) {
			t.Errorf("no transcript shows the line %q", name)
		}
	}
}

func allSeen(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, tr := range transcripts(t) {
		for _, section := range tr.expected() {
			b.WriteString(tr.section(section))
		}
	}
	return b.String()
}
