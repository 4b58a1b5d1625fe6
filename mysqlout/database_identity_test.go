package mysqlout

import (
	"errors"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
)

// Processes that start at the same time get the same database identity. It does not change, and another database has a
// different one.
func TestP1_oneIdentityPerDatabase(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	f, other := open(t, server, testConfig()), open(t, server, testConfig())
	if _, ok, err := f.sink.ReadIdentity(t.Context()); ok || err != nil {
		t.Fatalf("before the first start: got %v %v, expected none", ok, err)
	}
	ids := make([][16]byte, 8)
	var g errgroup.Group
	for i := range ids {
		g.Go(func() (err error) { ids[i], err = f.sink.Identity(t.Context()); return err })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	kept, ok, err := f.again(t, testConfig()).ReadIdentity(t.Context())
	if !ok || err != nil || kept == [16]byte{} {
		t.Fatalf("got %x %v %v; expected true, other than %v and no error", kept, ok, err, [16]byte{})
	}
	for i, id := range ids {
		if id != kept {
			t.Errorf("process %d has %x, expected %x", i, id, kept)
		}
	}
	theirs, err := other.sink.Identity(t.Context())
	if err != nil || theirs == kept {
		t.Errorf("another database: got %x %v, expected another identity", theirs, err)
	}
	if got := f.Text(t, "SELECT COUNT(*) FROM etl_target WHERE table_name = ''"); got != "1" {
		t.Errorf("got %s rows, expected 1", got)
	}
}

// The embedded server stores an identity, too.
func TestP1_identityEmbedded(t *testing.T) {
	s := New(testConfig(), sqltest.Embedded(t).Pool, nil, nil)
	if _, err := s.Prepare(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	id, err := s.Identity(t.Context())
	again, err2 := s.Identity(t.Context())
	if err != nil || err2 != nil || id != again {
		t.Errorf("got %x %v, then %x %v; expected nil and no error", id, err, again, err2)
	}
}

// Two servers have different names, even with the same content; a server keeps its own name.
func TestP1_serverName(t *testing.T) {
	t.Parallel()
	f, other := open(t, mariadbtest.Start(t), testConfig()), open(t, mariadbtest.Start(t, mariadbtest.Private()), testConfig())
	name, err := f.sink.ServerName(t.Context())
	again, err2 := f.again(t, testConfig()).ServerName(t.Context())
	theirs, err3 := other.sink.ServerName(t.Context())
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	if len(name) < 3 || name != again || name == theirs {
		t.Errorf("got %q, %q again, %q for another server", name, again, theirs)
	}
}
