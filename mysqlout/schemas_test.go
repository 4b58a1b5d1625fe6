package mysqlout

import (
	"errors"
	"testing"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/row"
)

// Targets in several databases of one server are written in one transaction, together with the checkpoint.
func TestCommit_severalDatabases(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	other := sqltest.Open(t, server)
	here, there := tableNamed("", "counts"), tableNamed(other.Name, "counts")
	f := open(t, server, testConfig(), here, there)
	at := mustClaim(t, f.sink, 0)
	delta := func() row.Delta {
		a, b := countsDelta(&f.tables[0], map[string]int64{"a": 2}), countsDelta(&f.tables[1], map[string]int64{"a": 3})
		return row.Delta{Tables: append(a.Tables, b.Tables...)}
	}
	if err := f.sink.Commit(t.Context(), taskBatch(1, 2, delta(), at...)); err != nil {
		t.Fatal(err)
	}
	rows := func() string {
		return f.Text(t, "SELECT SUM(n) FROM counts") + " " + other.Text(t, "SELECT SUM(n) FROM counts") + " " + f.Text(t, "SELECT MAX(next_offset) FROM etl_checkpoint WHERE job <> ''")
	}
	if got := rows(); got != "2 3 2" {
		t.Errorf("got the rows and the checkpoint %s, expected 2 3 2", got)
	}
	// If one of them cannot be written, nothing is.
	other.Exec(t, "ALTER TABLE counts DROP COLUMN n")
	err := f.sink.Commit(t.Context(), taskBatch(2, 2, delta(), advance(at, 2)...))
	if !errors.Is(err, checkpoint.ErrRetry) && !errors.Is(err, checkpoint.ErrBlocked) {
		t.Errorf("got %v, expected %v or %v", err, checkpoint.ErrRetry, checkpoint.ErrBlocked)
	}
	other.Exec(t, "ALTER TABLE counts ADD COLUMN n BIGINT NOT NULL DEFAULT 3")
	if got := rows(); got != "2 3 2" {
		t.Errorf("after a failed commit: got the rows and the checkpoint %s, expected 2 3 2", got)
	}
	if err := f.sink.Commit(t.Context(), taskBatch(2, 2, delta(), advance(at, 2)...)); err != nil {
		t.Fatal(err)
	}
	if got := rows(); got != "4 6 4" {
		t.Errorf("after the repair: got the rows and the checkpoint %s, expected 4 6 4", got)
	}
	if got := f.Text(t, "SELECT table_name FROM etl_target WHERE table_name <> '' ORDER BY LENGTH(table_name)"); got != "counts\n"+other.Name+".counts" {
		t.Errorf("the targets are %q", got)
	}
}
