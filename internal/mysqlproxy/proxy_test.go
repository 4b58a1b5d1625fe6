package mysqlproxy

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T) (*Proxy, *sql.DB, *mariadbtest.Server, string) {
	t.Helper()
	server := mariadbtest.Start(t)
	db := server.Database(t)
	p, err := Start(server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	h, err := sql.Open("mysql", server.DSNVia(p.Addr(), db)+"?readTimeout=1s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	if err := server.Exec(db, "CREATE TABLE a (b INT)"); err != nil {
		t.Fatal(err)
	}
	return p, h, server, db
}

func insertAndCommit(t *testing.T, h *sql.DB) error {
	t.Helper()
	tx, err := h.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("INSERT INTO a VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	return tx.Commit()
}

func rows(t *testing.T, h *sql.DB) (n int) {
	t.Helper()
	if err := h.QueryRow("SELECT COUNT(*) FROM a").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestProxy_faults(t *testing.T) {
	t.Parallel()
	for fate, want := range map[Fate]struct {
		answered bool
		rows     int
	}{Pass: {true, 1}, CutBefore: {false, 0}, CutAfter: {false, 1}, Swallow: {false, 1}} {
		p, h, _, _ := start(t)
		p.Commits(Every(1, fate))
		if err := insertAndCommit(t, h); (err == nil) != want.answered {
			t.Errorf("fate %d: COMMIT returned %v, expected a reply: %t", fate, err, want.answered)
		}
		if got := rows(t, h); got != want.rows || p.Done(fate) != 1 {
			t.Errorf("fate %d: %d rows, expected %d; done %d", fate, got, want.rows, p.Done(fate))
		}
	}
}

func TestProxy_holdAndIntrude(t *testing.T) {
	t.Parallel()
	p, h, _, _ := start(t)
	p.Intrude(func(s string) bool { return strings.EqualFold(s, "COMMIT") })
	if err := insertAndCommit(t, h); err != nil {
		t.Fatal(err)
	}
	p.Intrude(nil)
	if n := rows(t, h); n != 0 {
		t.Errorf("%d rows after a ROLLBACK was inserted, expected 0", n)
	}
	p.Commits(Once(Hold))
	done := make(chan error, 1)
	go func() { done <- insertAndCommit(t, h) }()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for p.Done(Hold) == 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("COMMIT was not held")
		}
	}
	if n := rows(t, h); n != 0 {
		t.Errorf("%d rows while COMMIT was held, expected 0", n)
	}
	p.Release()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := rows(t, h); n != 1 {
		t.Errorf("%d rows after the release, expected 1", n)
	}
}
