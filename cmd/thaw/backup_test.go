package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thaw/internal/iam"
	"thaw/internal/lambda"
	"thaw/internal/store/local"
	"thaw/internal/store/mirror"
	"thaw/internal/vault"
)

// openServerState opens all that a server keeps, without its sandboxes.
func openServerState(t *testing.T, dataDir string) *server {
	t.Helper()
	s := &server{config: Config{Data: dataDir, KeyFile: filepath.Join(dataDir, vault.FileName)}, logger: slog.New(slog.DiscardHandler)}
	if err := s.openState(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func closeServerState(t *testing.T, s *server) {
	t.Helper()
	if err := s.close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// standing makes a server's backups reachable for the verbs.
func standing(t *testing.T, s *server, handler http.Handler) {
	t.Helper()
	front := httptest.NewServer(handler)
	t.Cleanup(front.Close)
	file := serverFile{Address: strings.TrimPrefix(front.URL, "http://"), PID: os.Getpid(), Region: "us-east-1"}
	if err := file.write(s.config.Data); err != nil {
		t.Fatal(err)
	}
}

const environmentValue = "value-of-a-variable-4711"

// fill gives the server a function with a secret, twice, and a session.
func fill(t *testing.T, s *server) (secrets map[string]string) {
	t.Helper()
	f := &lambda.Function{Name: "f", Latest: lambda.Version{Number: lambda.Latest, Environment: map[string]string{"SECRET": environmentValue}}}
	r, err := s.catalog.PutFunction(t.Context(), f, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Latest.Description = "changed"
	if _, err := s.catalog.PutFunction(t.Context(), f, r.Revision); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.store.Blobs().Put(t.Context(), strings.NewReader("code")); err != nil {
		t.Fatal(err)
	}
	key, token := iam.NewSession("user", 1e12)
	err = iam.Change(s.config.Data, s.vault, func(keys []iam.Key) ([]iam.Key, error) { return append(keys, key), nil })
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"environment value": environmentValue, "first secret": s.keys.First().Secret, "secret": key.Secret, "session token": token}
}

// TestNothingSecretInPlain reads every file of a data directory, and a backup.
func TestNothingSecretInPlain(t *testing.T) {
	dir := isolate(t)
	s := openServerState(t, dir)
	secrets := fill(t, s)
	standing(t, s, s.serveBackup())
	if _, stderr, code := runVerb(t, "", "backup", filepath.Join(dir, "backup.tar")); code != exitOK {
		t.Fatal(stderr)
	}
	closeServerState(t, s)
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		files = append(files, d.Name())
		for name, secret := range secrets {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s holds the %s", path, name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	list := strings.Join(files, " ")
	for _, name := range []string{".log", iam.FileName, vault.FileName, mirror.FileName, "backup.tar"} {
		if !strings.Contains(list, name) {
			t.Errorf("%s was not among the files: %s", name, list)
		}
	}
	again := openServerState(t, dir)
	defer closeServerState(t, again)
	if r, ok := again.catalog.Function("f"); !ok || r.Function.Latest.Environment["SECRET"] != environmentValue {
		t.Errorf("after a restart the function is %+v, %v", r.Function, ok)
	}
}

// TestPlainRecordsOfBefore: a store from before encryption is sealed, and the
// copy of its records never sees them in the clear.
func TestPlainRecordsOfBefore(t *testing.T) {
	dir := isolate(t)
	engine, err := local.Open(t.Context(), local.Options{Dir: filepath.Join(dir, "store"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	record := `{"v":1,"function":{"name":"f","latest":{"number":"$LATEST","environment":{"SECRET":"` + environmentValue + `"}}}}`
	if _, err := engine.Metadata().Put(t.Context(), "function/f", []byte(record), 0); err != nil {
		t.Fatal(err)
	}
	engine.Close()
	s := openServerState(t, dir)
	defer closeServerState(t, s)
	if r, ok := s.catalog.Function("f"); !ok || r.Function.Latest.Environment["SECRET"] != environmentValue {
		t.Errorf("the function is %+v, %v", r.Function, ok)
	}
	e, err := s.store.Metadata().Get(t.Context(), "function/f")
	if err != nil || !s.vault.IsCurrent(e.Value) {
		t.Errorf("the engine has %q, %v", e.Value, err)
	}
	if content, err := os.ReadFile(filepath.Join(dir, mirror.FileName)); err != nil || bytes.Contains(content, []byte(environmentValue)) {
		t.Errorf("the copy of the records has the value in the clear, %v", err)
	}
}

// TestBackupAndRestore moves a server's state to another directory.
func TestBackupAndRestore(t *testing.T) {
	dir := isolate(t)
	s := openServerState(t, dir)
	defer closeServerState(t, s)
	fill(t, s)
	standing(t, s, s.serveBackup())
	work := t.TempDir()
	file, other := filepath.Join(work, "b.tar"), filepath.Join(work, "other")
	stdout, stderr, code := runVerb(t, "", "backup", file)
	if code != exitOK || !strings.Contains(stderr, s.vault.KeyID()) || !strings.Contains(stdout, "bytes") {
		t.Fatalf("backup: exit code %d, %s%s", code, stdout, stderr)
	}
	if _, stderr, code := runVerb(t, "", "restore", file, "--data", dir, "--force"); code != exitLocal || !strings.Contains(stderr, "stop it first") {
		t.Errorf("restore over a running server: exit code %d, %s", code, stderr)
	}
	// One that is ending is not to be found any more, and writes still.
	announced := filepath.Join(dir, serverFileName)
	if err := os.Remove(announced); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := runVerb(t, "", "restore", file, "--data", dir, "--force"); code != exitLocal || !strings.Contains(stderr, "stop it first") {
		t.Errorf("restore over a server that is ending: exit code %d, %s", code, stderr)
	}
	_, stderr, code = runVerb(t, "", "restore", file, "--data", other)
	if code != exitOK || !strings.Contains(stderr, "master key "+s.vault.KeyID()+" is missing") {
		t.Fatalf("restore: exit code %d, %s", code, stderr)
	}
	if _, err := openVault(other, filepath.Join(other, vault.FileName)); err == nil {
		t.Error("a restored directory without its master key got a new one")
	}
	if _, stderr, code := runVerb(t, "", "restore", file, "--data", other); code != exitLocal || !strings.Contains(stderr, "not empty") {
		t.Errorf("restore again: exit code %d, %s", code, stderr)
	}
	stdout, stderr, code = runVerb(t, "", "restore", file, "--data", other, "--force", "--json", "--key-file", filepath.Join(dir, vault.FileName))
	if code != exitOK || !strings.Contains(stdout, `"records": 1`) {
		t.Fatalf("restore --force: exit code %d, %s%s", code, stdout, stderr)
	}
	// What names a process that has its number from one that has died says nothing.
	if err := (serverFile{PID: os.Getpid()}).write(other); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := runVerb(t, "", "restore", file, "--data", other, "--force", "--key-file", filepath.Join(dir, vault.FileName)); code != exitOK {
		t.Errorf("restore over what a server has left: exit code %d, %s", code, stderr)
	}
	restored := openServerState(t, other)
	defer closeServerState(t, restored)
	if r, ok := restored.catalog.Function("f"); !ok || r.Function.Latest.Environment["SECRET"] != environmentValue || r.Function.Latest.Description != "changed" {
		t.Errorf("the restored function is %+v, %v", r.Function, ok)
	}
	if restored.keys.First() != s.keys.First() || len(restored.keys.Keys()) != 2 {
		t.Errorf("the restored keys are %d", len(restored.keys.Keys()))
	}
}

// TestBackupWithTheKey pipes one verb into the other.
func TestBackupWithTheKey(t *testing.T) {
	dir := isolate(t)
	s := openServerState(t, dir)
	defer closeServerState(t, s)
	fill(t, s)
	standing(t, s, s.serveBackup())
	whole, stderr, code := runVerb(t, "", "backup", "--include-key", "-")
	if code != exitOK || stderr != "" {
		t.Fatalf("backup: exit code %d, %s", code, stderr)
	}
	other := filepath.Join(t.TempDir(), "other")
	if _, stderr, code := runVerb(t, whole, "restore", "-", "--data", other); code != exitOK || stderr != "" {
		t.Fatalf("restore: exit code %d, %s", code, stderr)
	}
	restored := openServerState(t, other)
	defer closeServerState(t, restored)
	if restored.vault.KeyID() != s.vault.KeyID() || len(restored.catalog.Functions()) != 1 {
		t.Errorf("restored with key %s: %d functions", restored.vault.KeyID(), len(restored.catalog.Functions()))
	}
}

// TestRestoreWithAnotherKey: a directory that no server could open is not made.
func TestRestoreWithAnotherKey(t *testing.T) {
	dir := isolate(t)
	s := openServerState(t, dir)
	defer closeServerState(t, s)
	fill(t, s)
	standing(t, s, s.serveBackup())
	file, other := filepath.Join(t.TempDir(), "b.tar"), filepath.Join(t.TempDir(), "other")
	if _, stderr, code := runVerb(t, "", "backup", file); code != exitOK {
		t.Fatal(stderr)
	}
	wrong := filepath.Join(t.TempDir(), vault.FileName)
	if err := vault.Create(wrong); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := runVerb(t, "", "restore", file, "--data", other, "--key-file", wrong)
	if code != exitLocal || !strings.Contains(stderr, "needs the master key "+s.vault.KeyID()) {
		t.Errorf("restore: exit code %d, %s", code, stderr)
	}
	if left, _ := os.ReadDir(filepath.Dir(other)); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestStalledBackup: a client that does not read its backup holds up no other one
// for ever.
func TestStalledBackup(t *testing.T) {
	dir := isolate(t)
	s := openServerState(t, dir)
	defer closeServerState(t, s)
	// More than a socket takes on its way.
	if _, _, err := s.store.Blobs().Put(t.Context(), bytes.NewReader(make([]byte, 64<<20))); err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(s.serveBackupWithin(100 * time.Millisecond))
	defer front.Close()
	conn, err := net.Dial("tcp", front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", backupPath)
	if _, err := conn.Read(make([]byte, 1)); err != nil { // it has begun
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		response, err := http.Get(front.URL + backupPath)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if response.StatusCode == http.StatusOK && err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the next backup: status %d, %v", response.StatusCode, err)
		}
	}
}

// TestRefusedBackupRequests: what the client did and what the server lacks are told
// apart.
func TestRefusedBackupRequests(t *testing.T) {
	dir := isolate(t)
	s := openServerState(t, dir)
	defer closeServerState(t, s)
	var log bytes.Buffer
	s.logger = slog.New(slog.NewTextHandler(&log, nil))
	ask := func(method string) *http.Response {
		recorder := httptest.NewRecorder()
		s.serveBackup().ServeHTTP(recorder, httptest.NewRequest(method, backupPath, nil))
		return recorder.Result()
	}
	if r := ask("POST"); r.StatusCode != http.StatusBadRequest || log.Len() > 0 {
		t.Errorf("POST: status %d, logged %q", r.StatusCode, log.String())
	}
	if err := os.Remove(filepath.Join(dir, iam.FileName)); err != nil {
		t.Fatal(err)
	}
	if r := ask("GET"); r.StatusCode != http.StatusInternalServerError || !strings.Contains(log.String(), iam.FileName) {
		t.Errorf("GET without the keys: status %d, logged %q", r.StatusCode, log.String())
	}
}

// TestBrokenBackup: a stream that breaks off leaves no file.
func TestBrokenBackup(t *testing.T) {
	dir := isolate(t)
	s := openServerState(t, dir)
	defer closeServerState(t, s)
	fill(t, s)
	var whole bytes.Buffer
	recorder := httptest.NewRecorder()
	s.serveBackup().ServeHTTP(recorder, httptest.NewRequest("GET", backupPath, nil))
	whole.ReadFrom(recorder.Body)
	standing(t, s, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(whole.Bytes()[:whole.Len()*3/4])
		panic(http.ErrAbortHandler)
	}))
	work := t.TempDir()
	if _, stderr, code := runVerb(t, "", "backup", filepath.Join(work, "b.tar")); code == exitOK || !strings.Contains(stderr, "EOF") {
		t.Errorf("backup: exit code %d, %s", code, stderr)
	}
	if left, _ := os.ReadDir(work); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestSetBackStore: a server whose store has lost its files does not start.
func TestSetBackStore(t *testing.T) {
	dir := isolate(t)
	s := openServerState(t, dir)
	fill(t, s)
	closeServerState(t, s)
	if err := os.RemoveAll(filepath.Join(dir, "store")); err != nil {
		t.Fatal(err)
	}
	s = &server{config: Config{Data: dir, KeyFile: filepath.Join(dir, vault.FileName)}, logger: slog.New(slog.DiscardHandler)}
	if err := s.openState(t.Context()); err == nil || !strings.Contains(err.Error(), "--accept-older-store") {
		t.Errorf("open: %v, want one that names --accept-older-store", err)
	}
	closeServerState(t, s)
	s.config.AcceptOlderStore, s.closers = true, nil
	if err := s.openState(t.Context()); err != nil {
		t.Error(err)
	}
	closeServerState(t, s)
}

// TestDamagedStore: a server whose journal has lost a segment starts, with the records
// from their copy, and thaw doctor tells of it.
func TestDamagedStore(t *testing.T) {
	dir := isolate(t)
	s := openServerState(t, dir)
	fill(t, s)
	want := len(s.catalog.Functions())
	closeServerState(t, s)
	segments, err := filepath.Glob(filepath.Join(dir, "store", "journal", "*.log"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("segments %v, %v", segments, err)
	}
	if err := os.Truncate(segments[len(segments)-1], 100); err != nil {
		t.Fatal(err)
	}
	s = openServerState(t, dir)
	if got := len(s.catalog.Functions()); got != want || want == 0 {
		t.Errorf("%d functions, want %d", got, want)
	}
	closeServerState(t, s)
	if text, ok := checkStore(host{dataDir: dir}); ok || !strings.Contains(text, "damage was found") {
		t.Errorf("doctor: %q, %t", text, ok)
	}
}
