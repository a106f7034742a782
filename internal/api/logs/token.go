package logs

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"thaw/internal/telemetry/logstore"
)

var errToken = invalid("The specified nextToken is invalid.")

// nameToken goes on behind a name.
func nameToken(name string) *string {
	token := base64.RawURLEncoding.EncodeToString([]byte(name))
	return &token
}

func readNameToken(token *string) (string, error) {
	name, err := base64.RawURLEncoding.DecodeString(deref(token))
	if err != nil {
		return "", errToken
	}
	return string(name), nil
}

// streamToken goes on behind a stream, in either order.
func streamToken(s logstore.Stream) *string {
	at := int64(-1)
	if !s.LastEvent.IsZero() {
		at = s.LastEvent.UnixMilli()
	}
	return nameToken(strconv.FormatInt(at, 10) + ":" + s.Name)
}

func readStreamToken(token *string) (logstore.Stream, error) {
	if token == nil {
		return logstore.Stream{}, nil
	}
	text, err := readNameToken(token)
	if err != nil {
		return logstore.Stream{}, err
	}
	at, name, _ := strings.Cut(text, ":")
	ms, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return logstore.Stream{}, errToken
	}
	s := logstore.Stream{Name: name}
	if ms >= 0 {
		s.LastEvent = time.UnixMilli(ms)
	}
	return s, nil
}

// place is a position and the direction in which it is read from there: 'f' for
// events from it on, 'b' for events before it.
type place struct {
	logstore.Position
	direction byte
}

// String has the service's form: f/, 56 digits, /s.
func (p place) String() string {
	return fmt.Sprintf("%c/%020d%036d/s", p.direction, p.At, p.Seq)
}

func readPlace(token string) (place, error) {
	if len(token) != 60 || token[0] != 'f' && token[0] != 'b' || token[1] != '/' || token[58:] != "/s" {
		return place{}, errToken
	}
	at, err := strconv.ParseInt(token[2:22], 10, 64)
	if err != nil || at < 0 {
		return place{}, errToken
	}
	seq, err := strconv.ParseUint(token[22:58], 10, 64)
	if err != nil {
		return place{}, errToken
	}
	return place{logstore.Position{At: at, Seq: seq}, token[0]}, nil
}
