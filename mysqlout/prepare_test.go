package mysqlout

import (
	"testing"
	"time"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/row"
)

// Rows that are not merged are written unchanged, with every kind of value.
func TestCommit_rowsOfEveryKind(t *testing.T) {
	t.Parallel()
	events := row.Table{Name: "events", Keys: 2, Columns: []row.Column{
		{Name: "offset", Kind: row.Int, Merge: row.Key},
		{Name: "topic", Kind: row.Text, Merge: row.Key},
		{Name: "at", Kind: row.Datetime, Scale: 6, Merge: row.Plain, Nullable: true},
		{Name: "body", Kind: row.Bytes, Merge: row.Plain},
		{Name: "load", Kind: row.Double, Merge: row.Plain, Nullable: true},
	}}
	f := open(t, mariadbtest.Start(t), testConfig(), events)
	at := mustClaim(t, f.sink, 0)
	when := time.Date(2026, 11, 21, 1, 2, 3, 4000, time.UTC).UnixMicro()
	r := rowsOf(&events, 2, func(i int) []byte {
		return row.AppendKeyBytes(row.AppendKeyNumber(nil, row.FromInt(int64(i))), []byte("a\x00b'\\"))
	}, func(r *row.Rows, i int, c []row.Cell) {
		c[0] = cell(when)
		r.SetBytes(&c[1], []byte{0, 0xff, '\'', '\\'})
	})
	if err := f.sink.Commit(t.Context(), taskBatch(1, 2, row.Delta{Tables: []*row.Rows{r}}, at...)); err != nil {
		t.Fatal(err)
	}
	got := f.Text(t, "SELECT `offset`, HEX(topic), CAST(at AS CHAR), HEX(body), `load` FROM events ORDER BY 1 LIMIT 1")
	if want := "0 610062275C 2026-11-21 01:02:03.000004 00FF275C NULL"; got != want {
		t.Errorf("row is %s, expected %s", got, want)
	}
}

// A user without the privilege to create tables may have the privilege to write to existing ones.
func TestPrepare_withoutTheCreatePrivilege(t *testing.T) {
	t.Parallel()
	table := sqltest.CountsTable()
	f := open(t, mariadbtest.Start(t), testConfig(), table)
	s := New(testConfig(), f.Limited(t, f.sink.schema.DDL([]row.Table{table}), false), nil, nil)
	if _, err := s.Prepare(t.Context(), []row.Table{table}); err != nil {
		t.Fatal(err)
	}
	at := mustClaim(t, s, 0)
	if err := s.Commit(t.Context(), taskBatch(1, 1, countsDelta(&table, map[string]int64{"a": 1}), at...)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ledger.PruneDeadLetters(t.Context(), time.Hour); err != nil {
		t.Error(err)
	}
}
