package main

import (
	"context"
	"net/http"
	"path/filepath"

	"github.com/spf13/cobra"

	apilambda "thaw/internal/api/lambda"
	apilogs "thaw/internal/api/logs"
	"thaw/internal/sigv4"
	"thaw/internal/telemetry/logstore"
)

// logging is how much of what functions log is kept, and how it is written.
type logging struct {
	GroupMB, TotalMB int
	OldStyle         bool
}

const (
	defaultLogGroupMB = 256
	defaultLogTotalMB = 4096
	maxLogMB          = 1 << 20
)

func (l *logging) flags(cmd *cobra.Command) {
	numberFlag(cmd, &l.TotalMB, "log-disk", defaultLogTotalMB, 1, maxLogMB, "`MiB` of disk for the logs of all functions; the oldest events go first")
	numberFlag(cmd, &l.GroupMB, "log-group-disk", defaultLogGroupMB, 1, maxLogMB, "`MiB` of disk for the log of one function")
	cmd.Flags().BoolVar(&l.OldStyle, "old-log-style", false, "write the lines of functions' logs as the service did before REPORT had a status")
}

// openLogs opens what functions have logged.
func (s *server) openLogs(context.Context) (err error) {
	s.logs, err = logstore.Open(logstore.Options{
		Dir: filepath.Join(s.config.Data, "logs"), Logger: s.logger,
		GroupBytes: int64(s.config.Logging.GroupMB) << 20, TotalBytes: int64(s.config.Logging.TotalMB) << 20,
	})
	if err != nil {
		return err
	}
	s.onClose(ignoringContext(s.logs.Close))
	return nil
}

// withLogs puts the CloudWatch Logs API beside the Lambda API: requests to it name
// their operation in a header, not in the path.
func (s *server) withLogs(api *apilambda.Handler, keys sigv4.Keys) http.Handler {
	logs := apilogs.New(apilogs.Options{
		Store: s.logs, Scope: s.config.Scope, Keys: keys, Trust: api.Trust, Access: s.guests.access,
		Ended: s.following.Done(), Logger: s.logger,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if logs.Ours(r) {
			logs.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
}
