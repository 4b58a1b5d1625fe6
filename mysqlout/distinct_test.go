package mysqlout

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/row"
)

// distinctTable is a table whose column n is the number of distinct values of each item.
func distinctTable() row.Table {
	return row.Table{Name: "counts", Grouped: true, Keys: 1, Columns: []row.Column{
		{Name: "item", Kind: row.Text, Merge: row.Key, MaxChars: 200},
		{Name: "n", Kind: row.Int, Merge: row.DistinctCount, State: "n__state"},
		{Name: "n__state", Kind: row.Bytes, Merge: row.Distinct("text"), Hidden: true},
		{Name: "total", Kind: row.Int, Merge: row.Add, Nullable: true},
		{Name: "least", Kind: row.Int, Merge: row.Min, Nullable: true},
	}}
}

const createDistinct = "CREATE TABLE counts (item VARCHAR(200) COLLATE utf8mb4_nopad_bin PRIMARY KEY, n BIGINT NOT NULL, " +
	"n__state MEDIUMBLOB NOT NULL, total BIGINT NULL, least BIGINT NULL)"

// distinctCounts returns a function that builds a delta of distinctTable. Each value differs from all before.
func distinctCounts() func(table *row.Table, counts map[string]int64) row.Delta {
	var value atomic.Int64
	return func(table *row.Table, counts map[string]int64) row.Delta {
		r := row.NewRows(table)
		for key, n := range counts {
			for range n {
				foldDistinct(r, key, fmt.Sprint(value.Add(1)), 1)
			}
		}
		return deltaOf(r)
	}
}

// foldDistinct folds one record into a row of distinctTable, as a fold does.
func foldDistinct(r *row.Rows, key, value string, n int64) {
	i, _ := r.Find(row.AppendKeyBytes(nil, []byte(key)))
	foldDistinctCells(r, i, value, n)
}

func foldDistinctCells(r *row.Rows, i int, value string, n int64) {
	columns, cells := r.Table.Columns[1:], r.Cells(i)
	columns[1].Merge.Fold(r, &cells[1], row.Bytes, row.Value{Bytes: []byte(value), Set: true})
	columns[2].Merge.Fold(r, &cells[2], row.Int, number1(n))
	columns[3].Merge.Fold(r, &cells[3], row.Int, number1(n))
}

// distinctOf folds values of item "a", one record each, whose other columns are 1.
func distinctOf(table *row.Table, values ...string) row.Delta {
	r := row.NewRows(table)
	for _, v := range values {
		foldDistinct(r, "a", v, 1)
	}
	return deltaOf(r)
}

func openDistinct(t *testing.T, more ...string) (f *fixture, table row.Table) {
	t.Helper()
	f = open(t, mariadbtest.Start(t), testConfig())
	f.Exec(t, createDistinct)
	f.Exec(t, more...)
	f.prepare(t, distinctTable())
	return f, f.tables[0]
}

// The protocol holds for a table with a set of distinct values.
func TestSinktest_distinct(t *testing.T) {
	t.Parallel()
	runSinktest(t, createDistinct, distinctTable(), distinctCounts())
}

func TestSinktest_embeddedDistinct(t *testing.T) { runEmbedded(t, distinctTable(), distinctCounts()) }

const distinctText = `INSERT INTO users SELECT COALESCE(LEFT(u, 50), '') AS u, COUNT(DISTINCT page) AS pages, COUNT(DISTINCT page, CAST(ms AS SIGNED)) AS visits,
	COUNT(*) AS n, ROUND(COUNT(DISTINCT page) / COUNT(*), 4) AS share, COUNT(DISTINCT CAST(ms AS SIGNED)) / COUNT(ms) AS times FROM events GROUP BY u`

