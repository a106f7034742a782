package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thaw/internal/backup"
	"thaw/internal/iam"
	"thaw/internal/vault"
)

// backupPath is Thaw's own endpoint: GET answers a backup as a tar.
const backupPath = "/_thaw/backup"

func newBackupCommand() *cobra.Command {
	var conn connection
	var includeKey bool
	cmd := &cobra.Command{
		Use:   "backup FILE|-",
		Short: "Write everything that a running server keeps to one file",
		Long: `Write everything that a running server keeps - functions, their code, access
keys - to one tar file, or to standard output. The server goes on working; the
backup is of one moment, and is checked while it is written.

What is secret is in it as the server keeps it: sealed with the master key. The
master key itself is not in it: keep it elsewhere, or nobody can use the backup.
With --include-key it is added; it is read on this machine and does not cross the
network. Asynchronous events and messages of queues that wait are not part of a
backup; queues are.`,
		Example: `  sudo thaw backup thaw-$(date +%F).tar
  sudo thaw backup --include-key - | ssh other sudo thaw restore - --data /var/lib/thaw`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := conn.target()
			if err != nil {
				return err
			}
			var key []byte
			if includeKey {
				if key, err = readKeyFile(conn.dataDir()); err != nil {
					return err
				}
			}
			header, size, err := saveBackup(cmd, t, args[0], key)
			if err != nil {
				return err
			}
			return reportBackup(cmd, args[0], header, size, key != nil, conn.json)
		},
	}
	conn.addFlags(cmd)
	cmd.Flags().BoolVar(&includeKey, "include-key", false, "add the server's master key, which opens all that is sealed")
	return cmd
}

func readKeyFile(dir string) ([]byte, error) {
	server, err := readServerFile(dir)
	if err != nil {
		return nil, privateError(dir, fmt.Errorf("--include-key needs the server's data directory: %w", err))
	}
	path := server.keyFile(dir)
	if _, err := vault.Read(path); err != nil {
		return nil, privateError(dir, err)
	}
	return os.ReadFile(path)
}

// saveBackup writes to standard output, or to a file that appears when it is
// whole.
func saveBackup(cmd *cobra.Command, t target, name string, key []byte) (header backup.Header, size int64, err error) {
	if name == "-" {
		return fetchBackup(cmd.Context(), t, cmd.OutOrStdout(), key)
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return header, 0, err
	}
	defer os.Remove(f.Name())
	header, size, err = fetchBackup(cmd.Context(), t, f, key)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return header, 0, err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return header, 0, err
	}
	return header, size, syncDirectory(filepath.Dir(name))
}

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func fetchBackup(ctx context.Context, t target, w io.Writer, key []byte) (header backup.Header, size int64, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(t.Endpoint, "/")+backupPath, nil)
	if err != nil {
		return header, 0, err
	}
	if err := t.sign(ctx, request); err != nil {
		return header, 0, err
	}
	client := &http.Client{} // a backup takes as long as it takes; Ctrl-C ends it
	response, err := client.Do(request)
	if err != nil {
		return header, 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<16)) // the status alone will do
		return header, 0, refusal(response, body)
	}
	counted := &countingWriter{w: w}
	header, err = backup.Copy(counted, response.Body, key)
	return header, counted.n, err
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func reportBackup(cmd *cobra.Command, name string, h backup.Header, size int64, withKey, asJSON bool) error {
	if name == "-" {
		return nil
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), map[string]any{"file": name, "bytes": size, "key_id": h.KeyID, "key_included": withKey, "created_at": h.CreatedAt})
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %d bytes\n", name, size)
	if withKey {
		fmt.Fprintln(cmd.ErrOrStderr(), "The master key is in it: whoever has the file can read every secret.")
	} else {
		fmt.Fprintf(cmd.ErrOrStderr(), "The master key %s is not in it: without it the backup cannot be used.\n", h.KeyID)
	}
	return nil
}

func newRestoreCommand() *cobra.Command {
	var data, keyFile string
	var force, asJSON bool
	cmd := &cobra.Command{
		Use:   "restore FILE|-",
		Short: "Make a data directory out of a backup",
		Long: `Make a data directory out of a backup. Everything is written beside the place,
read again and compared with the backup's digests before the directory gets its
name, so that a backup that is damaged changes nothing.

A directory that is not empty is refused; with --force it is renamed, not
deleted. A server that uses it must have been stopped. Unless the backup has the
master key, name its file by --key-file, or put it at master.key before the
server is started.`,
		Example: `  sudo thaw restore thaw-2026-01-02.tar --data /var/lib/thaw --key-file master.key
  sudo thaw restore - --data ./copy < thaw-2026-01-02.tar`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t := backup.Target{Force: force, Logger: slog.New(slog.DiscardHandler)}
			var err error
			if t.Dir, err = filepath.Abs(data); err != nil {
				return err
			}
			if keyFile != "" {
				if err := useKeyFile(&t, keyFile); err != nil {
					return err
				}
			}
			done, err := restoreFrom(cmd, args[0], t)
			switch {
			case errors.Is(err, backup.ErrNotEmpty):
				return fmt.Errorf("%w (with --force it is renamed, and the backup takes its place)", err)
			case errors.Is(err, backup.ErrInUse):
				return fmt.Errorf("%w%s: stop it first, and let it end", err, processOf(t.Dir))
			}
			if err != nil {
				return err
			}
			return reportRestored(cmd, t.Dir, done, asJSON)
		},
	}
	cmd.Flags().StringVar(&data, "data", defaultDataDir(), "`directory` to make")
	cmd.Flags().StringVar(&keyFile, "key-file", "", "`file` with the master key that the backup was sealed with")
	cmd.Flags().BoolVar(&force, "force", false, "take the place of a directory that is not empty; it is renamed")
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

