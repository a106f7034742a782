// Package iam holds who may call: the access keys of this server.
//
// Vocabulary: a key is an access key ID with its secret and the name of the user
// it speaks for; the keyring is all keys of one data directory, kept in the file
// keys.json. The first Open of a directory makes one key, for the user
// "administrator".
//
// The file holds secrets: it is made with mode 0600, and a file that others may
// read is refused. A Keyring is immutable after Open; every method may be called
// from any goroutine and takes no lock.
package iam

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// FileName is the keyring's file inside the data directory.
const FileName = "keys.json"

// Administrator is the user that the first key belongs to.
const Administrator = "administrator"

const (
	formatVersion = 1
	// maxFile bounds keys.json, in bytes.
	maxFile = 1 << 20
	// idBytes and secretBytes make an ID of 20 and a secret of 40 characters, the
	// lengths that clients expect of the service's own keys.
	idBytes     = 10
	secretBytes = 30
)

// Key is one access key.
type Key struct {
	ID        string    `json:"id"`
	Secret    string    `json:"secret"`
	User      string    `json:"user"`
	CreatedAt time.Time `json:"created_at"`
}

// Keyring is the keys of one data directory.
type Keyring struct {
	keys []Key // in the file's order, the first is the administrator's
	byID map[string]int
}

type keyFile struct {
	Version int   `json:"version"`
	Keys    []Key `json:"keys"`
}

// Open reads the keyring of a data directory, which must exist, and makes it
// with one new key if there is none.
func Open(dir string) (*Keyring, error) {
	k, err := Read(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if err := create(dir, newKey(Administrator)); err != nil {
		return nil, fmt.Errorf("create keyring: %w", err)
	}
	return Read(dir)
}

// Read reads the keyring of a data directory and changes nothing; the error is
// fs.ErrNotExist if there is none.
func Read(dir string) (*Keyring, error) {
	path := filepath.Join(dir, FileName)
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read keyring: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("read keyring: %s can be read by others (mode %04o): run chmod 600 %s", path, mode, path)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("read keyring: %s has %d bytes, more than %d", path, info.Size(), maxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read keyring: %w", err)
	}
	k, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("read keyring %s: %w", path, err)
	}
	return k, nil
}

func parse(data []byte) (*Keyring, error) {
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
	k := &Keyring{keys: file.Keys, byID: make(map[string]int, len(file.Keys))}
	for i, key := range file.Keys {
		if key.ID == "" || key.Secret == "" {
			return nil, fmt.Errorf("key %d has no id or no secret", i)
		}
		if _, twice := k.byID[key.ID]; twice {
			return nil, fmt.Errorf("key %q is there twice", key.ID)
		}
		k.byID[key.ID] = i
	}
	return k, nil
}

// First is the administrator's key, the one that a server shows its owner.
func (k *Keyring) First() Key { return k.keys[0] }

// Secret finds the secret of an access key. A session token belongs to a
// temporary key; this keyring has only permanent ones, so that a request with a
// token names no key of it.
func (k *Keyring) Secret(id, sessionToken string) (secret string, ok bool) {
	i, ok := k.byID[id]
	if !ok || sessionToken != "" {
		return "", false
	}
	return k.keys[i].Secret, true
}

func newKey(user string) Key {
	id := make([]byte, idBytes)
	secret := make([]byte, secretBytes)
	rand.Read(id)
	rand.Read(secret)
	return Key{
		ID:        "AKIA" + base32.StdEncoding.EncodeToString(id),
		Secret:    base64.StdEncoding.EncodeToString(secret),
		User:      user,
		CreatedAt: time.Now().UTC().Truncate(time.Second),
	}
}

// create writes the file whole or not at all: a temporary file, synced, is
// linked to the name. Of two servers that start at once the second link fails,
// and both read the first one's key.
func create(dir string, key Key) error {
	data, err := json.MarshalIndent(keyFile{Version: formatVersion, Keys: []Key{key}}, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, FileName+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(append(data, '\n'))
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), filepath.Join(dir, FileName)); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
