// Package lambda holds the nouns of the service: ARN, Function, Version,
// Invocation, limits and Error.
//
// It is the vocabulary that every other package speaks. A value here carries no
// behaviour that needs a clock, a disk or a network, and no wire format: the
// JSON that clients see is made by awsapi, the JSON that is stored by catalog.
//
// Vocabulary: a function has one mutable version, $LATEST, and immutable
// numbered ones; an alias is a name for one or two versions; a qualifier is
// what a caller writes to choose among them.
package lambda