// processOf names the process of a directory's server, if it is known.
func processOf(dir string) string {
	server, err := readServerFile(dir)
	if err != nil || !server.running() {
		return ""
	}
	return fmt.Sprintf(" (process %d)", server.PID)
}

// useKeyFile has a backup restored with a master key, if it is the one that the
// backup was sealed with: with another one no server could open the directory.
func useKeyFile(t *backup.Target, name string) error {
	box, err := vault.Read(name)
	if err != nil {
		return err
	}
	t.Check = func(h backup.Header) error {
		if !box.Has(h.KeyID) {
			return fmt.Errorf("the backup needs the master key %s, and the current one of %s is %s", h.KeyID, name, box.KeyID())
		}
		return nil
	}
	t.KeyFile, err = os.ReadFile(name)
	return err
}

func restoreFrom(cmd *cobra.Command, name string, t backup.Target) (backup.Restored, error) {
	if name == "-" {
		return backup.Restore(cmd.Context(), cmd.InOrStdin(), t)
	}
	f, err := os.Open(name)
	if err != nil {
		return backup.Restored{}, err
	}
	defer f.Close()
	return backup.Restore(cmd.Context(), f, t)
}

func reportRestored(cmd *cobra.Command, dir string, done backup.Restored, asJSON bool) error {
	if asJSON {
		return printJSON(cmd.OutOrStdout(), map[string]any{"data": dir, "records": done.Records, "blobs": done.Blobs,
			"key_id": done.Header.KeyID, "key_included": done.KeyFile, "set_aside": done.Aside})
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %d records and %d blobs of %s\n", dir, done.Records, done.Blobs, done.Header.CreatedAt.Format("2006-01-02 15:04:05Z"))
	if done.Aside != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "What was there is in %s now.\n", done.Aside)
	}
	if !done.KeyFile {
		fmt.Fprintf(cmd.ErrOrStderr(), "The master key %s is missing: put its file at %s before you start a server.\n", done.Header.KeyID, filepath.Join(dir, vault.FileName))
	}
	return nil
}

// backupStall is how long a client may take nothing of its backup: while one is
// sent there can be no other, and no code is collected.
const backupStall = 5 * time.Minute

// serveBackup streams a backup of the running server, one at a time. A stream
// that fails is broken off: the client sees that it has no end.
func (s *server) serveBackup() http.Handler { return s.serveBackupWithin(backupStall) }

func (s *server) serveBackupWithin(stall time.Duration) http.Handler {
	turn := make(chan struct{}, 1)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			refuseOwn(w, http.StatusBadRequest, "InvalidParameterValueException", "A backup is read by GET.")
			return
		}
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		default:
			refuseOwn(w, http.StatusConflict, "ResourceConflictException", "Another backup is running.")
			return
		}
		keys, err := os.ReadFile(filepath.Join(s.config.Data, iam.FileName))
		if err != nil {
			s.logger.Error("no backup without the access keys", slog.Any("error", err))
			refuseOwn(w, http.StatusInternalServerError, "ServiceException", "The file "+iam.FileName+" cannot be read.")
			return
		}
		s.code.reading.RLock()
		defer s.code.reading.RUnlock()
		w.Header().Set("Content-Type", "application/x-tar")
		paced := pacedWriter{w: w, control: http.NewResponseController(w), limit: stall}
		defer paced.close()
		err = backup.Write(r.Context(), paced, backup.Source{
			Header: backup.Header{CreatedAt: time.Now().UTC(), Thaw: readBuild().Version, KeyID: s.vault.KeyID()},
			Keys:   keys, Metadata: s.store.Metadata(), Blobs: s.store.Blobs(),
		})
		if err != nil {
			s.logger.Error("backup broken off", slog.Any("error", err))
			panic(http.ErrAbortHandler) // how a handler breaks its connection
		}
		s.logger.Info("backup written", slog.String("client", r.RemoteAddr))
	})
}

// pacedWriter gives every write a time by which the client must have taken it.
type pacedWriter struct {
	w       io.Writer
	control *http.ResponseController
	limit   time.Duration
}

func (p pacedWriter) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(p.limit)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.w.Write(b)
}

// close takes the time back: the connection may serve another request. Where there
// is no connection any more, there is nothing to take back.
func (p pacedWriter) close() { _ = p.control.SetWriteDeadline(time.Time{}) }

// refuseOwn is a refusal of Thaw's own endpoints, in the service's form.
func refuseOwn(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("X-Amzn-ErrorType", code)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"Type":"User","message":%q}`, text)
}
