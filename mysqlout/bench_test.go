package mysqlout

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

const benchRows = 20_000

func benchTable() row.Table {
	return row.Table{Name: "counts", Grouped: true, Keys: 2, Columns: []row.Column{
		{Name: "minute", Kind: row.Datetime, Merge: row.Key},
		{Name: "item", Kind: row.Text, Merge: row.Key, MaxChars: 100},
		{Name: "n", Kind: row.Int, Merge: row.Add},
		{Name: "bytes", Kind: row.Decimal, Merge: row.Add, Nullable: true},
	}}
}

func benchDelta(table *row.Table, rows int) row.Delta {
	return row.Delta{Tables: []*row.Rows{rowsOf(table, rows,
		func(i int) []byte {
			key := row.AppendKeyDatetime(nil, int64(i%60)*60_000_000)
			return row.AppendKeyBytes(key, fmt.Appendf(nil, "/static/page-%06d.html", i))
		},
		func(_ *row.Rows, i int, c []row.Cell) { c[0], c[1] = cell(3), cell(int64(i)) })}}
}

func benchOpen(b *testing.B, options ...mariadbtest.Option) (*fixture, row.Table, []checkpoint.Checkpoint) {
	b.Helper()
	table := benchTable()
	server := mariadbtest.Start(b, options...)
	db := &sqltest.DB{Server: server, Name: server.Database(b)}
	c := pool.DefaultConfig()
	c.DSN, c.Answer, c.IdleTransaction = server.DSN(db.Name), 20*time.Second, 30*time.Second
	db.Pool, db.SQL = sqltest.OpenPool(b, c), sqltest.OpenSQL(b, server.DSN(db.Name))
	f := newFixture(b, db, testConfig())
	f.prepare(b, table)
	at, err := f.sink.Claim(b.Context(), topic(8), []int32{0, 1, 2, 3})
	if err != nil {
		b.Fatal(err)
	}
	return f, table, at
}

// wantRounds checks that every row was written in every round.
func wantRounds(b *testing.B, f *fixture, rows, rounds int) {
	b.Helper()
	want := fmt.Sprintf("%d %d %d", rows, 3*rounds, 3*rounds)
	if got := f.Text(b, "SELECT COUNT(*), MIN(n), MAX(n) FROM counts"); got != want {
		b.Errorf("rows are %s, expected %s", got, want)
	}
}

// rawStatements returns the same rows as multi-row upserts of the same size, as a program without a protocol would send
// them. The text is built outside the measurement.
func rawStatements(table *row.Table, delta row.Delta, size int) []string {
	t := newTarget(*table)
	p := tableRows{t, delta.Tables[0], delta.Tables[0].Sorted()}
	var out []string
	for from := 0; from < len(p.order); {
		text, next := p.statement(nil, p.order, from, size)
		out, from = append(out, string(text)), next
	}
	return out
}

