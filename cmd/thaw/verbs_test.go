package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"golang.org/x/tools/txtar"

	"thaw/internal/iam"
	"thaw/internal/vault"
)

// The tests are inside the package: a program has no other way in than its
// command line, and this is what they drive.

var update = flag.Bool("update", false, "write what the verbs say as what is expected")

// runVerb runs one command line as main does.
func runVerb(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&errs)
	code = report(&errs, root.ExecuteContext(t.Context()), false)
	return out.String(), errs.String(), code
}

// isolate makes an environment in which nothing of the tester's is seen.
func isolate(t *testing.T) (dataDir string) {
	t.Helper()
	dataDir = t.TempDir()
	for _, name := range append(strayVariables, "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION", "THAW_RUNTIMES") {
		t.Setenv(name, "")
	}
	for _, name := range append(proxyVariables(), "NO_PROXY", "no_proxy") {
		t.Setenv(name, "")
	}
	t.Setenv("THAW_DATA", dataDir)
	return dataDir
}

// openKeys makes the keys of a data directory, as the first start of a server does.
func openKeys(t *testing.T, dataDir string) *iam.Keyring {
	t.Helper()
	box, err := openVault(dataDir, filepath.Join(dataDir, vault.FileName))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := iam.Open(dataDir, box)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// startFake makes a data directory look like that of a running server.
func startFake(t *testing.T, dataDir string) target {
	t.Helper()
	keys := openKeys(t, dataDir)
	server := newFakeServer(t, keys.First().ID, dataDir)
	file := serverFile{Address: strings.TrimPrefix(server.URL, "http://"), PID: os.Getpid(), Region: "us-east-1"}
	if err := file.write(dataDir); err != nil {
		t.Fatal(err)
	}
	found, err := directoryTarget(dataDir)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestScripts runs the command lines of each testdata/script/*.txtar and compares
// all that they say with the transcript at its end. The other files of the
// archive are put into the working directory.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, script := range scripts {
		path, err := filepath.Abs(script)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(script), ".txtar"), func(t *testing.T) { runScript(t, path) })
	}
}

const transcriptName = "transcript"

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func runScript(t *testing.T, path string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dataDir, workDir := isolate(t), t.TempDir()
	want, kept := "", archive.Files[:0]
	for _, file := range archive.Files {
		if file.Name == transcriptName {
			want = string(file.Data)
			continue
		}
		kept = append(kept, file)
		name := filepath.Join(workDir, file.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, file.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(workDir)
	got := transcribe(t, string(archive.Comment), dataDir)
	if *update {
		archive.Files = append(kept, txtar.File{Name: transcriptName, Data: []byte(got)})
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("transcript (-want +got):\n%s", diff)
	}
}

// transcribe runs the lines that begin with "thaw"; "server" starts the fake
// one, "remove FILE" is rm. What goes to standard error is marked with "!".
func transcribe(t *testing.T, script, dataDir string) string {
	var log strings.Builder
	var server target
	keys := madeKeys{}
	for line := range strings.Lines(script) {
		words := splitWords(strings.TrimSpace(line))
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		switch words[0] {
		case "server":
			server = startFake(t, dataDir)
			keys.learn(server.AccessKey)
		case "remove":
			if err := os.Remove(words[1]); err != nil {
				t.Fatal(err)
			}
		case "thaw":
			log.WriteString("$ " + strings.TrimSpace(line) + "\n")
			stdout, stderr, code := runVerb(t, `{"from":"stdin"}`, keys.real(words[1:])...)
			keys.learn(stdout)
			log.WriteString(stdout)
			for text := range strings.Lines(stderr) {
				log.WriteString("! " + text)
			}
			if code != exitOK {
				log.WriteString("exit " + string(rune('0'+code)) + "\n")
			}
		default:
			t.Fatalf("unknown word %q in the script", words[0])
		}
	}
	return normalise(keys.hide(log.String()), dataDir, server)
}

// built is the line of the version verb, which every build has its own of.
var built = regexp.MustCompile(`(?m)^thaw \S+ go\S+ \S+/\S+$`)

var moment = regexp.MustCompile(`\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)

// hideRecent takes away a time that is of this run: the fake server's are all of
// one day.
func hideRecent(text string) string {
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil && time.Since(at).Abs() < 72*time.Hour {
		return "$TIME"
	}
	return text
}

var elapsed = regexp.MustCompile(`(?m)^! +\d+\.\d s  `)

// messageID is of a message of a queue, messageTime what a queue tells of its times.
var (
	messageID   = regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
	messageTime = regexp.MustCompile(`("\w+Timestamp": )"\d+"`)
)

// normalise replaces what differs from run to run.
func normalise(text, dataDir string, server target) string {
	text = built.ReplaceAllString(text, "thaw $$VERSION $$GO $$PLATFORM")
	text = elapsed.ReplaceAllString(text, "!    0.0 s  ")
	workDir, err := os.Getwd()
	if err != nil {
		workDir = "the working directory is gone"
	}
	text = moment.ReplaceAllStringFunc(text, hideRecent)
	text = messageTime.ReplaceAllString(messageID.ReplaceAllString(text, "$$MESSAGE"), `${1}"$$TIME"`)
	pairs := []string{dataDir, "$DATA", workDir, "$WORK"}
	if server.Endpoint != "" {
		pairs = append(pairs, server.Endpoint, "$ENDPOINT", server.AccessKey, "$KEY", server.SecretKey, "$SECRET")
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// splitWords splits at blanks, save within single quotes.
func splitWords(line string) []string {
	var words []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

// TestHelp compares the help of each verb with testdata/help.
func TestHelp(t *testing.T) {
	dataDir := isolate(t)
	verbs := verbPaths(newRootCommand(), "")
	for _, verb := range verbs {
		args := strings.Fields(verb + " --help")
		name := filepath.Join("testdata", "help", strings.TrimSpace("thaw "+verb)+".txt")
		stdout, stderr, code := runVerb(t, "", args...)
		if code != exitOK || stderr != "" {
			t.Errorf("thaw %s: exit code %d, %q", verb, code, stderr)
		}
		compareGolden(t, name, normaliseHelp(stdout, dataDir))
	}
}

// verbPaths lists a verb and all below it, as they are typed after "thaw".
func verbPaths(cmd *cobra.Command, path string) []string {
	paths := []string{path}
	for _, below := range cmd.Commands() {
		if !below.Hidden {
			paths = append(paths, verbPaths(below, strings.TrimSpace(path+" "+below.Name()))...)
		}
	}
	return paths
}

var machineDefault = regexp.MustCompile(`((?:environments that may exist|are to stay available).*\(default )\d+`)

// normaliseHelp replaces the defaults that depend on the machine.
func normaliseHelp(text, dataDir string) string {
	return strings.ReplaceAll(machineDefault.ReplaceAllString(text, "${1}N"), dataDir, "$DATA")
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// heldElsewhere names the verbs whose answers depend on the machine, and what holds
// them instead of a transcript.
var heldElsewhere = map[string]string{
	"doctor":   "TestDoctor, with testdata/doctor",
	"runtimes": "TestRuntimesTable, with testdata/runtimes.txt",
	"serve":    "the tests of test/cli and test/e2e",
}

// TestEveryVerbHasATranscript: what people see is looked at when it changes.
func TestEveryVerbHasATranscript(t *testing.T) {
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for _, script := range scripts {
		archive, err := txtar.ParseFile(script)
		if err != nil {
			t.Fatal(err)
		}
		said.Write(archive.Comment)
	}
	for _, verb := range verbPaths(newRootCommand(), "") {
		cmd, _, err := newRootCommand().Find(strings.Fields(verb))
		if err != nil {
			t.Fatal(err)
		}
		if cmd.HasSubCommands() && verb != "runtimes" || heldElsewhere[verb] != "" {
			continue
		}
		if !regexp.MustCompile(`(?m)^thaw ` + verb + `\b`).MatchString(said.String()) {
			t.Errorf("thaw %s is in no script", verb)
		}
	}
}

// TestEveryVerbIsDocumented holds the verbs to what a person is promised: an
// example, and an answer in JSON.
func TestEveryVerbIsDocumented(t *testing.T) {
	for _, cmd := range newRootCommand().Commands() {
		if cmd.IsAdditionalHelpTopicCommand() {
			continue
		}
		if cmd.Example == "" {
			t.Errorf("thaw %s has no example", cmd.Name())
		}
		if cmd.Flag("json") == nil && !slices.Contains([]string{"serve", "dev", "completion", "man"}, cmd.Name()) {
			t.Errorf("thaw %s has no --json", cmd.Name())
		}
	}
}
