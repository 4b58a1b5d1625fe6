package registry

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/internal/registrytest"
)

func newReader(t *testing.T, c Config) *Reader {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	r, err := New(c, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// want reads an ID that must be known then.
func want(t *testing.T, r *Reader, id uint32, expected format.RegisteredSchema) {
	t.Helper()
	if s, known := r.Schema(id); known {
		t.Fatalf("schema %d is known before it is read: %v", id, s)
	}
	if err := r.Read(t.Context()); err != nil {
		t.Fatalf("read schema %d: %v", id, err)
	}
	got, known := r.Schema(id)
	if diff := cmp.Diff(expected, got); diff != "" || !known {
		t.Errorf("schema %d, known %v: %s", id, known, diff)
	}
}

// Schemas are read once, with those that they refer to in front.
func TestRead(t *testing.T) {
	t.Parallel()
	s := registrytest.Start(t)
	s.Set(1, registrytest.Schema{Schema: `"one"`})
	s.Set(1<<31-1, registrytest.Schema{Schema: `"last"`, SchemaType: "AVRO"})
	s.Set(3, registrytest.Schema{Schema: "syntax", SchemaType: "PROTOBUF"})
	a, b, c := registrytest.Reference{Name: "A", Subject: "a/x", Version: 2}, registrytest.Reference{Name: "B", Subject: "b", Version: 1}, registrytest.Reference{Name: "C", Subject: "c", Version: 1}
	s.Set(4, registrytest.Schema{Schema: "main", References: []registrytest.Reference{a, b}})
	s.SetVersion("a/x", 2, registrytest.Schema{Schema: "A", References: []registrytest.Reference{c}})
	s.SetVersion("b", 1, registrytest.Schema{Schema: "B", References: []registrytest.Reference{c}})
	s.SetVersion("c", 1, registrytest.Schema{Schema: "C"})
	r := newReader(t, Config{URLs: []string{s.URL + "/"}})
	want(t, r, 1, format.RegisteredSchema{Text: `"one"`})
	want(t, r, 1<<31-1, format.RegisteredSchema{Text: `"last"`})
	want(t, r, 4, format.RegisteredSchema{Text: "main", References: []string{"C", "A", "B"}})
	requests := len(s.Requests())
	if err := r.Read(t.Context()); err != nil || len(s.Requests()) != requests {
		t.Errorf("reading again: %v, %d requests, expected %d", err, len(s.Requests()), requests)
	}
	want(t, r, 3, format.RegisteredSchema{Missing: "it is of the type PROTOBUF"})
}

// A registry that does not answer makes no schema missing.
func TestRead_outage(t *testing.T) {
	t.Parallel()
	s := registrytest.Start(t)
	s.Set(1, registrytest.Schema{Schema: `"one"`})
	r := newReader(t, Config{URLs: []string{s.URL}})
	for _, status := range []int{http.StatusInternalServerError, http.StatusUnauthorized, http.StatusNotFound, http.StatusTooManyRequests} {
		s.Break(status)
		_, _ = r.Schema(1)
		err := r.Read(t.Context())
		if !errors.Is(err, checkpoint.ErrRetry) || !strings.Contains(err.Error(), "read schema 1 from the registry at "+s.URL) || !strings.Contains(err.Error(), http.StatusText(status)) {
			t.Errorf("status %d: got %v, expected an error to retry", status, err)
		}
		if got := r.Failure(); !errors.Is(got, err) {
			t.Errorf("status %d: the failure is %v, expected %v", status, got, err)
		}
		if s, known := r.Schema(1); known {
			t.Errorf("status %d: the schema is known: %v", status, s)
		}
	}
	s.Break(0)
	want(t, r, 1, format.RegisteredSchema{Text: `"one"`})
	if err := r.Failure(); err != nil {
		t.Errorf("after a success the failure is %v", err)
	}
	s.Close()
	_, _ = r.Schema(2)
	if err := r.Read(t.Context()); !errors.Is(err, checkpoint.ErrRetry) {
		t.Errorf("a closed port: got %v, expected an error to retry", err)
	}
	want2, known := r.Schema(1)
	if !known || want2.Text != `"one"` {
		t.Error("what was read is not known any more")
	}
	other := registrytest.Start(t)
	other.Set(2, registrytest.Schema{Schema: `"two"`})
	both := newReader(t, Config{URLs: []string{s.URL, other.URL}})
	want(t, both, 2, format.RegisteredSchema{Text: `"two"`})
}

// A schema is missing only if the registry lacks it twice: the instance that is asked may lag behind the producer's.
func TestRead_missing(t *testing.T) {
	t.Parallel()
	s := registrytest.Start(t)
	r := newReader(t, Config{URLs: []string{s.URL}})
	_, _ = r.Schema(5)
	_, _ = r.Schema(6)
	done := make(chan error)
	go func() { done <- r.Read(t.Context()) }()
	for deadline := time.Now().Add(5 * time.Second); len(s.Requests()) < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no request for both")
		}
	}
	s.Set(6, registrytest.Schema{Schema: `"six"`})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got, known := r.Schema(5); !known || got.Missing != "schema not found" {
		t.Errorf("schema 5 is %v, known %v, expected a missing one", got, known)
	}
	if got, known := r.Schema(6); !known || got.Text != `"six"` {
		t.Errorf("schema 6 is %v, known %v, expected the one that came late", got, known)
	}
	r.mu.Lock()
	r.missing[5] = missing{"schema not found", time.Now().Add(-time.Second)}
	r.mu.Unlock()
	s.Set(5, registrytest.Schema{Schema: `"five"`})
	want(t, r, 5, format.RegisteredSchema{Text: `"five"`})
}

