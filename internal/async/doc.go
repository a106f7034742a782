// Package async runs asynchronous invocations: it takes an event, makes it
// durable, and runs it later, as often as the service would, until it has
// succeeded or is given up. What became of it is then told to its dead-letter
// queue and its destinations.
//
// Vocabulary: an event is one asynchronous invocation, an attempt one run of the
// function for it. A refusal is an attempt that did not reach the function: a
// throttle or an error of the system. A delivery is one message to a dead-letter
// queue or a destination.
//
// Events and deliveries wait in two queues of the store. An event is acknowledged
// to its caller when it is in the first; it leaves the first when its deliveries
// are in the second, or when there are none. So an event that was acknowledged is
// run at least once or given up with a delivery, whatever dies in between; it may
// be run, and delivered, more than once.
//
// Each queue has one consumer: a goroutine that leases, and one for each event in
// hand, of which there are at most as many as Options say. A partition of the
// queue, which is a function or a target, has a lane: it keeps those that are
// refused from being tried over and over, and from taking all hands.
//
// What to do after an attempt is a pure function; see Decide.
package async
