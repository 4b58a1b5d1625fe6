package query

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/row"
)

// Bind accepts columns in the table's own order, and rejects a table that cannot hold the query's rows.
func TestBind(t *testing.T) {
	t.Parallel()
	p := plan(t, "combined", "INSERT INTO t SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS m, status, host, COUNT(*) AS n, SUM(bytes) AS s FROM events GROUP BY m, status, host")
	ok := func() row.Table {
		tab := p.Tables()[0]
		c := tab.Columns
		tab.Columns = []row.Column{c[2], c[0], c[1], c[4], c[3]}
		return tab
	}
	if err := p.Bind([]row.Table{ok()}); err != nil {
		t.Fatal(err)
	}
	f := p.NewFold()
	feed(f, line(200, "5"))
	want(t, printed(f.Take()), "t: h 2015-05-17 10:05:00 200 5 1")
	for reason, change := range map[string]func(*row.Table){
		"no column n":               func(t *row.Table) { t.Columns[4].Name = "hits" },
		"part of the key":           func(t *row.Table) { t.Columns[2].Merge, t.Columns[4].Merge = row.Add, row.Key },
		"cannot hold":               func(t *row.Table) { t.Columns[1].Kind = row.Text },
		"make the column NULL":      func(t *row.Table) { t.Columns[3].Nullable = false },
		"the query writes 5":        func(t *row.Table) { t.Columns = slices.Delete(t.Columns, 4, 5) },
		"table t was not inspected": func(t *row.Table) { t.Name = "other" },
	} {
		tab := ok()
		change(&tab)
		if err := p.Bind([]row.Table{tab}); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("expected %q, got %v", reason, err)
		}
	}
	k := plan(t, "json", "INSERT INTO t SELECT COALESCE(CAST(x AS DECIMAL(10,3)), 0) AS x, COUNT(*) AS n FROM events GROUP BY x")
	tab := k.Tables()
	tab[0].Columns[0].Scale = 2
	if err := k.Bind(tab); err == nil || !strings.Contains(err.Error(), "different groups would become one") {
		t.Errorf("a key column that rounds: %v, expected an error that contains %q", err, "different groups would become one")
	}
}

// A value that is added to a total is checked against the bounds of the real column, whatever its type.
func TestP18_sumIntoBigint(t *testing.T) {
	t.Parallel()
	p := plan(t, "json", "INSERT INTO t SELECT 'all' AS k, SUM(x) AS s FROM events GROUP BY k")
	tab := p.Tables()
	c := &tab[0].Columns[1]
	c.Scale, c.Precision, c.MinInt, c.MaxInt = 0, 19, -1<<63, 1<<63-1
	if err := p.Bind(tab); err != nil {
		t.Fatal(err)
	}
	f := p.NewFold()
	tally := feed(f, `{"x":9223372036854775807}`, `{"x":9223372036854775808}`, `{"x":9223372036854775807}`, `{"x":0.5}`)
	// A batch's total may exceed 64 bits. Only the table limits it, so MySQL decides.
	want(t, printed(f.Take()), "t: all 18446744073709551615")
	if len(tally.Dead) != 1 || tally.Dead[0].Offset != 1 {
		t.Errorf("%+v; expected 1 dead letter, at offset 1", tally)
	}
}

// A fold adopts altered columns at Restore and not before: until then, its rows state the version for which they were
// folded. Rejections by MySQL in the version before are forgotten, because their keys may now be those of other
// records.
func TestP16_alteredColumnsAreAdoptedAtRestore(t *testing.T) {
	t.Parallel()
	p := plan(t, "json", "INSERT INTO t SELECT CAST(COALESCE(k, 0) AS SIGNED) AS k, SUM(CAST(v AS DECIMAL(20,3))) AS s FROM events GROUP BY k")
	f := p.NewFold()
	restore := func(rejected ...batch.RejectedRow) {
		t.Helper()
		at := checkpoint.Checkpoint{Range: checkpoint.Range{Partition: part}}
		if err := f.Restore(context.Background(), []checkpoint.Checkpoint{at}, rejected); err != nil {
			t.Fatal(err)
		}
	}
	take := func(version int, rows ...string) {
		t.Helper()
		d := f.Take()
		want(t, printed(d), rows...)
		if got := d.Tables[0].Table.Version; got != version {
			t.Errorf("rows are of version %d, expected %d", got, version)
		}
	}
	const record = `{"k":15,"v":1.444}`
	feed(f, record)
	tables := p.Tables()
	tables[0].Version, tables[0].Columns[1].Scale, tables[0].Columns[1].Precision = 1, 1, 30
	if err := p.Bind(tables); err != nil {
		t.Fatal(err)
	}
	feed(f, record)
	take(0, "t: 15 2.888")
	rejected := batch.RejectedRow{Table: "t", Key: row.AppendKeyNumber(nil, row.FromInt(15)), Reason: "check", Until: map[checkpoint.Partition]int64{part: 9}}
	restore(rejected)
	if tally := feed(f, record, record); len(tally.Dead) != 0 {
		t.Errorf("a rejection of the version before makes dead letters: %+v, expected Dead with no elements", tally)
	}
	take(1, "t: 15 2.8")
	rejected.Version = 1
	restore(rejected)
	if tally := feed(f, record); len(tally.Dead) != 1 {
		t.Errorf("a rejection of this version was forgotten: %+v, expected Dead with 1 element", tally)
	}
	tables[0].Version = 2
	if err := p.Bind(tables); err != nil {
		t.Fatal(err)
	}
	restore()
	if tally := feed(f, record); len(tally.Dead) != 0 {
		t.Errorf("a rejection that the fold knew makes dead letters in the next version: %+v, expected Dead with no elements", tally)
	}
}