// exactCounts computes the rows of distinctText by the server, from all records at once.
func exactCounts(t *testing.T, f *fixture, logs [][]batch.Record) string {
	t.Helper()
	f.Exec(t, "CREATE TABLE records (body TEXT)")
	for _, log := range logs {
		var values []string
		for i := range log {
			values = append(values, "('"+string(log[i].Value)+"')")
		}
		f.Exec(t, "INSERT INTO records VALUES "+strings.Join(values, ","))
	}
	f.Exec(t, "CREATE TABLE fields AS SELECT JSON_UNQUOTE(JSON_EXTRACT(body, '$.u')) COLLATE utf8mb4_nopad_bin AS u, NULLIF(JSON_UNQUOTE(JSON_EXTRACT(body, '$.page')), 'null') AS page, "+
		"CAST(NULLIF(JSON_EXTRACT(body, '$.ms'), 'null') AS SIGNED) AS ms FROM records")
	return f.Text(t, "SELECT u, COUNT(DISTINCT page), COUNT(DISTINCT page, ms), COUNT(*), ROUND(COUNT(DISTINCT page) / COUNT(*), 4), COUNT(DISTINCT ms) / COUNT(ms) "+
		"FROM fields GROUP BY u ORDER BY u")
}

// Distinct values are counted exactly, whatever the batches of two processes are, in which order they commit, and what
// is folded again. The states are those of one batch of all records.
func TestDistinct_twoProcesses(t *testing.T) {
	t.Parallel()
	f := newFixture(t, sqltest.Open(t, mariadbtest.Start(t)), testConfig())
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	logs := randomLogs(seed)
	runTwoProcesses(t, f, distinctText, logs, seed)
	if got, want := f.Text(t, "SELECT u, pages, visits, n, share, times FROM users ORDER BY u"), exactCounts(t, f, logs); got != want {
		t.Errorf("got\n%s\nexpected\n%s", got, want)
	}
	if all := f.Text(t, "SELECT * FROM users LIMIT 1"); strings.Count(all, " ") != 5 {
		t.Errorf("SELECT * returns %s, expected 6 columns", all)
	}
	f.wantStatesOfOneBatch(t, sqltest.Plan(t, "json", strings.Replace(distinctText, "users", "at_once", 1)), logs, "pages__state", "visits__state", "times__1__state")
}

// wantStatesOfOneBatch counts all records in one batch, into the table at_once, and compares the states with those in
// users.
func (f *fixture) wantStatesOfOneBatch(t *testing.T, plan *query.Plan, logs [][]batch.Record, states ...string) {
	t.Helper()
	c := testConfig()
	c.Job = "at_once"
	s := New(c, sqltest.OpenPool(t, sqltest.Quick(f.Server.DSN(f.Name))), nil, nil)
	tables, err := s.Prepare(t.Context(), plan.Tables())
	if err == nil {
		err = plan.Bind(tables)
	}
	if err != nil {
		t.Fatal(err)
	}
	at := mustClaim(t, s, 0)
	fold := plan.NewFold()
	n := int64(0)
	for i := range logs {
		log := logs[len(logs)-1-i]
		var tally batch.Tally
		fold.Add(at[0].Partition, log, &tally)
		n += tally.Counted
	}
	mustCommit(t, s, taskBatch(77, n, fold.Take(), at...))
	for _, state := range states {
		text := "SELECT u, HEX(" + state + ") FROM %s ORDER BY u"
		if got, want := f.Text(t, fmt.Sprintf(text, "users")), f.Text(t, fmt.Sprintf(text, "at_once")); got != want || len(got) < 1000 {
			t.Errorf("%s: got states\n%s\nexpected those of one batch\n%s", state, got, want)
		}
	}
}

// A group keeps the values of its last record beside the number of distinct values of all.
func TestDistinct_besideTheLastRecord(t *testing.T) {
	t.Parallel()
	f := newFixture(t, sqltest.Open(t, mariadbtest.Start(t)), testConfig())
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	logs := randomLogs(seed)
	runTwoProcesses(t, f, strings.Replace(distinctText, "INSERT INTO users SELECT", "REPLACE INTO users SELECT page AS last, _offset AS o,", 1), logs, seed)
	if got, want := f.Text(t, "SELECT u, pages, visits, n, share, times FROM users ORDER BY u"), exactCounts(t, f, logs); got != want {
		t.Errorf("got\n%s\nexpected\n%s", got, want)
	}
	last := f.Text(t, "SELECT u, last, o FROM users ORDER BY u")
	f.Exec(t, "DROP TABLE records", "ALTER TABLE users RENAME TO distinct_users")
	all := strings.Split(lastOfEach(f, t, logs), "\n")
	for i, line := range strings.Split(last, "\n") {
		var u, page, o string
		_, _ = fmt.Sscan(line, &u, &page, &o)
		w := strings.Fields(all[i]) // u, partition, offset, page, …
		if u != w[0] || o != w[2] || page != w[3] {
			t.Errorf("got %s, expected the last record of %s", line, all[i])
		}
	}
}

