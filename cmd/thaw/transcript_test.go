package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"thaw/internal/backup"
	"thaw/internal/iam"
	"thaw/internal/store/memory"
	"thaw/internal/telemetry/usage"
	"thaw/internal/vault"
)

// madeKeys are the access keys of a script, in the order in which they were made:
// $KEY is the first, $KEY2 the second, and so on.
type madeKeys []string

var (
	keyID     = regexp.MustCompile(`\b(AKIA|ASIA)[A-Z0-9]{16}\b`)
	masterID  = regexp.MustCompile(`("key_id": "|master key )[0-9a-f]{16}\b`)
	aside     = regexp.MustCompile(`(elsewhere\.before)[-.\w]*`)
	keySecret = regexp.MustCompile(`("SecretAccessKey": "|AWS_SECRET_ACCESS_KEY=)[^"\n]+`)
	keyToken  = regexp.MustCompile(`("SessionToken": "|AWS_SESSION_TOKEN=)[^"\n]+`)
)

func (k *madeKeys) learn(text string) {
	for _, id := range keyID.FindAllString(text, -1) {
		if k.name(id) == "" {
			*k = append(*k, id)
		}
	}
}

func (k *madeKeys) name(id string) string {
	for i, known := range *k {
		if known == id {
			return k.names()[i]
		}
	}
	return ""
}

func (k *madeKeys) names() []string {
	names := make([]string, len(*k))
	for i := range names {
		names[i] = "$KEY"
		if i > 0 {
			names[i] += strconv.Itoa(i + 1)
		}
	}
	return names
}

// real puts the keys in the place of their names.
func (k *madeKeys) real(words []string) []string {
	real := make([]string, len(words))
	for i, word := range words {
		real[i] = word
		for j, name := range k.names() {
			if word == name {
				real[i] = (*k)[j]
			}
		}
	}
	return real
}

// hide puts the names in the place of the keys, and takes away what is secret.
func (k *madeKeys) hide(text string) string {
	text = keySecret.ReplaceAllString(text, "${1}$$SECRET")
	text = masterID.ReplaceAllString(text, "${1}$$MASTER")
	text = aside.ReplaceAllString(text, "${1}-$$TIME")
	text = keyToken.ReplaceAllString(text, "${1}$$TOKEN")
	return keyID.ReplaceAllStringFunc(text, k.name)
}

// backup gives a backup without functions, of the fake's own keys.
func (f *fakeServer) backup(w http.ResponseWriter, r *http.Request) {
	box, err := vault.Read(filepath.Join(f.dataDir, vault.FileName))
	if err != nil {
		panic(err)
	}
	keys, err := os.ReadFile(filepath.Join(f.dataDir, iam.FileName))
	if err != nil {
		panic(err)
	}
	empty := memory.New()
	err = backup.Write(r.Context(), w, backup.Source{
		Header: backup.Header{CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Thaw: "(devel)", KeyID: box.KeyID()},
		Keys:   keys, Metadata: empty.Metadata(), Blobs: empty.Blobs(),
	})
	if err != nil {
		panic(err)
	}
}

// usage gives as many days as were asked for, at most two, of the function that was
// asked for or of all three.
func (f *fakeServer) usage(w http.ResponseWriter, r *http.Request) {
	var days []usage.Day
	wanted, _ := strconv.Atoi(r.URL.Query().Get("days"))
	for back := min(wanted, 2); back > 0; back-- {
		day := usage.Day{Date: "2026-01-0" + strconv.Itoa(4-back)}
		for i, name := range []string{"", "hello", "nightly"} {
			if only := r.URL.Query().Get("function"); only == "" || only == name {
				n := uint64(10*back + i)
				day.Functions = append(day.Functions, usage.Function{Name: name, Totals: usage.Totals{
					Invocations: n, Errors: uint64(i), BilledMS: 100 * n, InitMS: n, MBMS: 12800 * n, InitMBMS: 128 * n,
				}})
			}
		}
		if len(day.Functions) > 0 {
			days = append(days, day)
		}
	}
	answer(w, http.StatusOK, usagePage{days})
}

// TestKeysAreHidden holds the transcripts' own normalisation: a secret in a golden
// file would be another one at every run.
func TestKeysAreHidden(t *testing.T) {
	key, token := iam.NewSession("user", time.Hour)
	var shown bytes.Buffer
	for _, asJSON := range []bool{true, false} {
		if err := printNewKey(&shown, key, token, asJSON); err != nil {
			t.Fatal(err)
		}
	}
	var keys madeKeys
	keys.learn(shown.String())
	hidden := keys.hide(shown.String())
	for _, text := range []string{key.ID, key.Secret, token} {
		if strings.Contains(hidden, text) {
			t.Errorf("%q is in %s", text, hidden)
		}
	}
}
