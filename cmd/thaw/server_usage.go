package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"path/filepath"
	"strconv"

	"thaw/internal/telemetry/usage"
)

// usagePath is Thaw's own endpoint: GET answers what functions have used.
const usagePath = "/_thaw/usage"

// usagePage is its answer.
type usagePage struct {
	Days []usage.Day `json:"days"`
}

// openUsage opens the counts before there is an environment to be counted; they
// are closed when there is none any more.
func (s *server) openUsage(context.Context) (err error) {
	s.usage, err = usage.Open(usage.Options{Dir: filepath.Join(s.config.Data, "usage"), Logger: s.logger})
	if err != nil {
		return err
	}
	s.onClose(ignoringContext(s.usage.Close))
	return nil
}

func (s *server) serveUsage() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		days, err := strconv.Atoi(query.Get("days"))
		if r.Method != http.MethodGet || err != nil || days < 1 {
			refuseOwn(w, http.StatusBadRequest, "InvalidParameterValueException", "Usage is read by GET, with days, a number from 1 on.")
			return
		}
		found, err := s.usage.Days(query.Get("function"), days)
		if err != nil {
			s.logger.Error("usage cannot be read", slog.Any("error", err))
			refuseOwn(w, http.StatusInternalServerError, "ServiceException", "The usage cannot be read.")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(usagePage{found}); err != nil {
			s.logger.Debug("usage not sent", slog.Any("error", err))
		}
	})
}