// The same records again add nothing to the set, but to the count.
func TestDistinct_sameRecordsAgain(t *testing.T) {
	t.Parallel()
	f, table := openDistinct(t)
	held := mustClaim(t, f.sink, 0)
	for id := range int64(3) {
		mustCommit(t, f.sink, taskBatch(byte(id), 3, distinctOf(&table, "x", "", "y\x00"), advance(held, 3*id)...))
	}
	if got := f.Text(t, "SELECT n, total, HEX(n__state) FROM counts"); got != "3 9 01000178027900" {
		t.Errorf("got %s, expected 3 values of 9 records", got)
	}
}

// A record that the server rejects is in no set, and those of the same group are.
func TestDistinct_rejectedRow(t *testing.T) {
	t.Parallel()
	f, table := openDistinct(t, "ALTER TABLE counts ADD CHECK (least <> 7)")
	held := mustClaim(t, f.sink, 0)
	mustCommit(t, f.sink, taskBatch(1, 2, distinctOf(&table, "x", "y"), held...))
	held = advance(held, 2)
	r := row.NewRows(&table)
	for offset, v := range []int64{9, -7, 7, 8} { // 7 is never the least
		i := r.AddSeparate(row.AppendKeyBytes(nil, []byte("b")), row.Origin{Offset: int64(offset)})
		foldDistinctCells(r, i, fmt.Sprint("v", v), v)
	}
	mustCommit(t, f.sink, taskBatch(2, 4, deltaOf(r), held...))
	r = row.NewRows(&table)
	for offset, v := range []int64{9, 7, 8} {
		i := r.AddSeparate(row.AppendKeyBytes(nil, []byte("c")), row.Origin{Offset: int64(offset)})
		foldDistinctCells(r, i, fmt.Sprint("v", v), v)
	}
	rejected := refusedBy(t, f.sink.Commit(t.Context(), taskBatch(3, 3, deltaOf(r), advance(held, 4)...)))
	if len(rejected) != 1 || rejected[0].Source.Offset != 1 {
		t.Errorf("rejected are %+v, expected the record at 1", rejected)
	}
	if got := f.Text(t, "SELECT item, n, least FROM counts ORDER BY item"); got != "a 2 1\nb 4 -7" {
		t.Errorf("got %s, expected 2 and 4 values", got)
	}
}

// If a constraint does not allow the number of values, the total is at fault and no record is.
func TestP19_DistinctCountBlocks(t *testing.T) {
	t.Parallel()
	f, table := openDistinct(t, "ALTER TABLE counts ADD CONSTRAINT few CHECK (n < 4)")
	held := mustClaim(t, f.sink, 0)
	mustCommit(t, f.sink, taskBatch(1, 3, distinctOf(&table, "x", "y", "z"), held...))
	held = advance(held, 3)
	mustCommit(t, f.sink, taskBatch(2, 2, distinctOf(&table, "x", "y"), held...))
	held = advance(held, 2)
	if err := f.sink.Commit(t.Context(), taskBatch(3, 1, distinctOf(&table, "w"), held...)); !errors.Is(err, checkpoint.ErrBlocked) {
		t.Errorf("a merged row: error is %v, expected a blocked task", err)
	}
	r := row.NewRows(&table)
	for offset := range int64(2) {
		i := r.AddSeparate(row.AppendKeyBytes(nil, []byte("a")), row.Origin{Offset: offset})
		foldDistinctCells(r, i, fmt.Sprint("v", offset), 1)
	}
	if err := f.sink.Commit(t.Context(), taskBatch(4, 2, deltaOf(r), held...)); !errors.Is(err, checkpoint.ErrBlocked) {
		t.Errorf("separate rows: error is %v, expected a blocked task", err)
	}
	f.Exec(t, "ALTER TABLE counts DROP CONSTRAINT few")
	f.prepare(t, distinctTable())
	mustCommit(t, f.sink, taskBatch(5, 1, distinctOf(&f.tables[0], "w"), held...))
	if got := f.Text(t, "SELECT n, total FROM counts"); got != "4 6" {
		t.Errorf("got %s, expected 4 values of 6 records", got)
	}
}

