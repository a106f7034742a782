package runtimes

import (
	"os"
	"path/filepath"
	"strings"
)

// canBuild tells whether this machine has what the recipe of a runtime copies.
// The recipes of Node.js fetch their interpreter; those of Python and Java look
// for it in the same places as the scripts in the folder runtimes/.
func canBuild(name string) bool {
	if version, ok := strings.CutPrefix(name, "python"); ok {
		return hasPython(version)
	}
	if major, ok := strings.CutPrefix(name, "java"); ok {
		return hasJava(major)
	}
	return true
}

func hasPython(version string) bool {
	program := "python" + version
	return exists(filepath.Join("/usr/local/bin", program), filepath.Join("/usr/bin", program),
		filepath.Join(homeDir("PYENV_ROOT", ".pyenv"), "versions", version+".*", "bin", program))
}

func hasJava(major string) bool {
	homes := []string{"/usr/lib/jvm/*", "/usr/java/*", "/opt/java/*", "/opt/jdk*", homeDir("", ".sdkman/candidates/java/*")}
	if home := os.Getenv("JAVA_HOME"); home != "" {
		homes = append(homes, home)
	}
	for _, pattern := range homes {
		found, _ := filepath.Glob(filepath.Join(pattern, "release")) // the patterns are well-formed
		for _, release := range found {
			text, err := os.ReadFile(release)
			if err == nil && strings.Contains("\n"+string(text), "\nJAVA_VERSION=\""+major) && exists(filepath.Join(filepath.Dir(release), "bin", "java")) {
				return true
			}
		}
	}
	return false
}

// homeDir is the directory that a variable names, or one in the home directory.
func homeDir(variable, otherwise string) string {
	if dir := os.Getenv(variable); dir != "" {
		return dir
	}
	return filepath.Join(os.Getenv("HOME"), otherwise)
}

func exists(patterns ...string) bool {
	for _, pattern := range patterns {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}
