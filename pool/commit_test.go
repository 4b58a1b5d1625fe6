package pool

import (
	"context"
	"testing"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
)

// Only after these replies to COMMIT is it certain that nothing was committed. After any other, such as a full disk or
// a lock wait timeout, the outcome is unknown and the checkpoint tells.
func TestP12_CertainRepliesToCommit(t *testing.T) {
	t.Parallel()
	certain := map[uint16]bool{1213: true, 3100: true, 3101: true}
	for number := range uint16(5000) {
		if certainlyRolledBack(number) != certain[number] {
			t.Errorf("error %d after COMMIT: certainly rolled back is %v, expected %v", number, certainlyRolledBack(number), certain[number])
		}
	}
}

// A shutdown does not interrupt COMMIT: its outcome would be unknown without need.
func TestP12_AStopDoesNotInterruptCommit(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	p := open(t, quick(server.DSN(server.Database(t))))
	tx := begin(t, p)
	exec(t, tx, "CREATE TABLE t (n INT)", "INSERT INTO t VALUES (7)")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tx.Commit(ctx); err != nil {
		t.Errorf("COMMIT with an ended context: %v", err)
	}
	if got := ask(t, begin(t, p), "SELECT n FROM t"); got != "7" {
		t.Errorf("n is %s, expected %q", got, "7")
	}
}

// Rows count as matched whether or not the statement changes them: the fence counts them.
func TestP9_MatchedRowsCount(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	p := open(t, quick(server.DSN(server.Database(t))))
	tx := begin(t, p)
	exec(t, tx, "CREATE TABLE t (n INT)", "INSERT INTO t VALUES (7), (7), (8)")
	if n, err := tx.Exec(t.Context(), "UPDATE t SET n = 7 WHERE n = 7"); err != nil || n != 2 {
		t.Errorf("%d rows matched, %v, expected 2", n, err)
	}
}
