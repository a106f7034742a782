package logstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
)

// catalogueName is the file that names the groups.
const catalogueName = "groups"

// catalogue is the file of all groups: a frame of JSON for each change, the whole
// state of one group; the last one of a group counts. It is synced with each
// change and written anew when it is opened, if most of it is outdated.
type catalogue struct {
	path string
	file *os.File
	size int64 // of what is whole
}

// compactAfter is how many outdated records are kept beside the current ones.
const compactAfter = 1000

// openCatalogue returns the groups by id. It removes the files of groups that are
// deleted: the last server may have died at that.
func openCatalogue(dir string, log *slog.Logger) (*catalogue, map[uint64]groupState, error) {
	c := &catalogue{path: filepath.Join(dir, catalogueName)}
	data, err := os.ReadFile(c.path)
	if err != nil && !os.IsNotExist(err) {
		return nil, nil, err
	}
	states, records, good := readCatalogue(data)
	if good < len(data) {
		log.Warn("cut off the torn tail of the list of log groups", "file", c.path, "bytes", len(data)-good)
		if err := os.Truncate(c.path, int64(good)); err != nil {
			return nil, nil, err
		}
	}
	for id, s := range states {
		if !s.Deleted {
			continue
		}
		if err := os.RemoveAll(groupDir(dir, id)); err != nil {
			return nil, nil, fmt.Errorf("remove a deleted log group: %w", err)
		}
		delete(states, id)
	}
	if records > 2*len(states)+compactAfter {
		if err := c.rewrite(states); err != nil {
			return nil, nil, err
		}
	}
	if c.file, err = os.OpenFile(c.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600); err != nil {
		return nil, nil, err
	}
	info, err := c.file.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, c.file.Close())
	}
	c.size = info.Size()
	return c, states, nil
}

// readCatalogue returns what data says, in how many records and how many bytes.
func readCatalogue(data []byte) (states map[uint64]groupState, records, good int) {
	states = map[uint64]groupState{}
	for rest := data; ; {
		payload, after, err := nextFrame(rest)
		if err != nil || payload == nil {
			return states, records, len(data) - len(rest)
		}
		var s groupState
		if json.Unmarshal(payload, &s) != nil || s.Name == "" {
			return states, records, len(data) - len(rest)
		}
		states[s.ID] = s
		records++
		rest = after
	}
}

func (c *catalogue) rewrite(states map[uint64]groupState) error {
	var buf []byte
	for _, s := range states {
		content, err := json.Marshal(s)
		if err != nil {
			return err
		}
		start := len(buf)
		buf = endFrame(append(beginFrame(buf), content...), start)
	}
	if err := writeFile(c.path, buf); err != nil {
		return fmt.Errorf("rewrite the list of log groups: %w", err)
	}
	return nil
}

func groupDir(dir string, id uint64) string { return filepath.Join(dir, fmt.Sprintf("%08x", id)) }

// put saves states of groups, all with one sync.
func (c *catalogue) put(states ...groupState) error {
	var buf []byte
	for _, s := range states {
		content, err := json.Marshal(s)
		if err != nil {
			return err
		}
		start := len(buf)
		buf = endFrame(append(beginFrame(buf), content...), start)
	}
	_, err := c.file.Write(buf)
	if err == nil {
		err = c.file.Sync()
	}
	if err != nil {
		// What follows a torn frame would be cut off with it.
		return fmt.Errorf("write the list of log groups: %w", errors.Join(err, c.file.Truncate(c.size)))
	}
	c.size += int64(len(buf))
	return nil
}

func (c *catalogue) close() error { return c.file.Close() }
