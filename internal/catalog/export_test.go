package catalog

// Encode and Decode are the stored format, for golden files and fuzzing.
var (
	Encode        = encodeFunction
	Decode        = decodeFunction
	EncodeLayer   = encodeLayer
	DecodeLayer   = decodeLayer
	EncodeMapping = encodeMapping
	DecodeMapping = decodeMapping
	EncodeSigning = encodeSigning
	DecodeSigning = decodeSigning
	EncodeSigner  = encodeSigner
	DecodeSigner  = decodeSigner
	EncodeQueue   = encodeQueue
	DecodeQueue   = decodeQueue
)
