package usage

// Decode and Encode are for fuzzing.
var (
	Decode = decode
	Encode = encode
)
