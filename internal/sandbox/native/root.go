package native

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"thaw/internal/linux/pid1"
)

// Identity inside, as recorded in the real service.
const (
	userName = "sbx_user1051"
	userID   = 993
	groupID  = 990
	hostname = "sandbox"
)

// apiAddress is where a sandbox's listeners stand; nothing else is at it.
const apiAddress = "169.254.100.1"

// systemDirectories of the host are seen inside, read-only. On a host with merged
// /usr all but it are symbolic links.
var systemDirectories = []string{"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"}

// systemFiles of the host's /etc are seen inside, where they exist: what the
// dynamic linker, the certificates and the symbolic links in /usr need. Private
// keys (/etc/ssl/private) are not among them.
var systemFiles = []string{
	"etc/alternatives", "etc/ld.so.cache", "etc/protocols", "etc/services",
	"etc/ssl/certs", "etc/ssl/openssl.cnf",
	"etc/pki/tls/certs", "etc/pki/tls/openssl.cnf", "etc/pki/ca-trust/extracted", "etc/crypto-policies",
}

// mountPoints are where Attach may mount.
var mountPoints = []string{"/var/task", "/var/runtime", "/var/lang", "/opt"}

var devices = []string{"null", "zero", "full", "random", "urandom"}

// generatedFiles make /etc say the same on every host.
var generatedFiles = []pid1.Step{
	file("etc/passwd", "root:x:0:0:root:/root:/sbin/nologin\n"+
		fmt.Sprintf("%s:x:%d:%d::/home/%s:/sbin/nologin\n", userName, userID, groupID, userName)),
	file("etc/group", fmt.Sprintf("root:x:0:\n%s:x:%d:\n", userName, groupID)),
	file("etc/hosts", "127.0.0.1 localhost\n"+apiAddress+" sandbox sandbox.localdomain\n"),
	file("etc/hostname", hostname+"\n"),
	file("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"),
	file("etc/resolv.conf", "nameserver "+apiAddress+"\n"),
	file("etc/timezone", "UTC\n"),
}

// rootSteps returns what the root of a sandbox is made of on a host.
func rootSteps(host fs.FS) ([]pid1.Step, error) {
	var steps []pid1.Step
	for _, dir := range []string{"etc", "proc", "dev", "opt", "var", "var/task", "var/runtime", "var/lang", "var/empty"} {
		steps = append(steps, directory(dir))
	}
	steps = append(steps, pid1.Step{Kind: pid1.StepDirectory, Path: "tmp", Mode: 0o1777})
	system, err := systemSteps(host)
	if err != nil {
		return nil, err
	}
	steps = append(steps, system...)
	steps = append(steps, generatedFiles...)
	steps = append(steps, symlink("etc/localtime", "/usr/share/zoneinfo/UTC"), symlink("etc/os-release", "../usr/lib/os-release"))
	etc, err := fileSteps(host)
	if err != nil {
		return nil, err
	}
	steps = append(steps, etc...)
	steps = append(steps, deviceSteps()...)
	return append(steps, pid1.Step{Kind: pid1.StepSeal, Path: "."}), nil
}

func systemSteps(host fs.FS) ([]pid1.Step, error) {
	var steps []pid1.Step
	for _, name := range systemDirectories {
		info, err := fs.Lstat(host, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, fmt.Errorf("look at host's root: %w", err)
		case info.Mode().Type() == fs.ModeSymlink:
			target, err := fs.ReadLink(host, name)
			if err != nil {
				return nil, fmt.Errorf("look at host's root: %w", err)
			}
			steps = append(steps, symlink(name, target))
		case info.IsDir():
			steps = append(steps, directory(name), bind(name))
		}
	}
	return steps, nil
}

// fileSteps binds the host's files of /etc that exist. Parents are made first,
// once.
func fileSteps(host fs.FS) ([]pid1.Step, error) {
	var steps []pid1.Step
	made := map[string]bool{"etc": true}
	for _, name := range systemFiles {
		info, err := fs.Stat(host, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look at host's /etc: %w", err)
		}
		for i := range name {
			if parent := name[:i]; name[i] == '/' && !made[parent] {
				made[parent] = true
				steps = append(steps, directory(parent))
			}
		}
		if info.IsDir() {
			steps = append(steps, directory(name), bind(name))
		} else {
			steps = append(steps, file(name, ""), bind(name))
		}
	}
	return steps, nil
}

func deviceSteps() []pid1.Step {
	steps := []pid1.Step{{Kind: pid1.StepFilesystem, Path: "dev", Text: "size=64k,mode=755"}, directory("dev/shm")}
	for _, name := range devices {
		path := "dev/" + name
		steps = append(steps, file(path, ""), pid1.Step{Kind: pid1.StepBind, Path: path, Text: "/" + path, Devices: true})
	}
	return append(steps,
		symlink("dev/fd", "/proc/self/fd"),
		symlink("dev/stdin", "/proc/self/fd/0"),
		symlink("dev/stdout", "/proc/self/fd/1"),
		symlink("dev/stderr", "/proc/self/fd/2"),
		pid1.Step{Kind: pid1.StepSeal, Path: "dev"},
	)
}

func directory(path string) pid1.Step {
	return pid1.Step{Kind: pid1.StepDirectory, Path: path, Mode: 0o755}
}

func file(path, content string) pid1.Step {
	return pid1.Step{Kind: pid1.StepFile, Path: path, Text: content, Mode: 0o644}
}

func symlink(path, target string) pid1.Step {
	return pid1.Step{Kind: pid1.StepSymlink, Path: path, Text: target}
}

func bind(path string) pid1.Step {
	return pid1.Step{Kind: pid1.StepBind, Path: path, Text: "/" + strings.TrimPrefix(path, "/")}
}
