package pid1_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"thaw/internal/linux/pid1"
)

func messages() []any {
	return []any{
		pid1.KindReady, pid1.KindReset, pid1.KindDone,
		pid1.Root{Mountpoint: "/m", Steps: []pid1.Step{
			{Kind: pid1.StepDirectory, Path: "etc", Mode: 0o755},
			{Kind: pid1.StepBind, Path: "dev/null", Text: "/dev/null", Devices: true},
		}},
		pid1.Spawn{FirstID: 1 << 31, Count: 65536},
		pid1.Spawned{PID: 1234},
		pid1.Prepare{Hostname: "h", Filter: []byte{1, 0, 255}, UID: 993, GID: 990},
		pid1.Start{Root: true, Targets: []string{"/tmp", "/var/task"}, Path: "/bin/sh", Args: []string{"sh", ""}, Env: []string{"A=é"}, Dir: "/", Limits: []pid1.ResourceLimit{{Resource: 7, Value: 1 << 40}}, Present: []bool{true, false}},
		pid1.Started{PID: 2},
		pid1.Signal{PID: 2, Number: 15},
		pid1.Exited{PID: 2, Status: 0xffff},
		pid1.Failed{Operation: "exec", Errno: 2, Exec: true},
	}
}

func TestDecodeGivesBackWhatWasEncoded(t *testing.T) {
	for _, m := range messages() {
		got, err := pid1.Decode(pid1.Encode(m))
		if err != nil {
			t.Errorf("%T: %v", m, err)
		}
		if diff := cmp.Diff(m, got); diff != "" {
			t.Errorf("%T (-want +got):\n%s", m, diff)
		}
	}
}

func TestDecodeRefusesEveryCutMessage(t *testing.T) {
	for _, m := range messages() {
		packet := pid1.Encode(m)
		for n := range packet {
			if got, err := pid1.Decode(packet[:n]); err == nil {
				t.Errorf("%T cut to %d of %d bytes decoded to %+v", m, n, len(packet), got)
			}
		}
		if got, err := pid1.Decode(append(packet, 0)); err == nil {
			t.Errorf("%T with a byte too many decoded to %+v", m, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range messages() {
		f.Add(pid1.Encode(m))
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		m, err := pid1.Decode(packet)
		if err != nil {
			return
		}
		again, err := pid1.Decode(pid1.Encode(m))
		if err != nil {
			t.Fatalf("%+v does not survive: %v", m, err)
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Fatalf("(-first +second):\n%s", diff)
		}
	})
}
