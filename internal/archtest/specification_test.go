package archtest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	promiseRow = regexp.MustCompile(`^\| (\d+\.\d+) \| (.+) \| (.+) \|$`)
	// testedIn is "`folder` TestA, TestB" in the last column of a promise.
	testedIn = regexp.MustCompile("`([^`]+)` ((?:(?:Test|Fuzz)\\w+(?:, )?)+)")
)

// TestSpecification holds docs/specification.md to the tests that it names: each
// promise has its own number and is either pending or enforced by tests that
// exist.
func TestSpecification(t *testing.T) {
	root := moduleRoot(t)
	content, err := os.ReadFile(filepath.Join(root, "docs", "specification.md"))
	if err != nil {
		t.Fatal(err)
	}
	numbers := make(map[string]bool)
	for line := range strings.Lines(string(content)) {
		row := promiseRow.FindStringSubmatch(strings.TrimSpace(line))
		if row == nil {
			continue
		}
		number, tests := row[1], row[3]
		if numbers[number] {
			t.Errorf("there are two promises %s", number)
		}
		numbers[number] = true
		if tests == "pending" {
			continue
		}
		named := testedIn.FindAllStringSubmatch(tests, -1)
		if len(named) == 0 {
			t.Errorf("promise %s is neither pending nor tested: %q", number, tests)
		}
		for _, name := range named {
			for test := range strings.SplitSeq(strings.TrimSuffix(name[2], ", "), ", ") {
				if !testExists(t, filepath.Join(root, name[1]), test) {
					t.Errorf("promise %s names %s, which is not in %s", number, test, name[1])
				}
			}
		}
	}
	if len(numbers) == 0 {
		t.Error("the specification has no promises")
	}
}

func testExists(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}

// TestArchitectureDocument: every folder of the table that has code in it is
// explained.
func TestArchitectureDocument(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(moduleRoot(t), "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages(t) {
		if r, ok := rowOf(p.folder()); ok && !strings.Contains(string(content), "`"+r.folder) {
			t.Errorf("docs/architecture.md says nothing of %s", r.folder)
		}
	}
}
