package runtimes

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// checkBootstraps finds out, before a function is the first to, whether the kernel
// will start the program: it must be there, be executable by all, be made for this
// machine, and the interpreter that it names must be there too.
func checkBootstraps(root Root) error {
	if len(root.Bootstrap) > maxBootstraps {
		return fmt.Errorf("there are %d bootstraps, and at most %d are allowed", len(root.Bootstrap), maxBootstraps)
	}
	dir, err := os.OpenRoot(root.Dir)
	if err != nil {
		return fmt.Errorf("root: %w", err)
	}
	defer dir.Close()
	var errs []error
	for _, inside := range root.Bootstrap {
		if err := checkInside(inside); err != nil {
			return err
		}
		if insideFunction(inside) {
			return nil // it comes with a function
		}
		err := checkProgram(dir, inside)
		if err == nil {
			return nil // the first that is there is taken
		}
		errs = append(errs, fmt.Errorf("root %s: bootstrap %s: %w", root.Dir, inside, err))
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return errors.Join(errs...)
}

func checkProgram(dir *os.Root, inside string) error {
	name, info, err := lookInside(dir, inside)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("it is not there (name another with --bootstrap): %w", bare(err))
	case err != nil:
		return bare(err)
	case !info.Mode().IsRegular():
		return errors.New("it is not a file")
	case info.Mode()&0o001 == 0:
		return fmt.Errorf("it cannot be executed by everybody (mode %04o): functions run as a user of their own", info.Mode().Perm())
	case info.Mode()&0o022 != 0:
		return fmt.Errorf("it can be written by others than its owner (mode %04o)", info.Mode().Perm())
	}
	f, err := dir.Open(name)
	if err != nil {
		return bare(err)
	}
	defer f.Close()
	interpreter, err := interpreterOf(f)
	if err != nil || interpreter == "" {
		return err
	}
	_, info, err = lookInside(dir, interpreter)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("its interpreter %s is not in the root: is that the whole system?", interpreter)
	case err != nil:
		return fmt.Errorf("its interpreter %s: %w", interpreter, bare(err))
	case info.Mode()&0o001 == 0:
		return fmt.Errorf("its interpreter %s cannot be executed by everybody (mode %04o)", interpreter, info.Mode().Perm())
	}
	return nil
}

// interpreterOf is the program that the kernel starts for another one: that of a
// script's first line, or the dynamic linker of a program; empty for a static one.
func interpreterOf(f io.ReaderAt) (string, error) {
	head := make([]byte, 256)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	head = head[:n]
	if line, ok := strings.CutPrefix(string(head), "#!"); ok {
		line, _, _ = strings.Cut(line, "\n")
		if fields := strings.Fields(line); len(fields) > 0 {
			return fields[0], nil
		}
		return "", errors.New("its first line names no interpreter")
	}
	program, err := elf.NewFile(f)
	if err != nil {
		return "", errors.New("it is neither a program nor a script")
	}
	machine := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[runtime.GOARCH]
	if machine != elf.EM_NONE && program.Machine != machine {
		return "", fmt.Errorf("it is made for another machine (%v)", program.Machine)
	}
	for _, segment := range program.Progs {
		if segment.Type != elf.PT_INTERP {
			continue
		}
		name, err := bufio.NewReader(io.LimitReader(segment.Open(), 4096)).ReadString(0)
		if err != nil {
			return "", errors.New("its interpreter has no end")
		}
		return strings.TrimSuffix(name, "\x00"), nil
	}
	return "", nil
}

// maxLinks bounds how many links are followed on the way to one file.
const maxLinks = 40

// lookInside finds a file as somebody inside does, for whom absolute links begin
// at the root; os.Root by itself refuses them. The path that it gives has no links.
func lookInside(dir *os.Root, inside string) (string, fs.FileInfo, error) {
	rest, at := splitPath(inside), "."
	info, err := dir.Lstat(at)
	for links := 0; err == nil && len(rest) > 0; {
		next := filepath.Join(at, rest[0])
		found, err := dir.Lstat(next)
		if err != nil {
			return "", nil, err
		}
		if found.Mode()&fs.ModeSymlink == 0 {
			if found.IsDir() && len(rest) > 1 && !searchable(found) {
				return "", nil, errNotSearchable(next, found)
			}
			at, rest, info = next, rest[1:], found
			continue
		}
		if links++; links > maxLinks {
			return "", nil, errors.New("too many links")
		}
		to, err := dir.Readlink(next)
		if err != nil {
			return "", nil, err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join("/", at, to)
		}
		rest, at = append(splitPath(to), rest[1:]...), "."
	}
	return at, info, err
}

// splitPath gives the names of a path, ".." taken away as the kernel does at the
// root.
func splitPath(path string) []string {
	return strings.FieldsFunc(filepath.Clean("/"+path), func(r rune) bool { return r == '/' })
}

// bare takes the operation and the path from an error: the text around it has them.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