func TestRead_ends(t *testing.T) {
	t.Parallel()
	s := registrytest.Start(t)
	r := newReader(t, Config{URLs: []string{s.URL}})
	_, _ = r.Schema(5)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, expected that the read was ended", err)
	}
	if err := r.Failure(); err != nil {
		t.Errorf("a read that was ended is a failure: %v", err)
	}
}

func TestRead_user(t *testing.T) {
	t.Parallel()
	s := registrytest.Start(t)
	s.Set(1, registrytest.Schema{Schema: `"one"`})
	s.Set(2, registrytest.Schema{Schema: `"two"`})
	file := filepath.Join(t.TempDir(), "password")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first\n")
	r := newReader(t, Config{URLs: []string{s.URL}, User: "etl", PasswordFile: file})
	want(t, r, 1, format.RegisteredSchema{Text: `"one"`})
	if got := s.Auth(); got != "etl:first" {
		t.Errorf("the request has the user %q", got)
	}
	write("second")
	want(t, r, 2, format.RegisteredSchema{Text: `"two"`})
	if got := s.Auth(); got != "etl:second" {
		t.Errorf("the request has the user %q, expected the new password", got)
	}
}

// IDs that are wanted at once are bounded; the others are wanted again later.
func TestRead_many(t *testing.T) {
	t.Parallel()
	s := registrytest.Start(t)
	r := newReader(t, Config{URLs: []string{s.URL}})
	for id := range uint32(3 * maxWanted) {
		s.Set(int(id), registrytest.Schema{Schema: `"x"`})
		_, _ = r.Schema(id)
	}
	if err := r.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Requests()); n != maxWanted {
		t.Errorf("%d requests, expected %d", n, maxWanted)
	}
}

func TestWaiting(t *testing.T) {
	t.Parallel()
	s := registrytest.Start(t)
	s.Set(1, registrytest.Schema{Schema: `"one"`})
	w := newReader(t, Config{URLs: []string{s.URL}}).Waiting(t.Context())
	if got, known := w.Schema(1); !known || got.Text != `"one"` {
		t.Errorf("got %v, known %v", got, known)
	}
	s.Break(500)
	if got, known := w.Schema(2); !known || !strings.Contains(got.Missing, "500 Internal Server Error") {
		t.Errorf("got %v, known %v, expected the error as the reason", got, known)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{}, ""},
		{Config{URLs: []string{"http://r:8081", "https://r/base/"}, User: "u", Password: "p"}, ""},
		{Config{URLs: []string{"r:8081"}}, "must be http://HOST:PORT"},
		{Config{URLs: []string{"http://u:secret@r:8081"}}, "must have no user"},
		{Config{URLs: []string{"http://r:8081?x"}}, "must be http://HOST:PORT"},
		{Config{User: "u"}, "option 'schema-registry'"},
		{Config{URLs: []string{"http://r"}, User: "u", Password: "p", PasswordFile: "f"}, "exclude each other"},
		{Config{URLs: []string{"http://r"}, Password: "p"}, "must be given with a password"},
		{Config{URLs: []string{"http://r"}, TLSCert: "c"}, "set both or neither"},
	} {
		err := c.config.Validate()
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%+v: got %v, expected %q", c.config, err, c.want)
		}
	}
	if err := (Config{URLs: []string{"http://r"}}).Require(false); err == nil {
		t.Error("a registry that no format reads is accepted")
	}
	if err := (Config{}).Require(true); err == nil {
		t.Error("a format without its registry is accepted")
	}
	if got := trimmed([]string{"http://r/", "http://r/a"}); !slices.Equal(got, []string{"http://r", "http://r/a"}) {
		t.Errorf("got %v", got)
	}
}
