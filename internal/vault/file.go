package vault

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// FileName is the key file's name in a data directory, unless the operator keeps
// it elsewhere.
const FileName = "master.key"

const (
	formatVersion = 1
	// maxFile bounds a key file, in bytes.
	maxFile = 64 << 10
)

type keyFile struct {
	Version int         `json:"version"`
	Keys    []masterKey `json:"keys"` // the current one first
}

type masterKey struct {
	Secret    []byte    `json:"secret"` // base64
	CreatedAt time.Time `json:"created_at"`
}

// Read opens the key file and changes nothing; the error is fs.ErrNotExist if
// there is none. A file that others may read or write is refused.
func Read(path string) (*Vault, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("read key file: %s can be read by others (mode %04o): run chmod 600 %s", path, mode, path)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("read key file: %s has %d bytes, more than %d", path, info.Size(), maxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	v, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("read key file %s: %w", path, err)
	}
	return v, nil
}

func parse(data []byte) (*Vault, error) {
	var file keyFile
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, err
	}
	if file.Version != formatVersion {
		return nil, fmt.Errorf("format version %d, want %d", file.Version, formatVersion)
	}
	if len(file.Keys) == 0 {
		return nil, errors.New("no keys")
	}
	secrets := make([][]byte, len(file.Keys))
	for i, key := range file.Keys {
		if len(key.Secret) != secretBytes {
			return nil, fmt.Errorf("key %d has %d bytes, want %d", i, len(key.Secret), secretBytes)
		}
		secrets[i] = key.Secret
	}
	return newVault(secrets)
}

// Create makes a key file with one new key, unless there is one. It appears
// whole and synced to the disk; of two servers that start at once the second
// one finds the first one's.
func Create(path string) error {
	data, err := json.Marshal(keyFile{Version: formatVersion, Keys: []masterKey{
		{Secret: newSecret(), CreatedAt: time.Now().UTC().Truncate(time.Second)},
	}})
	if err != nil {
		return err
	}
	if err := create(path, append(data, '\n')); err != nil {
		return fmt.Errorf("create key file: %w", err)
	}
	return nil
}

func create(path string, data []byte) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
