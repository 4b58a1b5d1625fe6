package ledger

import (
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
	f, other := open(t, server), open(t, server)
	if _, ok, err := f.ReadIdentity(t.Context()); ok || err != nil {
		t.Fatalf("before the first start: got %v %v, expected none", ok, err)
	}
	ids := make([][16]byte, 8)
	var g errgroup.Group
	for i := range ids {
		g.Go(func() (err error) { ids[i], err = f.Identity(t.Context()); return err })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	kept, ok, err := New("job", f.Pool).ReadIdentity(t.Context())
	if !ok || err != nil || kept == [16]byte{} {
		t.Fatalf("got %x %v %v; expected an identity", kept, ok, err)
	}
	for i, id := range ids {
		if id != kept {
			t.Errorf("process %d has %x, expected %x", i, id, kept)
		}
	}
	theirs, err := other.Identity(t.Context())
	if err != nil || theirs == kept {
		t.Errorf("another database: got %x %v, expected another identity", theirs, err)
	}
	if got := f.Text(t, "SELECT COUNT(*) FROM etl_target WHERE table_name = ''"); got != "1" {
		t.Errorf("got %s rows, expected 1", got)
	}
}

// The embedded server stores an identity, too.
func TestP1_identityEmbedded(t *testing.T) {
	f := newFixture(t, sqltest.Embedded(t))
	id, err := f.Identity(t.Context())
	again, err2 := f.Identity(t.Context())
	if err != nil || err2 != nil || id != again || id == [16]byte{} {
		t.Errorf("got %x %v, then %x %v; expected the same identity twice", id, err, again, err2)
	}
}
