package mysqlout

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/row"
)

// nullKeys are the keys of nullKeysText: each kind of value that a key can have, all of which can be NULL.
const nullKeys = "i, d, s, at, at6"

const nullKeysText = `INTO t SELECT CAST(i AS SIGNED) AS i, CAST(d AS DECIMAL(9,2)) AS d, s, CAST(at AS DATETIME) AS at, CAST(at AS DATETIME(6)) AS at6,
	COUNT(*) AS n, SUM(CAST(v AS SIGNED)) AS total, CAST(i AS SIGNED) + COUNT(*) AS more`

// nullKeysLog makes records whose fields are NULL, what stands for NULL in the table, or something else.
func nullKeysLog(rng *rand.Rand, n int) (records []batch.Record, values []string) {
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	for i := range n {
		number, decimal := pick("null", "0", "-7", "9223372036854775807"), pick("null", "0.00", "-0.25")
		text, at := pick("null", `""`, `"a\u0000b"`, `"NULL"`, `" "`), pick("null", `"1970-01-01 00:00:01"`, `"2026-01-02 03:04:05.678901"`, `"1000-01-01"`)
		v := fmt.Sprint(rng.IntN(1000))
		records = append(records, batch.Record{
			Offset: int64(i), Timestamp: int64(i),
			Value: fmt.Appendf(nil, `{"i":%s,"d":%s,"s":%s,"at":%s,"v":%s}`, number, decimal, text, at, v),
		})
		values = append(values, fmt.Sprintf("(%s, %s, %s, CAST(TRUNCATE(CAST(%[4]s AS DATETIME(6)), 0) AS DATETIME), %[4]s, %[5]s)",
			number, decimal, strings.ReplaceAll(text, `\u0000`, `\0`), at, v))
	}
	return records, values
}

// A group with NULL is a group, whatever kinds of keys are NULL: two processes add to the same row, and what was folded
// again and rolled back is counted once. Clients read NULL, and the sums are those of all records at once. REPLACE, which
// reads its rows back, finds them, too.
func TestNullKeys_twoProcesses(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	for _, replace := range []bool{false, true} {
		t.Run(map[bool]string{false: "INSERT", true: "REPLACE"}[replace], func(t *testing.T) {
			t.Parallel()
			text := "INSERT " + nullKeysText + " FROM events GROUP BY " + nullKeys
			if replace {
				text = "REPLACE " + nullKeysText + ", _offset AS o, _partition AS p FROM events GROUP BY " + nullKeys
			}
			f := newFixture(t, sqltest.Open(t, server), testConfig())
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			f.Exec(t, "CREATE TABLE records (i BIGINT, d DECIMAL(9,2), s VARCHAR(20) COLLATE utf8mb4_nopad_bin, at DATETIME, at6 DATETIME(6), v BIGINT)")
			var logs [][]batch.Record
			for id := range uint64(4) {
				records, values := nullKeysLog(rand.New(rand.NewPCG(seed, id)), 300)
				logs = append(logs, records)
				f.Exec(t, "INSERT INTO records VALUES "+strings.ReplaceAll(strings.Join(values, ","), "CAST(TRUNCATE(CAST(null AS DATETIME(6)), 0) AS DATETIME)", "NULL"))
			}
			var processes errgroup.Group
			for id := range byte(2) {
				plan := sqltest.Plan(t, "json", text)
				s := New(testConfig(), sqltest.OpenPool(t, sqltest.Quick(f.Server.DSN(f.Name))), nil, nil)
				tables, err := s.Prepare(t.Context(), plan.Tables())
				if err == nil {
					err = plan.Bind(tables)
				}
				if err != nil {
					t.Fatal(err)
				}
				c := &consumer{t: t, rng: rand.New(rand.NewPCG(seed, uint64(10+id))), plan: plan, sink: s, fold: plan.NewFold(), logs: logs, id: 100 * id}
				if err := c.claim(int32(2*id), int32(2*id+1)); err != nil {
					t.Fatal(err)
				}
				processes.Go(c.run)
			}
			if err := processes.Wait(); err != nil {
				t.Fatal(err)
			}
			order := " ORDER BY " + nullKeys
			got := f.Text(t, "SELECT "+nullKeys+", n, total, more FROM t"+order)
			want := f.Text(t, "SELECT "+nullKeys+", COUNT(*), SUM(v), CAST(i AS DECIMAL(65,0)) + COUNT(*) FROM records GROUP BY "+nullKeys+order)
			if got != want || strings.Count(got, "\n") < 100 {
				t.Errorf("got\n%s\nexpected\n%s", got, want)
			}
			if all := f.Text(t, "SELECT * FROM t LIMIT 1"); strings.Contains(all, "__") {
				t.Errorf("SELECT * returns %s", all)
			}
			// Clients compare and index the column as any other.
			f.Exec(t, "CREATE INDEX s ON t (s)")
			for _, condition := range []string{"s IS NULL", "s = ''", "s = 'NULL'", "i IS NULL AND at IS NULL", "i = 0 AND d = 0", "at6 = '1970-01-01 00:00:01'", "s <=> NULL"} {
				got := f.Text(t, "SELECT SUM(n), SUM(total) FROM t WHERE "+condition)
				if want := f.Text(t, "SELECT COUNT(*), SUM(v) FROM records WHERE "+condition); got != want || strings.HasPrefix(got, "0 ") {
					t.Errorf("WHERE %s: got %s, expected %s", condition, got, want)
				}
			}
			if got := f.Text(t, "SELECT COUNT(*) FROM t a JOIN (SELECT DISTINCT s FROM records) b ON a.s <=> b.s"); got != f.Text(t, "SELECT COUNT(*) FROM t") {
				t.Errorf("a NULL-safe join finds %s rows, expected all", got)
			}
		})
	}
}

