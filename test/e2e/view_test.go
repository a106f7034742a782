package e2e_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// varying is what differs from run to run or from host to host in a listing,
// and the word that stands for it.
var varying = []struct {
	expression *regexp.Regexp
	word       string
}{
	{regexp.MustCompile(`\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}`), "STREAM"},
	{regexp.MustCompile(`Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0;Lineage=1:[0-9a-f]{8}:0`), "TRACE"},
	{regexp.MustCompile(`(eth0\t00000000\t)[0-9A-F]{8}`), "${1}GATEWAY"},
	{regexp.MustCompile(`eth0\t[0-9A-F]{8}(\t00000000\t0001)`), "eth0\tPAIR$1"},
	{regexp.MustCompile(`(eth0 up\S* )[0-9.]+/31`), "${1}ADDRESS/31"},
	{regexp.MustCompile(`ASIA[A-Z2-7]{16}`), "KEY"},
	{regexp.MustCompile(`AWS_SECRET_ACCESS_KEY=[A-Za-z0-9+/]{40}`), "AWS_SECRET_ACCESS_KEY=SECRET"},
	{regexp.MustCompile(`AWS_LAMBDA_METADATA_TOKEN=[0-9a-f-]{36}`), "AWS_LAMBDA_METADATA_TOKEN=TOKEN"},
	{regexp.MustCompile(`AWS_SESSION_TOKEN=[A-Za-z0-9+/]{128}`), "AWS_SESSION_TOKEN=TOKEN"},
}

// TestView compares all that a function can see with a golden file: identity,
// limits, variables, mounts, files, devices, processes, interfaces. A change of
// it is a change of the isolation and has to be looked at.
func TestView(t *testing.T) {
	s := shared(t)
	s.deploy(t, "view", spec{
		runtime: "provided.al2023", handler: "bootstrap", zip: bootstrap(t, "view"), memory: 512,
		env: map[string]string{"GREETING": "hello"},
	})
	var text string
	s.invoke(t, "view", map[string]any{}).decode(t, &text)
	for _, secret := range []string{s.dir, s.secret, s.accessID, clone(t)} {
		if strings.Contains(text, secret) {
			t.Errorf("the function sees %q", secret)
		}
	}
	for _, v := range varying {
		text = v.expression.ReplaceAllString(text, v.word)
	}
	golden := filepath.Join("testdata", "view.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(comparableLines(string(want), text)); diff != "" {
		t.Errorf("what a function sees has changed (-want +got); -update writes it anew:\n%s", diff)
	}
}

// hostMount is a mount of the host's own below /usr, which a function sees as it
// sees all of /usr.
var hostMount = regexp.MustCompile(`^/usr/\S+ ro,nosuid,nodev\S* \S+$`)

// comparableLines makes lines of two listings, without that in which hosts differ: what
// is mounted below /usr, and files of /etc that a small host has not.
func comparableLines(want, got string) (wanted, seen []string) {
	has := make(map[string]bool)
	for _, line := range strings.Split(got, "\n") {
		if !hostMount.MatchString(line) {
			seen = append(seen, line)
			has[line] = true
		}
	}
	for _, line := range strings.Split(want, "\n") {
		if has[line] || !strings.HasPrefix(line, "/etc/") {
			wanted = append(wanted, line)
		}
	}
	return wanted, seen
}

// TestSecretsStayInside looks for the function's variables where others could
// read them: in the server's log.
func TestSecretsStayInside(t *testing.T) {
	s := shared(t)
	sp := goEcho(t)
	sp.env = map[string]string{"GREETING": "a secret greeting 8f2c"}
	s.deploy(t, "secret", sp)
	event := map[string]any{"value": "a secret event 77a1"}
	var got struct{ Greeting string }
	s.invoke(t, "secret", event).decode(t, &got)
	if got.Greeting != sp.env["GREETING"] {
		t.Fatalf("greeting %q", got.Greeting)
	}
	encoded, err := json.Marshal(event["value"])
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{sp.env["GREETING"], strings.Trim(string(encoded), `"`), s.secret} {
		if strings.Contains(s.stderr.String(), secret) {
			t.Errorf("the server's log has %q", secret)
		}
	}
}
