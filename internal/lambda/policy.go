package lambda

// Policy is who may do what with a function, a version or an alias.
type Policy struct {
	Qualifier string // empty for the function itself
	// Document is JSON in the language of policies.
	Document string
	// RevisionID is a uuid that changes with every change of the document.
	RevisionID string
}

// Of implements Qualified.
func (p Policy) Of() string { return p.Qualifier }

// MaxPolicy bounds a policy's document, in bytes, from the service's quotas.
const MaxPolicy = 20 << 10

// Policy finds the policy of a qualifier, where $LATEST is the function itself;
// nil if it has none.
func (f *Function) Policy(qualifier string) *Policy {
	if qualifier == Latest {
		qualifier = ""
	}
	if at, found := Find(f.Configs.Policies, qualifier); found {
		return &f.Configs.Policies[at]
	}
	return nil
}
