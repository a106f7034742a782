package lambda

// S3Object names an object of a service that speaks S3's protocol.
type S3Object struct {
	Bucket string
	Key    string
	// Version is empty for the newest.
	Version string
}
