package mysqlout

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/row"
)

// chosenItems are columns whose values are those of one record each, with ties in each order.
const chosenItems = `MIN_BY(page, CAST(ms AS SIGNED)) AS a, MAX_BY(page, CAST(ms AS SIGNED)) AS b, FIRST(page) AS c, LAST(CAST(ms AS SIGNED)) AS d,
	MIN_BY(_offset, CAST(ms AS SIGNED) % 3) AS e, MAX_BY(_offset * 10 + _partition, CAST(page AS CHAR)) AS f, FIRST(_offset * 10 + _partition) AS g,
	MAX_BY(_partition, FROM_UNIXTIME(_offset DIV 100)) AS h, LAST(_offset * 10 + _partition) * 2 AS i, COUNT(*) AS n`

// chosenByServer computes the columns of chosenItems from all records at once.
func chosenByServer(t *testing.T, f *fixture) string {
	t.Helper()
	pick := func(x, order string, ignored string) string {
		where := "r.u = k.u"
		if ignored != "" {
			where += " AND " + ignored + " IS NOT NULL"
		}
		return fmt.Sprintf("(SELECT %s FROM records r WHERE %s ORDER BY %s LIMIT 1)", x, where, order)
	}
	columns := []string{
		pick("page", "ms, p, o", "ms"), pick("page", "ms DESC, p DESC, o DESC", "ms"), pick("page", "at, p, o", ""), pick("ms", "at DESC, p DESC, o DESC", ""),
		pick("o", "ms % 3, p, o", "ms"), pick("o * 10 + p", "page DESC, p DESC, o DESC", "page"), pick("o * 10 + p", "at, p, o", ""),
		pick("p", "o DIV 100 DESC, p DESC, o DESC", ""), pick("(o * 10 + p) * 2", "at DESC, p DESC, o DESC", ""),
	}
	return f.Text(t, "SELECT u, "+strings.Join(columns, ", ")+", n FROM (SELECT u, COUNT(*) AS n FROM records GROUP BY u) k ORDER BY u")
}

// What MIN_BY, MAX_BY, FIRST and LAST keep is what the server finds among all records at once, whatever the batches of two
// processes are, in which order they commit, and what is folded again; and the table is the same in each byte, hidden
// columns included. The same holds beside states, which are joined in Go.
func TestChosen_twoProcesses(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	logs := randomLogs(seed)
	for name, c := range map[string]struct{ statement, hidden string }{
		"upserts":  {"INSERT INTO users SELECT COALESCE(LEFT(u, 50), '') AS u, " + chosenItems + " FROM events GROUP BY u", "i__1"},
		"sketches": {"INSERT INTO users SELECT COALESCE(LEFT(u, 50), '') AS u, " + chosenItems + ", COUNT(DISTINCT page) AS pages FROM events GROUP BY u", "i__1, HEX(pages__state)"},
		"replaced": {"REPLACE INTO users SELECT COALESCE(LEFT(u, 50), '') AS u, " + chosenItems + ", page FROM events GROUP BY u", "i__1, page, HEX(etl__last)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var bytes [2]string
			for try := range bytes {
				f := newFixture(t, sqltest.Open(t, server), testConfig())
				runTwoProcesses(t, f, c.statement, logs, seed+uint64(try))
				loadRecords(t, f, logs)
				if got, want := f.Text(t, "SELECT u, a, b, c, d, e, f, g, h, i, n FROM users ORDER BY u"), chosenByServer(t, f); got != want {
					t.Errorf("got\n%s\nexpected\n%s", got, want)
				}
				bytes[try] = f.Text(t, "SELECT u, a, b, c, d, e, f, g, h, i, n, HEX(a__min), HEX(b__max), HEX(c__min), HEX(d__max), HEX(e__min), HEX(f__max), HEX(h__max), "+c.hidden+" FROM users ORDER BY u")
			}
			if bytes[0] != bytes[1] {
				t.Errorf("the same records in other batches make\n%s\nand\n%s", bytes[0], bytes[1])
			}
		})
	}
}

// chosenTable is a table whose value x is chosen by the lowest and y by the highest order.
func chosenTable() row.Table {
	return row.Table{Name: "picks", Grouped: true, Keys: 1, Columns: []row.Column{
		{Name: "k", Kind: row.Text, Merge: row.Key, MaxChars: 20},
		{Name: "x", Kind: row.Int, Merge: row.OfLowest, Order: "x__min", Nullable: true},
		{Name: "y", Kind: row.Int, Merge: row.OfHighest, Order: "y__max", Nullable: true},
		{Name: "x__min", Kind: row.Bytes, Merge: row.Lowest("numbers"), Hidden: true, Nullable: true},
		{Name: "y__max", Kind: row.Bytes, Merge: row.Highest("numbers"), Hidden: true, Nullable: true},
	}}
}

