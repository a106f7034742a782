package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"regexp"

	"thaw/internal/lambda"
)

// signersPath is Thaw's own endpoint of signing profiles: GET lists them, POST adds
// the key of the query to a profile, DELETE revokes a version.
const signersPath = "/_thaw/signers"

// signerName is the service's form of the names of signing profiles.
var signerName = regexp.MustCompile(`^[A-Za-z0-9_]{2,64}$`)

// shownSigner is a version of a signing profile, as the endpoint shows it.
type shownSigner struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	ARN     string `json:"arn"`
	Status  string `json:"status"` // "Active" or "Revoked"
}

func (s *server) serveSigners() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var answer any
		var err error
		query := r.URL.Query()
		name := query.Get("name")
		switch {
		case r.Method == http.MethodGet:
			answer = s.signers()
		case !signerName.MatchString(name):
			err = lambda.Errorf(lambda.CodeInvalidParameterValue, "A signing profile's name is 2 to 64 letters, digits and underscores.")
		case r.Method == http.MethodPost:
			key, fault := base64.RawURLEncoding.DecodeString(query.Get("key"))
			if fault != nil {
				err = lambda.Errorf(lambda.CodeInvalidParameterValue, "The key is not in base64.")
				break
			}
			var arn string
			arn, err = s.control.AddSigner(r.Context(), name, key)
			answer = map[string]string{"arn": arn}
		case r.Method == http.MethodDelete:
			answer, err = struct{}{}, s.control.RevokeSigner(r.Context(), name, query.Get("version"))
		default:
			err = lambda.Errorf(lambda.CodeInvalidParameterValue, "Signing profiles are read by GET, added by POST and revoked by DELETE.")
		}
		if err != nil {
			s.refuseSigner(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			s.logger.Debug("signing profiles not sent", slog.Any("error", err))
		}
	})
}

func (s *server) signers() []shownSigner {
	list := []shownSigner{}
	for _, signer := range s.control.Signers() {
		for _, v := range signer.Versions {
			shown := shownSigner{Name: signer.Name, Version: v.Version, ARN: s.config.Scope.SignerARN(signer.Name, v.Version), Status: "Active"}
			if !v.RevokedAt.IsZero() {
				shown.Status = "Revoked"
			}
			list = append(list, shown)
		}
	}
	return list
}

func (s *server) refuseSigner(w http.ResponseWriter, err error) {
	told, ok := errors.AsType[*lambda.Error](err)
	if !ok {
		s.logger.Error("signing profiles not changed", slog.Any("error", err))
		refuseOwn(w, http.StatusInternalServerError, lambda.CodeService, "The signing profiles could not be changed.")
		return
	}
	status := http.StatusBadRequest
	switch told.Code {
	case lambda.CodeResourceConflict:
		status = http.StatusConflict
	case lambda.CodeResourceNotFound:
		status = http.StatusNotFound
	}
	refuseOwn(w, status, told.Code, told.Message)
}
