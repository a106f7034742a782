// Package cli tests the command line against a real server: the program is built
// and run as a person runs it, and the functions are real ones. It has tests and
// no other code.
//
// What needs root or a managed runtime is skipped where that is missing, unless
// THAW_E2E_REQUIRE is 1. THAW_E2E_PROGRAM and THAW_E2E_RUNTIMES name a program
// and a directory of runtimes to use.
package cli
