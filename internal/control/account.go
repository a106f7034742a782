package control

import "context"

// Account is what an account may use, and what it uses.
type Account struct {
	Quotas
	// Unreserved is the concurrency that no function has claimed; never below 0, even
	// if an operator has lowered the account's since.
	Unreserved int
	// CodeSize is the sum of the zipped sizes of all versions of functions and
	// layers, in bytes.
	CodeSize  int64
	Functions int
}

// Account shows the account.
func (c *Control) Account(context.Context) (Account, error) {
	return Account{Quotas: c.quotas, Unreserved: max(c.unclaimed(""), 0), CodeSize: c.codeSize(), Functions: len(c.catalog.List())}, nil
}
