package control

import (
	"bytes"
	"context"

	"thaw/internal/lambda"
)

// source is where a zip comes from: the request itself, or else an object.
type source struct {
	zip    []byte
	object lambda.S3Object
}

// content is code, and who has signed it.
type content struct {
	code   lambda.Code
	signed lambda.Signed
}

// add keeps the zip of a source, and holds it, if admit lets its size pass.
func (c *Control) add(ctx context.Context, from source, admit func(size int64) error) (content, error) {
	if from.object == (lambda.S3Object{}) {
		if err := admit(int64(len(from.zip))); err != nil {
			return content{}, err
		}
		signed, err := c.signature(bytes.NewReader(from.zip), int64(len(from.zip)))
		if err != nil {
			return content{}, err
		}
		code, err := c.code.Add(ctx, from.zip)
		return content{code, signed}, err
	}
	return c.fetch(ctx, from.object, admit)
}

// fetch is add for an object.
func (c *Control) fetch(ctx context.Context, object lambda.S3Object, admit func(size int64) error) (content, error) {
	if c.objects == nil { // this server's own
		return content{}, lambda.Errorf(lambda.CodeInvalidParameterValue,
			"This server cannot fetch objects from S3: it was started without --s3-endpoint. Please provide ZipFile instead of S3Bucket and S3Key.")
	}
	// A zip is hardly larger than what it unpacks to.
	file, err := c.objects.Get(ctx, object, lambda.MaxUnzipped)
	if err != nil {
		return content{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return content{}, err
	}
	if err := admit(info.Size()); err != nil {
		return content{}, err
	}
	signed, err := c.signature(file, info.Size())
	if err != nil {
		return content{}, err
	}
	code, err := c.code.AddFetched(ctx, file, info.Size())
	return content{code, signed}, err
}
