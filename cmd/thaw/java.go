package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// maxJavaFiles bounds the sources that are compiled here; what is larger has a
// build tool of its own, whose jar can be deployed.
const maxJavaFiles = 1000

var (
	javaPackage = regexp.MustCompile(`(?m)^package\s+([\w.]+)\s*;`)
	javaHandler = regexp.MustCompile(`\bhandleRequest\s*\(`)
	javaVersion = regexp.MustCompile(`^java(\d+)`)
)

// javaSources are the *.java files, from src/main/java if there is one.
func javaSources(code fs.FS) (root string, files []string) {
	root = "."
	if info, err := fs.Stat(code, "src/main/java"); err == nil && info.IsDir() {
		root = "src/main/java"
	}
	// What cannot be read is not there, for the purpose of detection.
	_ = fs.WalkDir(code, root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case len(files) > maxJavaFiles:
			return fs.SkipAll
		case entry.IsDir() && name != "." && leftOut(name):
			return fs.SkipDir
		case !entry.IsDir() && path.Ext(name) == ".java":
			files = append(files, name)
		}
		return nil
	})
	return root, files
}

// detectJava finds the class with the method handleRequest.
func detectJava(code fs.FS, runtimes []string) (project, bool) {
	_, files := javaSources(code)
	for _, name := range files {
		content, err := fs.ReadFile(code, name)
		if err != nil || !javaHandler.Match(content) {
			continue
		}
		class := strings.TrimSuffix(path.Base(name), ".java")
		if match := javaPackage.FindSubmatch(content); match != nil {
			class = string(match[1]) + "." + class
		}
		return project{
			Runtime: newestRuntime(runtimes, "java", defaultJava), Handler: class + "::handleRequest", Compile: true,
		}, true
	}
	return project{}, false
}

// compileJava makes a package of classes at its root and the jars of lib/ in
// lib/, which are the class path too.
func (d *deployer) compileJava(ctx context.Context) ([]byte, error) {
	_, files := javaSources(os.DirFS(d.source))
	if len(files) > maxJavaFiles {
		return nil, fmt.Errorf("compile %s: more than %d sources: build a jar and deploy that", d.source, maxJavaFiles)
	}
	d.progress.step("compiling %s", d.source)
	out, err := os.MkdirTemp("", "thaw-deploy-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(out)
	args := []string{"-d", out, "-encoding", "UTF-8", "-proc:none", "-parameters"}
	release, err := javaRelease(ctx, d.runtime)
	if err != nil {
		return nil, err
	}
	if release != "" {
		args = append(args, "--release", release)
	}
	if jars, _ := filepath.Glob(filepath.Join(d.source, "lib", "*.jar")); len(jars) > 0 {
		args = append(args, "-classpath", "lib/*")
	}
	cmd := exec.CommandContext(ctx, "javac", append(args, files...)...)
	cmd.Dir = d.source
	cmd.Stdout, cmd.Stderr = d.progress.w, d.progress.w
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("compile %s: %w", d.source, err)
	}
	for from, to := range map[string]string{"lib": filepath.Join(out, "lib"), "src/main/resources": out} {
		if err := copyTree(filepath.Join(d.source, from), to); err != nil {
			return nil, err
		}
	}
	return bundleDir(out, d.method)
}

var javacVersion = regexp.MustCompile(`javac (?:1\.)?(\d+)`)

// javaRelease is the version of Java to compile for: the runtime's, or that of the
// compiler if it is older, since a newer runtime runs what was made for an older
// one.
func javaRelease(ctx context.Context, runtime string) (string, error) {
	out, err := exec.CommandContext(ctx, "javac", "-version").CombinedOutput() // JDK 8 says it on standard error
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("compiling Java needs javac of a JDK: install one, or deploy a jar")
	} else if err != nil {
		return "", fmt.Errorf("javac -version: %w", err)
	}
	return olderRelease(javaVersion.FindStringSubmatch(runtime), javacVersion.FindStringSubmatch(string(out))), nil
}

// olderRelease picks from two matches whose first group is a version.
func olderRelease(runtime, compiler []string) string {
	if runtime == nil || compiler == nil {
		return ""
	}
	wanted, _ := strconv.Atoi(runtime[1]) // both are digits
	able, _ := strconv.Atoi(compiler[1])
	return strconv.Itoa(min(wanted, able))
}

// copyTree copies a directory's files, if there is such a directory.
func copyTree(from, to string) error {
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	return os.CopyFS(to, os.DirFS(from))
}