// A query whose key is never NULL adds to the rows of one whose key could be, and the other way round after the ALTER
// TABLE that the check prints: rows are kept.
func TestNullKeys_changedQuery(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	texts := []string{
		"INSERT INTO t SELECT COALESCE(s, '') AS s, COUNT(*) AS n FROM events GROUP BY s",
		"INSERT INTO t SELECT s, COUNT(*) AS n FROM events GROUP BY s",
		"INSERT INTO t SELECT s, COUNT(*) AS n FROM events WHERE s IS NOT NULL GROUP BY s",
	}
	f := newFixture(t, sqltest.Open(t, server), testConfig())
	at := []checkpoint.Checkpoint{{}}
	for i, want := range []string{" 3\na 1", "NULL 2\n 4\na 2", "NULL 2\n 5\na 3"} {
		plan := sqltest.Plan(t, "json", texts[i])
		if i == 1 {
			if _, err := f.sink.Prepare(t.Context(), plan.Tables()); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "t.s: the query groups by a value that can be NULL") {
				t.Fatalf("got %v, expected a refusal that names t.s", err)
			}
			for range 3 {
				for _, x := range findingsOf(t, f.sink, plan.Tables()...) {
					if strings.HasPrefix(x.Do, "ALTER TABLE") {
						f.Exec(t, x.Do)
					}
				}
			}
		}
		f.bind(t, plan)
		if i == 0 {
			at = mustClaim(t, f.sink, 0)
		}
		fold := plan.NewFold()
		if err := fold.Restore(t.Context(), at, nil); err != nil {
			t.Fatal(err)
		}
		var records []batch.Record
		for k, body := range []string{`{"s":null}`, `{"s":""}`, `{}`, `{"s":"a"}`} {
			records = append(records, batch.Record{Offset: at[0].Next + int64(k), Value: []byte(body)})
		}
		var tally batch.Tally
		fold.Add(at[0].Partition, records, &tally)
		tb := taskBatch(byte(i+1), 4, fold.Take(), at...)
		tb.Advances[0].Audit = checkpoint.Audit{Counted: tally.Counted, Filtered: tally.Filtered}
		if err := f.sink.Commit(t.Context(), tb); err != nil {
			t.Fatal(err)
		}
		at = advance(at, 4)
		if got := f.Text(t, "SELECT s, n FROM t ORDER BY s"); got != want {
			t.Errorf("after %s: got\n%s\nexpected\n%s", texts[i], got, want)
		}
	}
}

