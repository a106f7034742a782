// Command files is a function that looks at files, tries to change them, and runs
// programs, as its event says.
package main

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct {
	Read  []string // files to read
	List  string   // a directory to list, with all below it
	Run   []string // a program, looked for in PATH, and its arguments
	Write string   // a file to write
}

type answer struct {
	Read    map[string]string // content, or the error
	List    []string
	Owners  map[string]uint32 // of what was listed
	Ran     string            // the program's output, or the error
	Program string            // where it was found
	Wrote   string            // the error
}

func main() { lambda.Start(handle) }

func handle(ctx context.Context, e event) (answer, error) {
	a := answer{Read: map[string]string{}, Owners: map[string]uint32{}}
	for _, name := range e.Read {
		content, err := os.ReadFile(name)
		if err != nil {
			content = []byte(err.Error())
		}
		a.Read[name] = string(content)
	}
	if e.List != "" {
		if err := a.list(e.List); err != nil {
			return a, err
		}
	}
	if len(e.Run) > 0 {
		a.run(ctx, e.Run)
	}
	if e.Write != "" {
		if err := os.WriteFile(e.Write, []byte("x"), 0o600); err != nil {
			a.Wrote = err.Error()
		}
	}
	return a, nil
}

func (a *answer) list(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		a.List = append(a.List, info.Mode().String()+" "+path)
		a.Owners[path] = info.Sys().(*syscall.Stat_t).Uid
		return nil
	})
}

func (a *answer) run(ctx context.Context, command []string) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	a.Program = cmd.Path
	out, err := cmd.CombinedOutput()
	a.Ran = string(out)
	if err != nil {
		a.Ran += err.Error()
	}
}
