// Package sim plays random histories of the pool, its environments and the Runtime
// API together: functions and extensions that crash, stall and lie at any moment,
// changes, shutdowns, lack of memory, age. All of it is in the tests.
//
// A history is drawn from a seed ahead of its play, and played on the fake sandbox
// driver under a virtual clock. The event of an invocation says what the function
// does with it, and a life of a process draws what it does from the seed and the
// moment of its start. So a seed plays the same history again:
//
//	go test ./test/sim -run TestHistories -seed 1234 -history 17 -v
package sim
