package native

// TreeName is the name of a state directory's cgroups, for the tests that look
// for what is left of them.
var TreeName = treeName
