// Package archtest holds the house rules to the code: which folder may import
// which, where third-party modules may come in, and what every package, file and
// document looks like. It has tests and no other code.
//
// The import table is data in table_test.go. A new edge is a change to that table
// first, with its reason, and to docs/architecture.md, which explains it.
package archtest