// The embedded database cannot upsert into tables with generated columns.
func TestNullKeys_embeddedIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, sqltest.Embedded(t), testConfig())
	plan := sqltest.Plan(t, "json", "INSERT INTO t SELECT s, COUNT(*) AS n FROM events GROUP BY s")
	if _, err := f.sink.Prepare(t.Context(), plan.Tables()); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "t.s: the query groups by a value that can be NULL, which the embedded database cannot") {
		t.Errorf("got %v, expected a refusal that names t.s", err)
	}
}

// A NULL of a time is in the range of a TIMESTAMP column, too.
func TestNullKeys_timestamp(t *testing.T) {
	t.Parallel()
	f := newFixture(t, sqltest.Open(t, mariadbtest.Start(t)), testConfig())
	f.Exec(t, "CREATE TABLE t (minute TIMESTAMP(6) GENERATED ALWAYS AS (CASE WHEN minute__null = 0 THEN minute__key END) VIRTUAL, n BIGINT NOT NULL, "+
		"minute__key TIMESTAMP(6) NOT NULL DEFAULT '2000-01-01', minute__null INT UNSIGNED NOT NULL, PRIMARY KEY (minute__key, minute__null))")
	plan := sqltest.Plan(t, "json", "INSERT INTO t SELECT TUMBLE(at, INTERVAL 1 SECOND) AS minute, COUNT(*) AS n FROM events GROUP BY minute")
	f.bind(t, plan)
	at := mustClaim(t, f.sink, 0)
	var records []batch.Record
	for i, body := range []string{`{}`, `{"at":"1970-01-01 00:00:01"}`, `{"at":null}`, `{"at":"2026-01-02 03:04:05.6"}`} {
		records = append(records, batch.Record{Offset: int64(i), Value: []byte(body)})
	}
	for id := range byte(2) {
		fold := plan.NewFold()
		var tally batch.Tally
		fold.Add(at[0].Partition, records, &tally)
		if err := f.sink.Commit(t.Context(), taskBatch(id+1, 4, fold.Take(), at...)); err != nil {
			t.Fatal(err)
		}
		at = advance(at, 4)
	}
	if got := f.Text(t, "SELECT CAST(CONVERT_TZ(minute, @@time_zone, '+00:00') AS CHAR), n FROM t ORDER BY minute"); got != "NULL 4\n1970-01-01 00:00:01.000000 2\n2026-01-02 03:04:05.000000 2" {
		t.Errorf("got\n%s\nexpected NULL and two times, each with its count", got)
	}
}

// A key of bytes is stored like one of text.
func TestNullKeys_bytes(t *testing.T) {
	t.Parallel()
	table := row.Table{Name: "t", Grouped: true, Keys: 1, Columns: []row.Column{
		{Name: "b", Kind: row.Bytes, Merge: row.Key, Nullable: true}, {Name: "n", Kind: row.Int, Merge: row.Add},
	}}
	f := open(t, mariadbtest.Start(t), testConfig(), table)
	c := &f.tables[0].Columns[0]
	keys := [][]byte{c.AppendNullKey(nil), row.AppendNotNullKey(row.AppendKeyBytes(nil, nil)), row.AppendNotNullKey(row.AppendKeyBytes(nil, []byte{0, 0xff}))}
	at := mustClaim(t, f.sink, 0)
	for id := range byte(2) {
		rows := rowsOf(&f.tables[0], len(keys), func(i int) []byte { return keys[i] }, func(_ *row.Rows, i int, cells []row.Cell) { cells[0] = cell(int64(i + 1)) })
		if err := f.sink.Commit(t.Context(), taskBatch(id+1, 1, row.Delta{Tables: []*row.Rows{rows}}, at...)); err != nil {
			t.Fatal(err)
		}
		at = advance(at, 1)
	}
	if got := f.Text(t, "SELECT HEX(b), n FROM t ORDER BY b"); got != "NULL 2\n 4\n00FF 6" {
		t.Errorf("got\n%s\nexpected NULL, an empty value and 00FF, each with its sum", got)
	}
}
