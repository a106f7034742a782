package lambda

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"thaw/internal/awsapi"
	"thaw/internal/lambda"
)

// Code locations are links that whoever holds one may follow, for a while: the
// service gives out presigned links of S3 instead.
const (
	codePath         = "/_thaw/code/"
	locationLifetime = 10 * time.Minute
)

// codeLocation makes the link to the zip of a version of a function or layer.
func (h *Handler) codeLocation(base string, code lambda.Code) (string, error) {
	digest, err := base64.StdEncoding.DecodeString(code.SHA256)
	if err != nil {
		return "", fmt.Errorf("decode digest %q: %w", code.SHA256, err)
	}
	name := hex.EncodeToString(digest)
	expires := strconv.FormatInt(h.now().Add(locationLifetime).Unix(), 10)
	query := url.Values{"expires": {expires}, "signature": {h.signLocation(name, expires)}}
	return base + codePath + name + "?" + query.Encode(), nil
}

func (h *Handler) signLocation(name, expires string) string {
	mac := hmac.New(sha256.New, h.signingKey)
	fmt.Fprintf(mac, "%s|%s", name, expires)
	return hex.EncodeToString(mac.Sum(nil))
}

// serveCode answers a code location.
func (h *Handler) serveCode(w http.ResponseWriter, r *http.Request, id string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.fail(w, r, id, lambda.Errorf(awsapi.CodeUnknownOperation, "No operation is known for %s %s.", r.Method, r.URL.Path))
		return
	}
	name := strings.TrimPrefix(r.URL.Path, codePath)
	query := r.URL.Query()
	expires := query.Get("expires")
	if !hmac.Equal([]byte(query.Get("signature")), []byte(h.signLocation(name, expires))) {
		h.fail(w, r, id, lambda.Errorf(lambda.CodeAccessDenied, "The link to the code is not valid."))
		return
	}
	// The signature vouches for both texts.
	seconds, err := strconv.ParseInt(expires, 10, 64)
	if err != nil || h.now().After(time.Unix(seconds, 0)) {
		h.fail(w, r, id, lambda.Errorf(lambda.CodeAccessDenied, "The link to the code has expired."))
		return
	}
	h.sendCode(w, r, id, name)
}

func (h *Handler) sendCode(w http.ResponseWriter, r *http.Request, id, name string) {
	digest, err := hex.DecodeString(name)
	if err != nil {
		h.fail(w, r, id, fmt.Errorf("decode digest %q: %w", name, err))
		return
	}
	zip, err := h.packages.Open(r.Context(), lambda.Code{SHA256: base64.StdEncoding.EncodeToString(digest)})
	if err != nil {
		h.log.LogAttrs(r.Context(), slog.LevelInfo, "code of a link is gone", slog.String("digest", name), slog.String("error", err.Error()))
		h.fail(w, r, id, lambda.Errorf(lambda.CodeResourceNotFound, "The code is not there any more."))
		return
	}
	defer zip.Close()
	w.Header().Set("Content-Type", "application/zip")
	awsapi.SetRequestID(w.Header(), id)
	http.ServeContent(w, r, "", time.Time{}, zip)
}
