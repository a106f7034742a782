package native

import "thaw/internal/sandbox"

// What the tests of pure decisions need.
var (
	TreeName  = treeName
	RootSteps = rootSteps
	Directory = directory
	File      = file
	Symlink   = symlink
	Bind      = bind
)

// TemplateName is the format of a template's name, with its size.
const TemplateName = templateName

// OpenListeners counts the listeners that a sandbox would close.
func OpenListeners(s sandbox.Sandbox) int {
	b := s.(*box)
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.listeners)
}
