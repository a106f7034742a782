package iam_test

import (
	"testing"

	"thaw/internal/iam"
)

// TestTheAdministratorStays: others' keys do not stand in for his, for whom a server
// is made.
func TestTheAdministratorStays(t *testing.T) {
	o := newOffice(t)
	d := o.Directory.WithUsers(o.keyring)
	first := o.keyring.First()
	if first.User != iam.Administrator {
		t.Fatalf("the first key is %s's", first.User)
	}
	if _, err := d.CreateUser(iam.User{Name: "ann", Path: "/"}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.CreateKey("ann"); err != nil {
		t.Fatal(err)
	}
	o.do("delete his only key", iam.CodeDeleteConflict, d.DeleteKey(iam.Administrator, first.ID))
	o.do("disable it", iam.CodeDeleteConflict, d.SetKey(iam.Administrator, first.ID, false))
	second, err := d.CreateKey(iam.Administrator)
	if err != nil {
		t.Fatal(err)
	}
	o.do("delete one of two", "", d.DeleteKey(iam.Administrator, first.ID))
	if got := o.keyring.First(); got.ID != second.ID {
		t.Errorf("the first key is %s's, not the administrator's younger one", got.User)
	}
}
