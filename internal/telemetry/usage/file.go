package usage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	fileVersion = 1
	fileSuffix  = ".json"
	// damagedSuffix follows the name of a file that was put aside.
	damagedSuffix = ".damaged"
	// maxFile bounds a file, in bytes: five times what DefaultFunctions functions
	// with the longest of names take.
	maxFile = 16 << 20
)

// file is a day's file.
type file struct {
	Version int `json:"version"`
	Day
}

// decode reads a file strictly: a number that nobody knows is better than a wrong
// one.
func decode(data []byte) (Day, error) {
	in := json.NewDecoder(bytes.NewReader(data))
	in.DisallowUnknownFields()
	var f file
	if err := in.Decode(&f); err != nil {
		return Day{}, err
	}
	if in.More() {
		return Day{}, errors.New("something follows the day")
	}
	if f.Version != fileVersion {
		return Day{}, fmt.Errorf("format version %d, want %d", f.Version, fileVersion)
	}
	if _, err := time.Parse(time.DateOnly, f.Date); err != nil {
		return Day{}, err
	}
	last := ""
	for i, function := range f.Functions {
		if i > 0 && function.Name <= last {
			return Day{}, fmt.Errorf("function %q is not in its order", function.Name)
		}
		last = function.Name
	}
	return f.Day, nil
}

// encode writes one line for each function, for people who look.
func encode(d Day) ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, `{"version":%d,"date":%q,"functions":[`, fileVersion, d.Date)
	for i, f := range d.Functions {
		line, err := json.Marshal(f)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteByte('\n')
		out.Write(line)
	}
	out.WriteString("\n]}\n")
	return out.Bytes(), nil
}

// errDamaged is for a file that does not hold the day that it should.
var errDamaged = errors.New("damaged")

// read reads a day. What is damaged is kept under another name, and then not
// there: neither the server nor the other days can do without their own for it.
func (s *Store) read(date string) (Day, error) {
	day, err := readFile(s.opts.Dir, date)
	if !errors.Is(err, errDamaged) {
		return day, err
	}
	path := filepath.Join(s.opts.Dir, date+fileSuffix)
	if renameErr := os.Rename(path, path+damagedSuffix); renameErr != nil {
		return Day{}, errors.Join(err, renameErr)
	}
	s.opts.Logger.Error("usage of a day is damaged and put aside: it is not counted any more",
		slog.String("file", path+damagedSuffix), slog.Any("error", err))
	return Day{}, fs.ErrNotExist
}

func readFile(dir, date string) (Day, error) {
	path := filepath.Join(dir, date+fileSuffix)
	info, err := os.Stat(path)
	if err != nil {
		return Day{}, err
	}
	if info.Size() > maxFile {
		return Day{}, fmt.Errorf("%s: %w: %d bytes, at most %d", path, errDamaged, info.Size(), maxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Day{}, err
	}
	d, err := decode(data)
	if err == nil && d.Date != date {
		err = fmt.Errorf("it is of %s", d.Date)
	}
	if err != nil {
		return Day{}, fmt.Errorf("%s: %w: %w", path, errDamaged, err)
	}
	return d, nil
}

// writeFile replaces a day's file in one step, and has it on the disk then.
func writeFile(dir string, d Day) error {
	data, err := encode(d)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, d.Date+fileSuffix)
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	directory, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

// sweep removes days beyond those that are kept.
func (s *Store) sweep() error {
	entries, err := os.ReadDir(s.opts.Dir)
	if err != nil {
		return err
	}
	oldest := s.opts.Now().UTC().AddDate(0, 0, 1-s.opts.Keep).Format(time.DateOnly)
	var errs []error
	for _, e := range entries {
		date, ok := strings.CutSuffix(e.Name(), fileSuffix)
		if _, err := time.Parse(time.DateOnly, date); ok && err == nil && date < oldest {
			errs = append(errs, os.Remove(filepath.Join(s.opts.Dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}
