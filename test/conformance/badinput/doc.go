// Package badinput sends the API what it must refuse, and what it must not.
//
// The inputs are generated from the tables of the service's model: for each
// pattern, range, length and enum that a request of any operation can reach, a
// value just outside of it and a value just inside. A value outside must be
// refused with the exact text, which is worded here a second time and
// independently of the server. A value inside must be accepted by the front end;
// where the service behind it is narrower than its model, a table tells so, with
// the reason. Nothing may be answered with a status of 500 or more but 501, from
// operations that are not built.
//
// The tests run in process, on a store in memory, and need neither root nor
// network.
package badinput
