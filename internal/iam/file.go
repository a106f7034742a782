package iam

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"thaw/internal/vault"
)

// FileName is the keyring's file inside the data directory.
const FileName = "keys.json"

const (
	formatVersion = 4
	// policiesFormat knew of users nothing but their policies.
	policiesFormat = 3
	// sealedFormat had no users: every key could do everything.
	sealedFormat = 2
	// plainFormat had secrets in the clear too, and permanent keys only.
	plainFormat = 1
	// maxFile bounds keys.json, in bytes, and maxKeys what is in it.
	maxFile = 1 << 20
	maxKeys = 1000
	// followInterval is how long a server may take to see a changed file.
	followInterval = 500 * time.Millisecond
	// lookInterval bounds how often strangers can make it look.
	lookInterval = 20 * time.Millisecond
)

type keyFile struct {
	Version int          `json:"version"`
	Keys    []keyFormat  `json:"keys"`
	Users   []userFormat `json:"users,omitempty"`
}

type keyFormat struct {
	ID           string    `json:"id"`
	Secret       string    `json:"secret,omitempty"`        // of format 1
	SealedSecret []byte    `json:"sealed_secret,omitempty"` // base64
	User         string    `json:"user"`
	CreatedAt    time.Time `json:"created_at"`
	Disabled     bool      `json:"disabled,omitempty"`
	ExpiresAt    time.Time `json:"expires_at,omitzero"`
	TokenSHA256  string    `json:"session_token_sha256,omitempty"`
}

// place binds a sealed secret to its key.
func place(id string) string { return "access key " + id }

// load reads the file and tells its format.
func load(dir string, v *vault.Vault) (*state, int, error) {
	path := filepath.Join(dir, FileName)
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, 0, fmt.Errorf("%s can be read by others (mode %04o): run chmod 600 %s", path, mode, path)
	}
	if info.Size() > maxFile {
		return nil, 0, fmt.Errorf("%s has %d bytes, more than %d", path, info.Size(), maxFile)
	}
	data := make([]byte, info.Size())
	if _, err := f.ReadAt(data, 0); err != nil {
		return nil, 0, err
	}
	s, format, err := parse(data, v)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	s.file = info
	return s, format, nil
}

func parse(data []byte, v *vault.Vault) (*state, int, error) {
	var file keyFile
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, 0, err
	}
	if file.Version < plainFormat || file.Version > formatVersion {
		return nil, 0, fmt.Errorf("format version %d, want %d", file.Version, formatVersion)
	}
	s := &state{byID: make(map[string]int, len(file.Keys))}
	for i, f := range file.Keys {
		key, err := f.key(v)
		if err != nil {
			return nil, 0, fmt.Errorf("key %d: %w", i, err)
		}
		if _, twice := s.byID[key.ID]; twice {
			return nil, 0, fmt.Errorf("key %q is there twice", key.ID)
		}
		if key.User == "" && file.Version < policiesFormat {
			key.User = Administrator // it could do everything
		}
		s.byID[key.ID] = i
		s.Keys = append(s.Keys, key)
	}
	s.Users = usersOf(file.Users)
	if file.Version < policiesFormat {
		s.Users = usersOfBefore(s.Keys)
	}
	var err error
	if s.policies, err = readUsers(s.Users); err != nil {
		return nil, 0, err
	}
	return s, file.Version, check(s.Keys)
}

// Sealed tells whether a data directory has keys that need a vault to be read.
func Sealed(dir string) (bool, error) {
	data, err := os.ReadFile(filepath.Join(dir, FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read keyring: %w", err)
	}
	var file struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return false, fmt.Errorf("read keyring %s: %w", filepath.Join(dir, FileName), err)
	}
	return file.Version != plainFormat, nil
}

// check tells whether a server can live with these keys.
func check(keys []Key) error {
	if len(keys) > maxKeys {
		return fmt.Errorf("%d keys, at most %d", len(keys), maxKeys)
	}
	for i := range keys {
		if keys[i].User == "" {
			return fmt.Errorf("key %q has no user", keys[i].ID)
		}
	}
	if firstUsable(keys) < 0 {
		return errors.New("no keys are left to get in with: one that is permanent and not disabled must be there")
	}
	return nil
}

func (f *keyFormat) key(v *vault.Vault) (Key, error) {
	if f.ID == "" || f.Secret == "" && len(f.SealedSecret) == 0 {
		return Key{}, errors.New("no id or no secret")
	}
	key := Key{ID: f.ID, Secret: f.Secret, User: f.User, CreatedAt: f.CreatedAt,
		Disabled: f.Disabled, ExpiresAt: f.ExpiresAt, TokenSHA256: f.TokenSHA256}
	if len(f.SealedSecret) > 0 {
		secret, err := v.Unseal(place(f.ID), f.SealedSecret)
		if err != nil {
			return Key{}, err
		}
		key.Secret = string(secret)
	}
	return key, nil
}

