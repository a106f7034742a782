package control_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thaw/internal/catalog"
	"thaw/internal/control"
	"thaw/internal/lambda"
	"thaw/internal/store"
	"thaw/internal/store/memory"
	"thaw/internal/telemetry"
)

// settle is how long changes stay in progress in the tests, on a virtual clock.
const settle = time.Second

// packages is a fake of package code. A zip is any bytes but "bad"; "N bytes
// unzipped" tells its size.
type packages struct {
	mu     sync.Mutex
	broken map[string]bool // by digest: Root fails
	kept   map[string]bool // by digest
	held   map[string]int  // by digest
	adds   int
	// failing is the error of Collect.
	failing error
	// acquiring is called before an Acquire.
	acquiring func()
}

func (p *packages) Add(_ context.Context, zip []byte) (lambda.Code, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.adds++
	if string(zip) == "bad" {
		return lambda.Code{}, lambda.Errorf(lambda.CodeInvalidParameterValue,
			"Could not unzip uploaded file. Please check your file, then try to upload again.")
	}
	if string(zip) == "disk full" {
		return lambda.Code{}, errors.New("no space left on device")
	}
	code := codeOf(string(zip))
	p.kept[code.SHA256] = true
	p.held[code.SHA256]++
	return code, nil
}

func (p *packages) AddFetched(ctx context.Context, zip io.ReaderAt, size int64) (lambda.Code, error) {
	content, err := io.ReadAll(io.NewSectionReader(zip, 0, size))
	if err != nil {
		return lambda.Code{}, err
	}
	return p.Add(ctx, content)
}

func (p *packages) Release(code lambda.Code) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held[code.SHA256]--
}

func (p *packages) hold(code lambda.Code) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held[code.SHA256]++
}

func (p *packages) Collect(_ context.Context, named func() func(string) bool) (held int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failing != nil {
		return 0, p.failing
	}
	inUse := named()
	for sum := range p.kept {
		switch {
		case inUse(sum):
		case p.held[sum] > 0:
			held++
		default:
			delete(p.kept, sum)
		}
	}
	return held, nil
}

// keeps tells whether a zip is kept.
func (p *packages) keeps(zip string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kept[codeOf(zip).SHA256]
}

// lose makes a zip's content impossible to acquire.
func (p *packages) lose(zip string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken[codeOf(zip).SHA256] = true
}

func (p *packages) Acquire(_ context.Context, code lambda.Code) (string, error) {
	if p.acquiring != nil {
		p.acquiring()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken[code.SHA256] {
		return "", errors.New("blob is gone")
	}
	p.held[code.SHA256]++
	return "/code/" + code.SHA256, nil
}

func codeOf(zip string) lambda.Code {
	sum := sha256.Sum256([]byte(zip))
	code := lambda.Code{SHA256: base64.StdEncoding.EncodeToString(sum[:]), Size: int64(len(zip))}
	if _, err := fmt.Sscanf(zip, "%d bytes unzipped", &code.Unzipped); err != nil {
		code.Unzipped = 0
	}
	return code
}

// server is a control over a memory store.
type server struct {
	*control.Control
	catalog  *catalog.Catalog
	packages *packages
	logs     *bytes.Buffer
	measured *[]telemetry.Measure
}

// meter keeps what it is told, for a test that calls one operation after the other.
type meter struct{ told []telemetry.Measure }

func (m *meter) Measure(one telemetry.Measure) { m.told = append(m.told, one) }

var scope = lambda.Scope{Partition: "aws", Region: "eu-central-1", Account: "123456789012"}

func start(t testing.TB, metadata store.Metadata, o control.Options) *server {
	t.Helper()
	s := &server{packages: &packages{broken: map[string]bool{}, kept: map[string]bool{}, held: map[string]int{}}, logs: new(bytes.Buffer)}
	logger := slog.New(slog.NewTextHandler(s.logs, nil))
	var err error
	if s.catalog, err = catalog.Open(t.Context(), metadata, catalog.Options{Logger: logger}); err != nil {
		t.Fatal(err)
	}
	kept := new(meter)
	s.measured = &kept.told
	o.Catalog, o.Code, o.Scope, o.Logger, o.Meter = s.catalog, s.packages, scope, logger, kept
	if s.Control, err = control.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *server) stop(t testing.TB) {
	t.Helper()
	if err := errors.Join(s.Control.Close(), s.catalog.Close()); err != nil {
		t.Error(err)
	}
}

// run runs a test on a virtual clock with a server whose changes take settle.
func run(t *testing.T, test func(t *testing.T, s *server)) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		defer m.Close()
		s := start(t, m.Metadata(), control.Options{Settle: settle})
		defer s.stop(t)
		test(t, s)
	})
}

// rest waits until all changes have settled.
func rest() {
	time.Sleep(2 * settle)
	synctest.Wait()
}

// input is a function that is accepted.
func input(name string) control.CreateFunctionInput {
	return control.CreateFunctionInput{
		Name: name,
		Settings: control.Settings{
			Runtime: new("python3.13"),
			Handler: new("app.handler"),
			Role:    new("arn:aws:iam::123456789012:role/r"),
		},
		Zip: []byte("zip one"),
	}
}

func create(t testing.TB, s *server, in control.CreateFunctionInput) control.View {
	t.Helper()
	v, err := s.CreateFunction(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func get(t testing.TB, s *server, name, qualifier string) control.View {
	t.Helper()
	v, err := s.GetFunction(t.Context(), lambda.Ref{Name: name, Qualifier: qualifier})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// wantError checks an error's code and text; an empty text is not looked at.
func wantError(t testing.TB, err error, code, text string) {
	t.Helper()
	var e *lambda.Error
	if !errors.As(err, &e) {
		t.Errorf("error %v, want %s", err, code)
		return
	}
	if e.Code != code || text != "" && e.Message != text {
		t.Errorf("error %s: %s\nwant %s: %s", e.Code, e.Message, code, text)
	}
}
