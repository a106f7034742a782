package native_test

import (
	"fmt"
	"testing"

	"thaw/internal/sandbox"
)

// peak reads the sandbox's watermark, in MiB.
func peak(t *testing.T, s sandbox.Sandbox) int64 {
	t.Helper()
	n, err := s.MemoryPeak()
	if err != nil {
		t.Fatal(err)
	}
	return n / mib
}

// TestPeakWithoutFiles: what was written to /tmp and is gone again was no memory,
// and what is used after that, or beside it, is counted.
func TestPeakWithoutFiles(t *testing.T) {
	fill := func(mb int) string {
		return fmt.Sprintf("dd if=/dev/zero of=/tmp/file bs=1M count=%d 2>/dev/null", mb)
	}
	// What exists for less than the sampler's period may count as memory, and on a
	// busy machine that is longer.
	const goes = "; sleep 0.4; rm /tmp/file"
	for name, test := range map[string]struct {
		scripts     []string
		least, most int64
	}{
		"a file that stays":               {[]string{fill(300)}, 0, 24},
		"a file that goes":                {[]string{fill(300) + goes}, 0, 24},
		"a small file that goes":          {[]string{fill(60) + goes}, 0, 24},
		"files that come and go":          {[]string{"for i in 1 2 3 4 5; do " + fill(200) + goes + "; done"}, 0, 60},
		"a file, and then memory":         {[]string{fill(300), "/var/task/probe eat 70 300ms >/dev/null"}, 70, 100},
		"a file that went, then memory":   {[]string{fill(100) + goes, "/var/task/probe eat 70 300ms >/dev/null"}, 70, 100},
		"memory, and then a file":         {[]string{"/var/task/probe eat 70 300ms >/dev/null", fill(300)}, 70, 100},
		"memory, and a file that goes":    {[]string{"/var/task/probe eat 70 300ms >/dev/null", fill(300) + goes}, 70, 100},
		"memory while a file is written":  {[]string{fill(300) + " & /var/task/probe eat 50 300ms >/dev/null; wait"}, 50, 80},
		"a file in shared memory is kept": {[]string{"dd if=/dev/zero of=/dev/shm/file bs=1M count=50 2>/dev/null"}, 50, 75},
	} {
		t.Run(name, func(t *testing.T) {
			s := create(t, open(t, -1), sandbox.Spec{ID: "box", Limits: sandbox.Limits{MemoryBytes: 128 * mib, TmpBytes: 512 * mib}})
			attachProbe(t, s)
			for _, script := range test.scripts {
				if out, status := shell(t, s, script); status != (sandbox.ExitStatus{}) {
					t.Fatalf("%s: %+v, %q", script, status, out)
				}
				peak(t, s) // as after every invocation
			}
			if got := peak(t, s); got < test.least || got > test.most {
				t.Errorf("a peak of %d MiB, want %d to %d", got, test.least, test.most)
			}
		})
	}
}
