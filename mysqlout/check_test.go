package mysqlout

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/row"
)

// Check finds nothing wrong with the tables that DDL's output creates, and Check itself changes nothing.
func TestDDL_createdTablesPassCheck(t *testing.T) {
	t.Parallel()
	c := testConfig()
	c.CreateTables = false
	server := mariadbtest.Start(t, mariadbtest.Flush(1))
	f := &fixture{server: server, db: server.Database(t)}
	f.pool = openPool(t, quick(server.DSN(f.db)))
	f.h = openDB(t, server.DSN(f.db))
	f.sink = New(c, f.pool, nil, nil)
	events := row.Table{Name: "events", Keys: 2, Columns: []row.Column{
		{Name: "offset", Kind: row.Int, Merge: row.Key},
		{Name: "topic", Kind: row.Text, Merge: row.Key},
		{Name: "at", Kind: row.Datetime, Scale: 6, Merge: row.Plain, Nullable: true},
		{Name: "body", Kind: row.Bytes, Merge: row.Plain},
		{Name: "load", Kind: row.Double, Merge: row.Plain, Nullable: true},
	}}
	want := []row.Table{countsTable(), hitsTable(), events}
	findings, err := f.sink.Check(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if len(findings) != 6 {
		t.Errorf("findings of an empty database: %v, expected 6 elements", findings)
	}
	if got := f.text(t, "SHOW TABLES"); got != "" {
		t.Fatalf("check created %s, expected an empty text", got)
	}
	for statement := range strings.SplitSeq(f.sink.DDL(want), ";\n") {
		if strings.HasPrefix(strings.TrimSpace(statement), "CREATE") {
			f.exec(t, statement)
		}
	}
	if findings, err = f.sink.Check(t.Context(), want); err != nil || len(findings) != 0 {
		t.Fatalf("findings %v, %v; expected none and no error", findings, err)
	}
	actual, err := f.sink.Prepare(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if item := actual[0].Columns[0]; item.MaxChars != 200 || item.Nullable {
		t.Errorf("item is %+v; expected MaxChars 200 and Nullable false", item)
	}
	if bytes := actual[1].Columns[2]; bytes.Precision != 38 || bytes.Scale != 2 || !bytes.Nullable {
		t.Errorf("bytes is %+v; expected Precision 38, Scale 2 and Nullable true", bytes)
	}
	if n := actual[0].Columns[1]; n.MaxInt != 1<<63-1 || n.MinInt != -1<<63 {
		t.Errorf("n is %+v; expected MaxInt %v and MinInt %v", n, 1<<63-1, -1<<63)
	}
	// Rows that are not merged, of every kind of value.
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
	got := f.text(t, "SELECT `offset`, HEX(topic), CAST(at AS CHAR), HEX(body), `load` FROM events ORDER BY 1 LIMIT 1")
	if want := "0 610062275C 2026-11-21 01:02:03.000004 00FF275C NULL"; got != want {
		t.Errorf("row is %s, expected %s", got, want)
	}
	if n, err := f.sink.ledger.PruneDeadLetters(t.Context(), time.Hour); err != nil || n != 0 {
		t.Errorf("pruned %d, %v; expected 0 and no error", n, err)
	}
}

// A user without the privilege to create tables may have the privilege to write to existing ones.
func TestPrepare_withoutTheCreatePrivilege(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	table := countsTable()
	f := open(t, server, testConfig(), table)
	user := "u_" + f.db[len(f.db)-8:]
	f.exec(t, "CREATE USER "+user+"@'%' IDENTIFIED BY 'x'")
	t.Cleanup(func() { _ = server.Exec("", "DROP USER "+user) })
	for line := range strings.SplitSeq(f.sink.DDL([]row.Table{table}), "\n") {
		if strings.HasPrefix(line, "GRANT") {
			f.exec(t, strings.ReplaceAll(line, "'etl'", user))
		}
	}
	c := quick("")
	c.DSN = user + ":x@tcp(" + server.Addr() + ")/" + f.db
	s := New(testConfig(), openPool(t, c), nil, nil)
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
