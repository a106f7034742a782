package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"
)

// sign signs a request to one of the server's own endpoints, without a body, as
// one to the service lambda, which is what the server verifies there.
func (t target) sign(ctx context.Context, request *http.Request) error {
	key, err := t.credentials().Retrieve(ctx)
	if err != nil {
		return err
	}
	empty := sha256.Sum256(nil)
	return v4.NewSigner().SignHTTP(ctx, key, request, hex.EncodeToString(empty[:]), "lambda", t.Region, time.Now())
}

const (
	ownTimeout = time.Minute
	// maxOwnPage bounds one answer of such an endpoint, in bytes.
	maxOwnPage = 64 << 20
)

// own calls an endpoint by its path and query, and reads the answer's JSON.
func (t target) own(ctx context.Context, method, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, ownTimeout)
	defer cancel()
	address := strings.TrimSuffix(t.Endpoint, "/") + path
	request, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return err
	}
	if err := t.sign(ctx, request); err != nil {
		return err
	}
	response, err := t.httpClient().Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxOwnPage))
	if err != nil {
		return &url.Error{Op: "read", URL: address, Err: err}
	}
	if response.StatusCode != http.StatusOK {
		return refusal(response, body)
	}
	if json.Unmarshal(body, into) != nil {
		return &codedError{exitUnreachable, errors.New(foreignMessage(request.URL.Host))}
	}
	return nil
}

// refusal reads an error answer of such an endpoint: its code from the header, its
// text from either of the two members that hold it.
func refusal(response *http.Response, body []byte) error {
	var text struct{ Message string } // encoding/json takes message and Message
	code, _, _ := strings.Cut(response.Header.Get("X-Amzn-ErrorType"), ":")
	if json.Unmarshal(body, &text) != nil || text.Message == "" {
		text.Message = response.Status
	}
	if code == "" {
		return &codedError{exitUnreachable, errors.New(foreignMessage(response.Request.URL.Host))}
	}
	return &smithy.GenericAPIError{Code: code, Message: text.Message}
}
