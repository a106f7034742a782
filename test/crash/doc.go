// Package crash breaks a store in every way that is known of, and checks that what
// it acknowledged is there, or that it says what is not. It has tests and no other
// code; docs/durability.md tells what they do, `make crash` runs their long forms.
package crash
