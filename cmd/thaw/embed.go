package main

import (
	"embed"
	"errors"
	"io/fs"
)

// initFiles is the folder that make build puts thaw-init into. A folder and not
// the file, so that a clean clone compiles.
//
//go:embed initbin
var initFiles embed.FS

// initBinary is the program that is PID 1 inside every sandbox.
func initBinary() ([]byte, error) {
	binary, err := initFiles.ReadFile("initbin/thaw-init")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New(`this thaw was built without thaw-init, so it cannot make a sandbox: build it with "make build"`)
	}
	return binary, err
}
