// Package awsapi is the wire: it turns HTTP requests into typed inputs and typed
// outputs, or errors, into HTTP answers, by tables generated from a service's
// model. It knows the protocols (restJson1, awsJson 1.0 and 1.1, Smithy RPC v2
// CBOR, awsQuery and the event stream), not what operations mean.
//
// Vocabulary: a shape describes a value and its constraints; an operation binds
// an input and an output shape to a route; a fault is a modelled error with its
// status. A Service holds the tables of one service, a Router finds the operation
// of a request line, Targets that of a header, a Codec decodes, validates and encodes.
//
// Every error that Decode and Validate return is a *lambda.Error and a client's
// fault: broken JSON, a wrong type or a label that cannot be read is a
// SerializationException (400), a broken constraint a ValidationException (400)
// in the words of the service. WriteError is the one place where an error
// becomes bytes.
//
// Tables are immutable. Router and Codec are safe for concurrent use; a Codec
// compiles a pattern when it is first needed and keeps it.
package awsapi
