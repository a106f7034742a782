package native

// What the tests of pure decisions need.
var (
	TreeName  = treeName
	RootSteps = rootSteps
	Directory = directory
	File      = file
	Symlink   = symlink
	Bind      = bind
)