// A value and its order are assigned together, NULLs included, in whatever order the table's columns are.
func TestChosen_upsert(t *testing.T) {
	t.Parallel()
	f := newFixture(t, sqltest.Open(t, mariadbtest.Start(t)), testConfig())
	f.Exec(t, "CREATE TABLE picks (k VARCHAR(20) PRIMARY KEY, x INT, y INT, x__min BLOB, y__max BLOB)")
	ordersFirst := chosenTable()
	ordersFirst.Columns = []row.Column{ordersFirst.Columns[0], ordersFirst.Columns[3], ordersFirst.Columns[4], ordersFirst.Columns[1], ordersFirst.Columns[2]}
	for _, table := range []row.Table{chosenTable(), ordersFirst} {
		var columns []string
		for _, c := range table.Columns {
			columns = append(columns, c.Name)
		}
		for _, c := range []struct{ stored, added, want string }{ // the value and the order, for both
			{"1 'b'", "2 'a'", "2 a 1 b"}, {"1 'b'", "2 'c'", "1 b 2 c"}, {"1 'b'", "1 'b'", "1 b 1 b"},
			{"1 'b'", "NULL 'a'", "NULL a 1 b"}, {"1 'b'", "NULL 'c'", "1 b NULL c"}, {"NULL 'b'", "2 'a'", "2 a NULL b"}, {"NULL 'b'", "2 'c'", "NULL b 2 c"},
			{"1 'b'", "NULL NULL", "1 b 1 b"}, {"NULL NULL", "2 'a'", "2 a 2 a"}, {"NULL NULL", "NULL NULL", "NULL NULL NULL NULL"}, {"NULL NULL", "NULL 'a'", "NULL a NULL a"},
			{"1 x'62ff'", "2 x'6300'", "1 b\xff 2 c\x00"}, {"1 'b'", "2 'B'", "2 B 1 b"}, {"1 'b'", "2 'b '", "1 b 2 b "},
		} {
			f.Exec(t, "DELETE FROM picks")
			for _, v := range []string{c.stored, c.added} {
				value, order, _ := strings.Cut(v, " ")
				f.Exec(t, "INSERT INTO picks (k, x, y, x__min, y__max) VALUES ('k', "+value+", "+value+", "+order+", "+order+")"+newTarget(table).tail)
			}
			if got := f.Text(t, "SELECT x, x__min, y, y__max FROM picks"); got != c.want {
				t.Errorf("columns %v, stored %s, added %s: got %q, expected %q", columns, c.stored, c.added, got, c.want)
			}
		}
	}
}

// A value that the server rejects makes a dead letter of its record, and the next one is chosen.
func TestChosen_rejectedValue(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]string{"upserts": "", "sketches": ", COUNT(DISTINCT page) AS pages"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, sqltest.Open(t, mariadbtest.Start(t)), testConfig())
			plan := sqltest.Plan(t, "json", "INSERT INTO users SELECT COALESCE(LEFT(u, 50), '') AS u, LAST(CAST(ms AS SIGNED)) AS ms, COUNT(*) AS n"+more+" FROM events GROUP BY u")
			f.prepare(t, plan.Tables()...)
			f.Exec(t, "ALTER TABLE users ADD CHECK (ms <> 13)")
			f.bind(t, plan)
			at := mustClaim(t, f.sink, 0)
			fold := plan.NewFold()
			var records []batch.Record
			for i, ms := range []int{5, 7, 13} {
				records = append(records, batch.Record{Offset: int64(i), Timestamp: int64(i), Value: fmt.Appendf(nil, `{"u":"a","ms":%d,"page":"x"}`, ms)})
			}
			f.commitUntilAccepted(t, fold, at, records)
			if got := f.Text(t, "SELECT u, ms, n FROM users"); got != "a 7 2" {
				t.Errorf("got %s, expected the value of the second record and a count of 2", got)
			}
			if got := f.Text(t, "SELECT record_offset FROM etl_dead_letter"); got != "2" {
				t.Errorf("got dead letters at %s, expected the third record alone", got)
			}
		})
	}
}

// A view shows values that were chosen, and computes with those that are numbers.
func TestChosen_view(t *testing.T) {
	t.Parallel()
	f := newFixture(t, sqltest.Open(t, mariadbtest.Start(t)), testConfig())
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	logs := randomLogs(seed)
	runTwoProcesses(t, f, `INSERT INTO recent SELECT COALESCE(LEFT(u, 50), '') AS u, LAST(page) AS page, COUNT(*) AS n FROM events GROUP BY u HAVING LAST(_offset) > FIRST(_offset)`, logs, seed)
	loadRecords(t, f, logs)
	by := func(x, order string) string {
		return "(SELECT " + x + " FROM records r WHERE r.u = k.u ORDER BY " + order + " LIMIT 1)"
	}
	want := f.Text(t, "SELECT u, "+by("page", "at DESC, p DESC, o DESC")+", n FROM (SELECT u, COUNT(*) AS n FROM records GROUP BY u) k WHERE "+
		by("o", "at DESC, p DESC, o DESC")+" > "+by("o", "at, p, o")+" ORDER BY u")
	if got := f.Text(t, "SELECT * FROM recent ORDER BY u"); got != want {
		t.Errorf("got\n%s\nexpected\n%s", got, want)
	}
}

// The embedded database keeps chosen values too.
func TestChosen_embedded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, sqltest.Embedded(t), testConfig())
	plan := sqltest.Plan(t, "words", "INSERT INTO seen SELECT LEFT(word, 1) AS letter, FIRST(word) AS f, LAST(word) AS l, MIN_BY(word, LENGTH(word)) AS s, MAX_BY(word, word) AS m, MAX_BY(word, NULLIF(LENGTH(word), 3)) AS o, COUNT(*) AS n FROM events GROUP BY letter")
	f.bind(t, plan)
	at := mustClaim(t, f.sink, 0)
	f.commitEach(t, plan, at, "apple bee ant cat", "axe cats a bye", "bus amber ax")
	const want = "a amber ant a axe amber 6\nb bus bee bee bye NULL 3\nc cats cat cat cats cats 2"
	if got := f.Text(t, "SELECT letter, f, l, s, m, o, n FROM seen ORDER BY letter"); got != want {
		t.Errorf("got\n%s\nexpected\n%s", got, want)
	}
}
