package control

import (
	"context"

	"thaw/internal/lambda"
)

// source is where a zip comes from: the request itself, or else an object.
type source struct {
	zip    []byte
	object lambda.S3Object
}

// add keeps the zip of a source, and holds it, if admit lets its size pass.
func (c *Control) add(ctx context.Context, from source, admit func(size int64) error) (lambda.Code, error) {
	if from.object == (lambda.S3Object{}) {
		if err := admit(int64(len(from.zip))); err != nil {
			return lambda.Code{}, err
		}
		return c.code.Add(ctx, from.zip)
	}
	if c.objects == nil { // this server's own
		return lambda.Code{}, lambda.Errorf(lambda.CodeInvalidParameterValue,
			"This server cannot fetch objects from S3: it was started without --s3-endpoint. Please provide ZipFile instead of S3Bucket and S3Key.")
	}
	// A zip is hardly larger than what it unpacks to.
	file, err := c.objects.Get(ctx, from.object, lambda.MaxUnzipped)
	if err != nil {
		return lambda.Code{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return lambda.Code{}, err
	}
	if err := admit(info.Size()); err != nil {
		return lambda.Code{}, err
	}
	return c.code.AddFetched(ctx, file, info.Size())
}
