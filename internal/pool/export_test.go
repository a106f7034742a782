package pool

// Relief is the decision how many idle environments end for want of memory.
var Relief = relief
