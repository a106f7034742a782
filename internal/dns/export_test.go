package dns

// What the fuzz test needs.
var (
	ParseQuestion = parseQuestion
	Failure       = failure
)

// MaxUnderWay is the bound of one service.
const MaxUnderWay = maxUnderWay
