package main

import (
	"strings"

	"thaw/internal/runtimes"
)

// installedRuntimes lists the managed runtimes that stand ready in a directory,
// and tells what is wrong with those that were built and cannot be used. Without
// a directory, or with one that cannot be read, the names are nil.
func installedRuntimes(dir string) (names, problems []string) {
	if dir == "" {
		return nil, nil
	}
	catalogue, err := runtimes.Open(runtimes.Options{Dir: dir})
	if err != nil {
		return nil, []string{err.Error()}
	}
	names = []string{} // not nil: that there are none is known
	for _, runtime := range catalogue.List() {
		switch {
		case strings.HasPrefix(runtime.Name, "provided."): // always there
		case runtime.Installed:
			names = append(names, runtime.Name)
		case runtime.Problem != "":
			problems = append(problems, runtime.Name+": "+runtime.Problem)
		}
	}
	return names, problems
}
