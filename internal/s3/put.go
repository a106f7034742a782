package s3

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/smithy-go"

	"thaw/internal/lambda"
)

// maxAnswer bounds what is read of the answer to a written object, in bytes, so that
// the connection can be used again.
const maxAnswer = 64 << 10

// Put writes an object, or replaces it. It tries once. What the service refuses is
// told as smithy.APIError, the fault the caller's if the status says so.
func (c *Client) Put(ctx context.Context, bucket, key, contentType string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := c.request(ctx, http.MethodPut, lambda.S3Object{Bucket: bucket, Key: key}, contentType, body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		told, err := readRefusal(resp)
		if err != nil {
			return err
		}
		fault := smithy.FaultClient
		if resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusTooManyRequests {
			fault = smithy.FaultServer
		}
		return fmt.Errorf("write %q of bucket %q: %w", key, bucket, &smithy.GenericAPIError{Code: told.Code, Message: told.Message, Fault: fault})
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	return err
}
