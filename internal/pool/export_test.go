package pool

// Relief is the decision how many idle environments end for want of memory.
var Relief = relief

// LeastRecentlyUsed makes that the rule of what ends first, until restore.
func LeastRecentlyUsed() (restore func()) {
	rule := worth
	worth = func(_, last float64) float64 { return last }
	return func() { worth = rule }
}