// A group with too many values blocks the task, and the error says what to use. Nothing of the batch is written.
func TestP19_DistinctSetIsFull(t *testing.T) {
	t.Parallel()
	f, table := openDistinct(t)
	held := mustClaim(t, f.sink, 0)
	long := func(from, to int) (values []string) {
		for n := from; n < to; n++ {
			values = append(values, fmt.Sprintf("%032768d", n))
		}
		return values
	}
	mustCommit(t, f.sink, taskBatch(1, 100, distinctOf(&table, long(0, 100)...), held...))
	held = advance(held, 100)
	err := f.sink.Commit(t.Context(), taskBatch(2, 30, distinctOf(&table, long(98, 128)...), held...))
	var why *checkpoint.Error
	if !errors.Is(err, checkpoint.ErrBlocked) || !errors.As(err, &why) || !strings.Contains(why.Hint, "APPROX_COUNT_DISTINCT") || !strings.Contains(err.Error(), "n__state") {
		t.Fatalf("error is %v, expected a blocked task and advice", err)
	}
	if got := f.Text(t, "SELECT n, total FROM counts"); got != "100 100" {
		t.Errorf("got %s, expected the 100 values of the first batch", got)
	}
	mustCommit(t, f.sink, taskBatch(3, 29, distinctOf(&table, long(98, 127)...), held...))
	if got := f.Text(t, "SELECT n, total FROM counts"); got != "127 129" {
		t.Errorf("got %s, expected 127 values", got)
	}
}

// A row that another program has inserted has no state, so the number of its values is unknown.
func TestDistinct_foreignRow(t *testing.T) {
	t.Parallel()
	f, table := openDistinct(t)
	held := mustClaim(t, f.sink, 0)
	for _, state := range []string{"''", "'x'", "x'010162'", "x'0101620161'", "x'01016101'"} {
		f.Exec(t, "REPLACE INTO counts (item, n, n__state) VALUES ('a', 5, "+state+")")
		if state == "x'010162'" {
			mustCommit(t, f.sink, taskBatch(1, 1, distinctOf(&table, "x"), held...))
			held = advance(held, 1)
			continue
		}
		if err := f.sink.Commit(t.Context(), taskBatch(1, 1, distinctOf(&table, "x"), held...)); !errors.Is(err, checkpoint.ErrBlocked) {
			t.Errorf("state %s: error is %v, expected a blocked task", state, err)
		}
	}
}

// A chunk ends before the states that are stored for it exceed the memory that one may take.
func TestDistinct_chunksAreBoundedByTheirStates(t *testing.T) {
	t.Parallel()
	f, table := openDistinct(t)
	for _, key := range []string{"a", "b", "d", "e", "f", "g"} {
		f.Exec(t, "INSERT INTO counts (item, n, n__state) VALUES ('"+key+"', 1, REPEAT('x', 4194304))")
	}
	r := row.NewRows(&table)
	for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} { // c and h are not in the table
		foldDistinct(r, key, "v", 1)
	}
	tables, err := f.sink.orderTables(deltaOf(r))
	if err != nil {
		t.Fatal(err)
	}
	tx, err := f.sink.pool.Tx(t.Context(), pool.PriorityLow)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	p := &tables[0]
	var ends []int
	for from := 0; from < len(p.order); {
		to, err := f.sink.chunkOfStates(t.Context(), tx, p, p.order, from)
		if err != nil {
			t.Fatal(err)
		}
		ends, from = append(ends, to), to
	}
	if fmt.Sprint(ends) != "[5 8]" { // 16 MiB: a, b, d, e
		t.Errorf("chunks end at %v, expected 5 and 8", ends)
	}
}

