// Package s3 fetches objects from a service that speaks S3's protocol, Amazon's
// own or any that is compatible with it, and writes small ones there.
//
// Vocabulary: the endpoint is the service's address, which the operator chooses;
// an object is named by its bucket, its key and perhaps its version, which a
// caller chooses. Requests are signed, and in the path style, which all services
// understand.
//
// An object is written to a file that has no name any more when it is returned:
// whatever ends the server, no part of an object is left.
//
// Concurrency: Get and Put may be called from many goroutines; only a few objects
// are fetched at the same time, and the others wait.
package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"thaw/internal/lambda"
)

const (
	// parallel is how many objects may be on their way at one time.
	parallel = 4
	// timeout bounds the fetching of one object, with all its tries.
	timeout = 5 * time.Minute
	// headerTimeout bounds how long the service may think about one request.
	headerTimeout = 30 * time.Second
	// tries is how often a request is made that the service fails to answer.
	tries = 3
	// maxError bounds what is read of an error's document, in bytes.
	maxError = 64 << 10
)

// Options is what Open needs.
type Options struct {
	// Endpoint is the service's address, such as http://localhost:9000.
	Endpoint string
	// Region is what signatures are for.
	Region string
	// Credentials sign the requests; nil leaves them unsigned.
	Credentials aws.CredentialsProvider
	// Dir is this package's own directory: what is in it is removed by Open. It has
	// to have room for four objects.
	Dir string
	// Pause lies before the second try, and twice as much before the third.
	// Default 200 ms.
	Pause time.Duration
	// Now is for the dates of signatures; nil means time.Now.
	Now func() time.Time
}

// Client fetches objects.
type Client struct {
	options  Options
	endpoint *url.URL
	signer   *v4.Signer
	http     *http.Client
	slots    chan struct{} // held while an object is fetched
}

// Endpoint checks the address of a service.
func Endpoint(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("%s is not an address such as http://localhost:9000", text)
	}
	return u, nil
}

// Open prepares the directory. It does not ask the service anything.
func Open(o Options) (*Client, error) {
	endpoint, err := Endpoint(o.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("s3 endpoint: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Pause == 0 {
		o.Pause = 200 * time.Millisecond
	}
	if err := errors.Join(os.RemoveAll(o.Dir), os.MkdirAll(o.Dir, 0o700)); err != nil {
		return nil, fmt.Errorf("make directory for objects: %w", err)
	}
	return &Client{
		options: o, endpoint: endpoint, slots: make(chan struct{}, parallel),
		signer: v4.NewSigner(func(s *v4.SignerOptions) { s.DisableURIPathEscaping = true }),
		http: &http.Client{
			Transport: &http.Transport{
				Proxy:                 http.ProxyFromEnvironment,
				ResponseHeaderTimeout: headerTimeout,
				TLSHandshakeTimeout:   headerTimeout,
				IdleConnTimeout:       headerTimeout,
				MaxIdleConnsPerHost:   parallel,
				// An object's bytes are what is stored, compressed or not.
				DisableCompression: true,
			},
			// The signature is for one address only, and where objects come from is the
			// operator's choice.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Close lets go of idle connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Get fetches an object of at most limit bytes into a file, which the caller
// closes. What the service refuses, and an object that is too large, is told as
// *lambda.Error.
func (c *Client) Get(ctx context.Context, object lambda.S3Object, limit int64) (*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	pause := c.options.Pause
	for try := 1; ; try++ {
		file, err := c.try(ctx, object, limit)
		if err == nil {
			return file, nil
		}
		if _, refused := errors.AsType[*lambda.Error](err); refused {
			return nil, err
		}
		if try == tries || !sleep(ctx, pause) {
			return nil, fmt.Errorf("fetch %q of bucket %q: %w", object.Key, object.Bucket, err)
		}
		pause *= 2
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *Client) try(ctx context.Context, object lambda.S3Object, limit int64) (*os.File, error) {
	req, err := c.request(ctx, http.MethodGet, object, "", nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, refusal(resp, object)
	}
	return c.receive(resp.Body, limit)
}

// request is a signed one for the object. The type is that of the body, if it has one.
func (c *Client) request(ctx context.Context, method string, object lambda.S3Object, contentType string, body []byte) (*http.Request, error) {
	u := *c.endpoint
	base := strings.TrimSuffix(u.Path, "/")
	u.Path = base + "/" + object.Bucket + "/" + object.Key
	u.RawPath = escape(base) + "/" + escape(object.Bucket) + "/" + escape(object.Key)
	if object.Version != "" {
		u.RawQuery = url.Values{"versionId": {object.Version}}.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.options.Credentials == nil {
		return req, nil
	}
	key, err := c.options.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("find credentials: %w", err)
	}
	sum := sha256.Sum256(body)
	payload := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", payload)
	err = c.signer.SignHTTP(ctx, key, req, payload, "s3", c.options.Region, c.options.Now())
	return req, err
}

// escape is S3's own way to write a key in a path: signatures are of it, and it
// escapes more than net/url would.
func escape(key string) string {
	var b strings.Builder
	for i := range len(key) {
		switch ch := key[i]; {
		case 'a' <= ch && ch <= 'z', 'A' <= ch && ch <= 'Z', '0' <= ch && ch <= '9', strings.IndexByte("-._~/", ch) >= 0:
			b.WriteByte(ch)
		default:
			fmt.Fprintf(&b, "%%%02X", ch)
		}
	}
	return b.String()
}

// receive writes a body to a file without a name.
func (c *Client) receive(body io.Reader, limit int64) (_ *os.File, err error) {
	file, err := os.CreateTemp(c.options.Dir, "object-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	if err := os.Remove(file.Name()); err != nil {
		return nil, err
	}
	size, err := io.Copy(file, io.LimitReader(body, limit+1))
	if err != nil {
		return nil, err
	}
	if size > limit { // a zip is not smaller than what it unpacks to by so much
		return nil, lambda.Errorf(lambda.CodeInvalidParameterValue, "Unzipped size must be smaller than %d bytes", limit)
	}
	return file, nil
}

// told is the service's word for why not.
type told struct{ Code, Message string }

// readRefusal reads the document of an error.
func readRefusal(resp *http.Response) (t told, err error) {
	document, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
	if err != nil {
		return t, err
	}
	if xml.Unmarshal(document, &t) != nil || t.Code == "" {
		t.Code, t.Message = fmt.Sprint(resp.StatusCode), http.StatusText(resp.StatusCode)
	}
	return t, nil
}

// refusal is what a response without an object means. What the service itself
// has failed at is not the caller's fault.
func refusal(resp *http.Response, object lambda.S3Object) error {
	told, err := readRefusal(resp)
	if err != nil {
		return err
	}
	switch {
	case resp.StatusCode >= http.StatusInternalServerError:
		return fmt.Errorf("status %d, %s: %s", resp.StatusCode, told.Code, told.Message)
	case resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusUnauthorized:
		return lambda.Errorf(lambda.CodeAccessDenied,
			"Your access has been denied by S3, please make sure your request credentials have permission to GetObject for %s/%s. "+
				"S3 Error Code: %s. S3 Error Message: %s", object.Bucket, object.Key, told.Code, told.Message)
	default:
		return lambda.Errorf(lambda.CodeInvalidParameterValue,
			"Error occurred while GetObject. S3 Error Code: %s. S3 Error Message: %s", told.Code, told.Message)
	}
}
