package lambda

// ValidJSON and CheckJSON let the tests compare with the standard library.
var (
	ValidJSON = validJSON
	CheckJSON = checkJSON
)
