package jetstream

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats-server/v2/server"
)

// logger passes the server's messages on. They are formatted already, so the
// text is an attribute: what the server has to say is detail for us, save that
// it reports trouble with its files only here.
type logger struct{ to *slog.Logger }

var _ server.Logger = logger{}

func (l logger) Noticef(format string, v ...any) { l.log(slog.LevelDebug, format, v) }
func (l logger) Debugf(format string, v ...any)  { l.log(slog.LevelDebug, format, v) }
func (l logger) Tracef(format string, v ...any)  { l.log(slog.LevelDebug, format, v) }
func (l logger) Warnf(format string, v ...any)   { l.log(slog.LevelDebug, format, v) }
func (l logger) Errorf(format string, v ...any)  { l.log(slog.LevelWarn, format, v) }
func (l logger) Fatalf(format string, v ...any)  { l.log(slog.LevelError, format, v) }

func (l logger) log(level slog.Level, format string, v []any) {
	ctx := context.Background()
	if l.to.Enabled(ctx, level) {
		l.to.Log(ctx, level, "store engine", slog.String("text", fmt.Sprintf(format, v...)))
	}
}