// Lists are those that the server makes of all records at once, whatever the batches of two processes are.
func TestLists_twoProcesses(t *testing.T) {
	t.Parallel()
	f := newFixture(t, sqltest.Open(t, mariadbtest.Start(t)), testConfig())
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	logs := randomLogs(seed)
	runTwoProcesses(t, f, `INSERT INTO totals SELECT COALESCE(LEFT(u, 50), '') AS u, GROUP_CONCAT(DISTINCT page ORDER BY page SEPARATOR ' ''\\') AS pages,
		GROUP_CONCAT(DISTINCT IF(page > 'p', CONCAT(page, 'é€😀'), NULL)) AS some, COUNT(*) AS n FROM events GROUP BY u`, logs, seed)
	loadRecords(t, f, logs)
	got := f.Text(t, "SELECT u, pages, some, n FROM totals ORDER BY u")
	want := f.Text(t, `SELECT u, GROUP_CONCAT(DISTINCT page ORDER BY page SEPARATOR ' ''\\'), GROUP_CONCAT(DISTINCT IF(page > 'p', CONCAT(page, 'é€😀'), NULL) ORDER BY page SEPARATOR ','),
		COUNT(*) FROM records GROUP BY u ORDER BY u`)
	if got != want {
		t.Errorf("got\n%s\nexpected\n%s", got, want)
	}
}

// A list that would become longer than its column blocks the task, and says what to do; no record is at fault.
func TestLists_full(t *testing.T) {
	t.Parallel()
	f := newFixture(t, sqltest.Open(t, mariadbtest.Start(t)), testConfig())
	plan := sqltest.Plan(t, "json", "INSERT INTO t SELECT 'all' AS k, GROUP_CONCAT(DISTINCT a SEPARATOR ', ') AS l FROM events GROUP BY k")
	f.bind(t, plan)
	at := mustClaim(t, f.sink, 0)
	fold := plan.NewFold()
	commit := func(id byte, sizes ...int) error {
		var tally batch.Tally
		var records []batch.Record
		for i, n := range sizes {
			records = append(records, batch.Record{Offset: at[0].Next + int64(i), Value: fmt.Appendf(nil, `{"a":"%0*d"}`, n, id)})
		}
		fold.Add(at[0].Partition, records, &tally)
		err := f.sink.Commit(t.Context(), taskBatch(id, int64(len(sizes)), fold.Take(), at...))
		if err == nil {
			at = advance(at, int64(len(sizes)))
		}
		return err
	}
	const half = row.MaxDistinctValue
	if err := commit(1, half, half-1-len(", ")); err != nil {
		t.Fatalf("got %v for a list of %d bytes, expected it to fit", err, row.MaxListBytes)
	}
	if got, want := f.Text(t, "SELECT LENGTH(l) FROM t"), fmt.Sprint(row.MaxListBytes); got != want {
		t.Fatalf("the list has %s bytes, expected %s", got, want)
	}
	if err := commit(2, 1); err == nil || !strings.Contains(err.Error(), "GROUP_CONCAT shows at most 65535") {
		t.Errorf("got %v, expected that the list is full", err)
	}
	if got := f.Text(t, "SELECT LENGTH(l) FROM t"); got != fmt.Sprint(row.MaxListBytes) {
		t.Errorf("the list has %s bytes after a rejected batch", got)
	}
}

const estimatesText = `INSERT INTO users SELECT COALESCE(LEFT(u, 50), '') AS u, APPROX_COUNT_DISTINCT(page) AS pages, APPROX_PERCENTILE(ms, 0.5) AS p50,
	APPROX_PERCENTILE(ms, 0.95) AS p95, COUNT(*) AS n FROM events GROUP BY u`

// Estimates are those of one batch of all records, bit by bit, whatever the batches of two processes are.
func TestEstimates_twoProcesses(t *testing.T) {
	t.Parallel()
	f := newFixture(t, sqltest.Open(t, mariadbtest.Start(t)), testConfig())
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	logs := randomLogs(seed)
	runTwoProcesses(t, f, estimatesText, logs, seed)
	f.wantStatesOfOneBatch(t, sqltest.Plan(t, "json", strings.Replace(estimatesText, "users", "at_once", 1)), logs, "pages__state", "p50__state")
	const shown = "SELECT u, pages, p50, p95, n FROM %s ORDER BY u"
	if got, want := f.Text(t, fmt.Sprintf(shown, "users")), f.Text(t, fmt.Sprintf(shown, "at_once")); got != want || strings.Contains(got, "NULL") {
		t.Errorf("got\n%s\nexpected those of one batch\n%s", got, want)
	}
}
