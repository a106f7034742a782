package lambda

// Alias is a name for a version of its function, or, while traffic shifts, for
// two.
type Alias struct {
	Name        string
	Description string
	Version     string // "$LATEST" or "1"
	// Additional is the second version; nil if there is none.
	Additional *WeightedVersion
	// RevisionID is a uuid that changes with every visible change of the alias.
	RevisionID string
}

// WeightedVersion is a version with its share of an alias's invocations, from 0
// to 1.
type WeightedVersion struct {
	Number string
	Weight float64
}

// Route is the number of the version that an invocation of the alias runs.
// random is called if that is a matter of chance, and returns a number from 0 to
// below 1.
func (a *Alias) Route(random func() float64) string {
	if a.Additional != nil && random() < a.Additional.Weight {
		return a.Additional.Number
	}
	return a.Version
}

// Names tells whether an alias leads to a version, however seldom.
func (a *Alias) Names(number string) bool {
	return a.Version == number || a.Additional != nil && a.Additional.Number == number
}

// Alias finds an alias by its name; nil if there is none.
func (f *Function) Alias(name string) *Alias {
	for i := range f.Aliases {
		if f.Aliases[i].Name == name {
			return &f.Aliases[i]
		}
	}
	return nil
}

// Resolve finds what a qualifier names, which may be empty: a version, or the
// first version of an alias. It is nil if there is neither.
func (f *Function) Resolve(qualifier string) *Version {
	if v := f.Version(qualifier); v != nil {
		return v
	}
	if a := f.Alias(qualifier); a != nil {
		return f.Version(a.Version)
	}
	return nil
}
