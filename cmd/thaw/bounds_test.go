package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFlagRanges: a number outside of its range is a wrong command line, and the
// range is told. Nothing has been asked of a server, which is not there.
func TestFlagRanges(t *testing.T) {
	isolate(t)
	t.Chdir(t.TempDir())
	if err := os.WriteFile("bootstrap", nil, 0o755); err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{
		"deploy . --name f --timeout 0":      "1 to 900",
		"deploy . --name f --timeout 901":    "1 to 900",
		"deploy . --name f --memory 0":       "128 to 10240",
		"deploy . --name f --memory 127":     "128 to 10240",
		"deploy . --name f --memory 10241":   "128 to 10240",
		"deploy . --name f --memory much":    "128 to 10240",
		"deploy . --name f --wait 0s":        "1ms to 1h0m0s",
		"serve --paused-sandboxes 257":       "0 to 256",
		"serve --paused-sandboxes -1":        "0 to 256",
		"serve --max-environments 0":         "1 to 100000",
		"serve --account-concurrency 0":      "1 to 100000",
		"serve --keep-alive -1s":             "to 24h0m0s",
		"serve --keep-alive 10":              "length of time",
		"serve --idle-grace 0s":              "to 24h0m0s",
		"serve --stop-grace -5s":             "to 1h0m0s",
		"serve --settle 2m":                  "0s to 1m0s",
		"serve --freeze sometimes":           "always, lazy or never",
		"serve --max-age 1ms":                "1s to 720h0m0s",
		"serve --otlp-ratio 2":               "0 to 1",
		"serve --otlp-endpoint x":            "not the http or https URL",
		"serve --memory-reserve -1":          "0 to 1048576",
		"serve --network bridge":             "auto, nat or none",
		"serve --network-subnet 10.0.0.0":    "an IPv4 network of 8 to 31 bits",
		"serve --network-subnet fd00::/64":   "an IPv4 network of 8 to 31 bits",
		"serve --network-subnet 10.0.0.0/32": "an IPv4 network of 8 to 31 bits",
		"serve --network-subnet 127.0.0.0/8": "set apart",
		"serve --function-allow Invoke":      "SERVICE:OPERATION",
		"serve --region moon":                "must look like a region",
		"serve --region us-east-1/x":         "must look like a region",
		"serve --data= --listen 127.0.0.1:0": "one is empty",
		"serve --runtimes= --data d":         "one is empty",
	}
	for line, want := range tests {
		if _, stderr, code := runVerb(t, "", strings.Fields(line)...); code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("thaw %s: exit code %d, %q", line, code, stderr)
		}
	}
}

// TestRegionNames: the regions of all partitions are good.
func TestRegionNames(t *testing.T) {
	for _, name := range []string{"us-east-1", "ap-southeast-4", "us-gov-west-1", "cn-northwest-1", "eusc-de-east-1", "us-isob-east-1"} {
		if !regionName.MatchString(name) {
			t.Errorf("%s is refused", name)
		}
	}
}

// TestDeployLooksFirst: what is wrong with the directory is told before a server
// is asked for.
func TestDeployLooksFirst(t *testing.T) {
	isolate(t)
	_, stderr, code := runVerb(t, "", "deploy", filepath.Join(t.TempDir(), "nowhere"))
	if code != exitUsage || !strings.Contains(stderr, "nothing to deploy") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}