func rawRound(b *testing.B, conn *sql.Conn, statements []string) {
	b.Helper()
	for _, text := range append(append([]string{"BEGIN"}, statements...), "COMMIT") {
		if _, err := conn.ExecContext(b.Context(), text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUpsert alternates rounds of ours and of the upper bound on the same server and the same rows, so that other
// load on the machine affects both. ceiling/ours is the share of the throughput of raw multi-row upserts that the whole
// of Commit reaches.
func BenchmarkUpsert(b *testing.B) {
	f, table, at := benchOpen(b)
	delta := benchDelta(&table, benchRows)
	statements := rawStatements(&table, delta, f.sink.config.StatementBytes)
	conn, err := f.SQL.Conn(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	rawRound(b, conn, statements) // inserts the rows, so that both measure updates
	var ours, raw time.Duration
	rounds := 1
	for b.Loop() {
		began := time.Now()
		if err := f.sink.Commit(context.Background(), taskBatch(byte(rounds), 100, delta, at...)); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(began)
		at = advance(at, 100)
		began = time.Now()
		rawRound(b, conn, statements)
		raw += time.Since(began)
		rounds += 2
	}
	b.ReportMetric(float64(benchRows)*float64(b.N)/ours.Seconds(), "rows/s")
	b.ReportMetric(float64(benchRows)*float64(b.N)/raw.Seconds(), "ceiling-rows/s")
	b.ReportMetric(raw.Seconds()/ours.Seconds(), "of-ceiling")
	wantRounds(b, f, benchRows, rounds)
}

// BenchmarkUpsert_rowByRow measures a loop over rows with autocommit, on a server with MySQL's own default of writing
// each commit to disk. Ours alternates with it on the same server, with a batch of the usual size. The loop uses the
// usual statement with placeholders and, for comparison, one whose text is built beforehand, so that the server need
// not prepare each statement.
func BenchmarkUpsert_rowByRow(b *testing.B) {
	f, table, at := benchOpen(b, mariadbtest.Flush(1))
	const rows = 200
	delta, small := benchDelta(&table, benchRows), benchDelta(&table, rows)
	statements := rawStatements(&table, small, 1)
	if len(statements) != rows {
		b.Fatalf("%d statements, expected %v", len(statements), rows)
	}
	if err := f.sink.Commit(context.Background(), taskBatch(255, 100, delta, at...)); err != nil {
		b.Fatal(err)
	}
	at = advance(at, 100)
	rounds := 0
	var ours, placeholders, text time.Duration
	for b.Loop() {
		began := time.Now()
		for i := range rows {
			if _, err := f.SQL.ExecContext(b.Context(), "INSERT INTO counts (minute, item, n, bytes) VALUES (?, ?, ?, ?) "+
				"ON DUPLICATE KEY UPDATE n = n + VALUES(n), bytes = bytes + VALUES(bytes)",
				time.Unix(int64(i%60)*60, 0).UTC(), fmt.Sprintf("/static/page-%06d.html", i), 3, i); err != nil {
				b.Fatal(err)
			}
		}
		placeholders += time.Since(began)
		began = time.Now()
		for _, t := range statements {
			if _, err := f.SQL.ExecContext(b.Context(), t); err != nil {
				b.Fatal(err)
			}
		}
		text += time.Since(began)
		began = time.Now()
		if err := f.sink.Commit(context.Background(), taskBatch(byte(rounds), 100, delta, at...)); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(began)
		at = advance(at, 100)
		rounds++
	}
	one, plain, many := float64(rows*rounds)/placeholders.Seconds(), float64(rows*rounds)/text.Seconds(), float64(benchRows*rounds)/ours.Seconds()
	b.ReportMetric(one, "row-by-row-rows/s")
	b.ReportMetric(many, "rows/s")
	b.ReportMetric(many/one, "times-row-by-row")
	b.ReportMetric(many/plain, "times-row-by-row-as-text")
	want := fmt.Sprintf("%d %d %d", benchRows, 3*(rounds+1), 3*(3*rounds+1))
	if got := f.Text(b, "SELECT COUNT(*), MIN(n), MAX(n) FROM counts"); got != want {
		b.Errorf("rows are %s, expected %s", got, want)
	}
}

// BenchmarkExactness measures the cost of fence, closing check and audit: Commit compared with the same rows in a
// transaction without them, through the same pool and the same code, as a share of a batch interval of one second.
func BenchmarkExactness(b *testing.B) {
	f, table, at := benchOpen(b)
	delta := benchDelta(&table, benchRows)
	if err := f.sink.Commit(context.Background(), taskBatch(255, 100, delta, at...)); err != nil {
		b.Fatal(err)
	}
	at = advance(at, 100)
	var with, without time.Duration
	rounds := 1
	for b.Loop() {
		began := time.Now()
		if err := f.sink.Commit(context.Background(), taskBatch(byte(rounds), 100, delta, at...)); err != nil {
			b.Fatal(err)
		}
		with += time.Since(began)
		at = advance(at, 100)

		began = time.Now()
		tables, err := f.sink.orderTables(delta)
		if err != nil {
			b.Fatal(err)
		}
		tx, err := f.Pool.Tx(context.Background(), pool.PriorityLow)
		if err != nil {
			b.Fatal(err)
		}
		if err := f.sink.writeRows(context.Background(), tx, tables, 0); err != nil {
			b.Fatal(err)
		}
		if err := tx.Commit(context.Background()); err != nil {
			b.Fatal(err)
		}
		without += time.Since(began)
		rounds += 2
	}
	price := (with - without).Seconds() / float64(b.N)
	b.ReportMetric(1e3*price, "ms-price/batch")
	b.ReportMetric(100*price, "%-of-1s-batch")
	b.ReportMetric(100*(with-without).Seconds()/without.Seconds(), "%-of-writing")
	wantRounds(b, f, benchRows, rounds)
}

// BenchmarkDefinitions measures the cost of comparing the tables' definitions with those that were checked, as a share
// of a batch interval of one second: all that Commit does for it, for etl_checkpoint and the target. It is the median
// of many transactions.
func BenchmarkDefinitions(b *testing.B) {
	f, table, at := benchOpen(b)
	p := taskBatch(1, 100, benchDelta(&table, 1000), at...)
	tables, err := f.sink.orderTables(p.Delta)
	if err != nil {
		b.Fatal(err)
	}
	if n := len(f.sink.comparedTables(p, tables)); n != 2 {
		b.Fatalf("%d tables are compared, expected 2", n)
	}
	var took []time.Duration
	for b.Loop() {
		tx, err := f.Pool.Tx(context.Background(), pool.PriorityLow)
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		if err := f.sink.lockUnaltered(context.Background(), tx, f.sink.comparedTables(p, tables)); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
		tx.Rollback(context.Background())
	}
	slices.Sort(took)
	price := took[len(took)/2].Seconds()
	b.ReportMetric(1e3*price, "ms-price/batch")
	b.ReportMetric(100*price, "%-of-1s-batch")
}

// BenchmarkRejected measures how long the search for rejected rows takes if each of 2,000 separate rows of one key is
// rejected: with an error that names the row, and with one that names none.
func BenchmarkRejected(b *testing.B) {
	for name, ddl := range map[string]string{
		"named":   "CREATE TABLE target (k BIGINT PRIMARY KEY, v VARCHAR(3) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NULL)",
		"unnamed": "CREATE TABLE target (k BIGINT PRIMARY KEY, v VARCHAR(99) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NULL CHECK (v <> 'bad'))",
	} {
		b.Run(name, func(b *testing.B) {
			const n = 2000
			table := row.Table{Name: "target", Grouped: true, Keys: 1, Columns: []row.Column{
				{Name: "k", Kind: row.Int, Merge: row.Key}, {Name: "v", Kind: row.Text, Merge: row.Last, Nullable: true},
			}}
			value := map[string]string{"named": "too long", "unnamed": "bad"}[name]
			f := newFixture(b, sqltest.Open(b, mariadbtest.Start(b)), testConfig())
			f.Exec(b, ddl)
			f.prepare(b, table)
			at := mustClaim(b, f.sink, 0)
			r := row.NewRows(&table)
			for offset := range int64(n) {
				r.SetBytes(&r.Cells(r.AddSeparate(row.AppendKeyNumber(nil, row.FromInt(1)), row.Origin{Offset: offset}))[0], []byte(value))
			}
			tb := taskBatch(1, n, row.Delta{Tables: []*row.Rows{r}}, at...)
			for b.Loop() {
				var rejected *batch.RejectedRows
				if err := f.sink.Commit(b.Context(), tb); !errors.As(err, &rejected) || len(rejected.Rows) != n {
					b.Fatalf("got %v, expected %d rejected rows", err, n)
				}
			}
		})
	}
}
