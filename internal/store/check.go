package store

import (
	"errors"
	"fmt"
	"strings"
)

// ErrTooLarge is what a value or an event over the limit answers.
var ErrTooLarge = errors.New("value too large")

// maxKey bounds a key, in bytes: far above any name of the service, and below
// what engines accept as a subject.
const maxKey = 512

// CheckKey tells whether every engine can hold the key: segments of letters,
// digits and "-_=.", none empty, parted by '/'.
func CheckKey(key string) error {
	if len(key) > maxKey {
		return fmt.Errorf("key of %d bytes: at most %d", len(key), maxKey)
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" {
			return fmt.Errorf("key %q: empty segment", key)
		}
	}
	return CheckPrefix(key)
}

// CheckPrefix tells whether a string can be the beginning of a key.
func CheckPrefix(prefix string) error {
	for i := range len(prefix) {
		c := prefix[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '_', c == '=', c == '/', c == '.':
		default:
			return fmt.Errorf("key %q: character %q", prefix, c)
		}
	}
	return nil
}

// CheckValue tells whether a record is within MaxValue.
func CheckValue(value []byte) error {
	if len(value) > MaxValue {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(value), MaxValue)
	}
	return nil
}

// CheckDigest tells whether s is the lower-case hex of a SHA-256.
func CheckDigest(s string) error {
	if len(s) != 64 {
		return fmt.Errorf("digest of %d characters: want 64", len(s))
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("digest %q: character %q", s, c)
		}
	}
	return nil
}

// CheckEvents tells whether a batch is within the limits of a Queue.
func CheckEvents(events []Event) error {
	if len(events) > MaxBatch {
		return fmt.Errorf("%w: %d events, at most %d", ErrTooLarge, len(events), MaxBatch)
	}
	size := 0
	for i := range events {
		e := &events[i]
		if size += len(e.Body); size > MaxBatchBytes {
			return fmt.Errorf("%w: events of %d bytes and more, at most %d", ErrTooLarge, size, MaxBatchBytes)
		}
		if len(e.ID) == 0 || len(e.ID) > 128 {
			return fmt.Errorf("event ID of %d bytes: 1 to 128", len(e.ID))
		}
		if len(e.Partition) > maxKey {
			return fmt.Errorf("event %q: partition of %d bytes, at most %d", e.ID, len(e.Partition), maxKey)
		}
		if len(e.Body) > MaxEvent {
			return fmt.Errorf("event %q: %w: %d bytes, at most %d", e.ID, ErrTooLarge, len(e.Body), MaxEvent)
		}
	}
	return nil
}
