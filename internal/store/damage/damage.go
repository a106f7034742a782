// Package damage is the memory of what was found broken in a store: one line of
// JSON for each finding, in DIR/damaged/report.jsonl, and beside it the files as
// they were found. Nothing in that directory is ever read to make up a state, or
// removed: an operator may do so when the matter is settled.
package damage

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Finding is one thing that was found.
type Finding struct {
	At   time.Time `json:"at"`
	File string    `json:"file"` // in the store's directory
	What string    `json:"what"` // a sentence for the operator
	// Events bounds the events that were lost with it.
	Events uint64 `json:"events,omitempty"`
	// Records are the keys of the records concerned.
	Records []string `json:"records,omitempty"`
	// From and To are the groups of the journal that are missing.
	From uint64 `json:"from,omitempty"`
	To   uint64 `json:"to,omitempty"`
	// Kept is the file as it was found, in the directory of the report.
	Kept string `json:"kept,omitempty"`
	// Settles tells that the records were compared with their copy after this and all
	// earlier findings, and put right.
	Settles bool `json:"settles,omitempty"`
}

// Open tells whether there are findings after the last one that settles.
func Open(found []Finding) bool { return len(found) > 0 && !found[len(found)-1].Settles }

const (
	directory  = "damaged"
	reportFile = "report.jsonl"
	// maxReport bounds how much of a report is read.
	maxReport = 16 << 20
)

// Log is the report of one store. Its methods are not to be called at the same
// time.
type Log struct{ dir string }

// In is the report of the store in a directory, which need not have one.
func In(store string) Log { return Log{filepath.Join(store, directory)} }

// Path is where the report is.
func (l Log) Path() string { return filepath.Join(l.dir, reportFile) }

// Read returns all findings, the oldest first. Lines that are broken themselves are
// left out.
func (l Log) Read() ([]Finding, error) {
	f, err := os.Open(l.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read report of damage: %w", err)
	}
	defer f.Close()
	var found []Finding
	lines := bufio.NewScanner(io.LimitReader(f, maxReport))
	lines.Buffer(nil, maxReport)
	for lines.Scan() {
		var one Finding
		if json.Unmarshal(lines.Bytes(), &one) == nil {
			found = append(found, one)
		}
	}
	if err := lines.Err(); err != nil {
		return found, fmt.Errorf("read report of damage: %w", err)
	}
	return found, nil
}

// Add makes findings durable.
func (l Log) Add(found ...Finding) error {
	if len(found) == 0 {
		return nil
	}
	if err := l.add(found); err != nil {
		return fmt.Errorf("report damage: %w", err)
	}
	return nil
}

func (l Log) add(found []Finding) error {
	if err := l.make(); err != nil {
		return err
	}
	var b bytes.Buffer
	b.WriteByte('\n') // an end that was cut off spoils no line of ours
	for _, one := range found {
		line, err := json.Marshal(one)
		if err != nil {
			return err
		}
		b.Write(append(line, '\n'))
	}
	f, err := os.OpenFile(l.Path(), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b.Bytes())
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), syncDirectory(l.dir))
}

func (l Log) make() error {
	err := os.Mkdir(l.dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(l.dir))
}

// Keep gives a file a second name among the evidence, and returns that name. The
// bytes are shared where the file system can do that: whoever repairs the file has to
// write a new one.
func (l Log) Keep(path string, at time.Time) (kept string, err error) {
	return l.keep(path, at, func(from, to string) error {
		if os.Link(from, to) == nil {
			return nil
		}
		return copyFile(from, to)
	})
}

func copyFile(from, to string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	if err == nil {
		err = w.Sync()
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

// Move takes a file or a directory away, to the evidence.
func (l Log) Move(path string, at time.Time) (kept string, err error) {
	return l.keep(path, at, os.Rename)
}

func (l Log) keep(path string, at time.Time, place func(from, to string) error) (string, error) {
	if err := l.make(); err != nil {
		return "", fmt.Errorf("keep %s: %w", filepath.Base(path), err)
	}
	base := at.UTC().Format("20060102T150405Z") + "-" + filepath.Base(path)
	for n := 0; ; n++ {
		name := base
		if n > 0 {
			name = fmt.Sprintf("%s.%d", base, n)
		}
		to := filepath.Join(l.dir, name)
		if _, err := os.Lstat(to); err == nil {
			continue
		}
		if err := place(path, to); err != nil {
			return "", fmt.Errorf("keep %s: %w", filepath.Base(path), err)
		}
		return name, syncDirectory(l.dir)
	}
}

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
