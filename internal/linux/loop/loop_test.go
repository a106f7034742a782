package loop_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"thaw/internal/linux/loop"
)

func TestADeviceIsFreeWhenItsLastUserGoes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("loop devices need root")
	}
	if err := loop.Available(); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	image, err := os.Create(filepath.Join(dir, "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	if err := image.Truncate(1 << 20); err != nil {
		t.Fatal(err)
	}
	device, err := loop.Attach(image)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := device.WriteAt([]byte("through the device"), 4096); err != nil {
		t.Error(err)
	}
	if err := device.Sync(); err != nil {
		t.Error(err)
	}
	text := make([]byte, 7)
	if _, err := image.ReadAt(text, 4096); err != nil || string(text) != "through" {
		t.Errorf("the file has %q, %v", text, err)
	}
	if attached, err := loop.Attached(dir); err != nil || !slices.Equal(attached, []int{device.ID.Number}) {
		t.Errorf("Attached = %v, %v; want the device", attached, err)
	}
	if !loop.InUse(device.ID) {
		t.Error("the attached device is not in use")
	}
	if err := device.Close(); err != nil {
		t.Fatal(err)
	}
	if loop.InUse(device.ID) {
		t.Error("the closed device is in use")
	}
	if attached, err := loop.Attached(dir); err != nil || len(attached) > 0 {
		t.Errorf("Attached = %v, %v; want none", attached, err)
	}
}