func encode(c Contents, v *vault.Vault) ([]byte, error) {
	file := keyFile{Version: formatVersion, Users: formatUsers(c.Users)}
	for _, key := range c.Keys {
		file.Keys = append(file.Keys, keyFormat{ID: key.ID, SealedSecret: v.Seal(place(key.ID), []byte(key.Secret)), User: key.User,
			CreatedAt: key.CreatedAt, Disabled: key.Disabled, ExpiresAt: key.ExpiresAt, TokenSHA256: key.TokenSHA256})
	}
	data, err := json.MarshalIndent(file, "", "  ")
	return append(data, '\n'), err
}

// Change replaces the keys of a data directory by what edit makes of them, as Edit
// does.
func Change(dir string, v *vault.Vault, edit func([]Key) ([]Key, error)) error {
	return Edit(dir, v, func(c *Contents) (err error) {
		c.Keys, err = edit(c.Keys)
		return err
	})
}

// Edit replaces the keys and users of a data directory by what edit makes of them,
// of none if there are none yet. Whoever changes them at the same time waits; a
// reader sees the old file or the new one.
func Edit(dir string, v *vault.Vault, edit func(*Contents) error) error {
	unlock, err := lock(dir)
	if err != nil {
		return fmt.Errorf("change keyring: %w", err)
	}
	defer unlock()
	var c Contents
	s, _, err := load(dir, v)
	if err == nil {
		c = s.Contents
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("change keyring: %w", err)
	}
	if err := edit(&c); err != nil {
		return err
	}
	err = check(c.Keys)
	if err == nil {
		_, err = readUsers(c.Users)
	}
	if err != nil {
		return fmt.Errorf("change keyring: %w", err)
	}
	data, err := encode(c, v)
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%w: it would have %d bytes, more than %d", errLargeFile, len(data), maxFile) // and no server could read it
	}
	if err == nil {
		err = replace(dir, data)
	}
	if err != nil {
		return fmt.Errorf("change keyring: %w", err)
	}
	return nil
}

var errLargeFile = errors.New("the file would be too large")

// Edit changes the keys and users as the function Edit does. What was changed counts
// when it returns.
func (k *Keyring) Edit(edit func(*Contents) error) error {
	if err := Edit(k.dir, k.vault, edit); err != nil {
		return err
	}
	_, err := k.reload()
	return err
}

// lock keeps other writers out. It locks the directory itself, which is there
// before the file is, and leaves nothing behind.
func lock(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return func() { d.Close() }, nil // which unlocks
}

// replace writes the file whole or not at all.
func replace(dir string, data []byte) error {
	tmp, err := os.CreateTemp(dir, FileName+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), filepath.Join(dir, FileName)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Follow takes over what becomes of the file until ctx ends. A file that cannot
// be used, or none, changes nothing: the keys stay as they were, and the operator
// is told once.
func (k *Keyring) Follow(ctx context.Context, logger *slog.Logger) {
	ticker := time.NewTicker(followInterval)
	defer ticker.Stop()
	told := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		changed, err := k.reload()
		switch {
		case err != nil && err.Error() != told:
			logger.Error("changed access keys are not usable; the old ones stay", slog.Any("error", err))
			told = err.Error()
		case changed:
			logger.Info("access keys changed", slog.Int("keys", len(k.state.Load().Keys)))
			told = ""
		}
	}
}

// look reads a changed file now, unless that was just done. What is wrong with
// the file is Follow's to tell.
func (k *Keyring) look() (changed bool) {
	k.mu.Lock()
	now := time.Now()
	soon := now.Sub(k.looked) < lookInterval
	if !soon {
		k.looked = now
	}
	k.mu.Unlock()
	if soon {
		return false
	}
	changed, _ = k.reload()
	return changed
}

// reload reads the file if it is not the one that was read last.
func (k *Keyring) reload() (changed bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	info, err := os.Stat(filepath.Join(k.dir, FileName))
	if err != nil {
		return false, err
	}
	if last := k.state.Load().file; os.SameFile(last, info) && last.ModTime().Equal(info.ModTime()) && last.Size() == info.Size() {
		return false, nil
	}
	s, _, err := load(k.dir, k.vault)
	if err != nil {
		return false, err
	}
	k.state.Store(s)
	return true, nil
}
