package schema

import (
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/row"
)

// Check finds nothing wrong with the tables that DDL's output creates, and Check itself changes nothing. The tables are
// of every kind of column.
func TestDDL_createdTablesPassCheck(t *testing.T) {
	t.Parallel()
	f := newFixture(sqltest.Open(t, mariadbtest.Start(t, mariadbtest.Flush(1))))
	events := row.Table{Name: "events", Keys: 2, Columns: []row.Column{
		{Name: "offset", Kind: row.Int, Merge: row.Key},
		{Name: "topic", Kind: row.Text, Merge: row.Key},
		{Name: "at", Kind: row.Datetime, Scale: 6, Merge: row.Plain, Nullable: true},
		{Name: "body", Kind: row.Bytes, Merge: row.Plain},
		{Name: "load", Kind: row.Double, Merge: row.Plain, Nullable: true},
	}}
	want := []row.Table{sqltest.CountsTable(), adviceTable(), events}
	if findings := f.check(t, "", want...); len(findings) != 6 {
		t.Errorf("an empty database: got findings %v, expected one for each table", findings)
	}
	if got := f.Text(t, "SHOW TABLES"); got != "" {
		t.Fatalf("Check created %s", got)
	}
	for statement := range strings.SplitSeq(f.checker.DDL(want), ";\n") {
		if strings.HasPrefix(strings.TrimSpace(statement), "CREATE") {
			f.Exec(t, statement)
		}
	}
	if findings := f.check(t, "", want...); findings != nil {
		t.Fatalf("got findings %v, expected none", findings)
	}
	actual := f.accepted(t, want...)
	if item := actual[0].Columns[0]; item.MaxChars != 200 || item.Nullable {
		t.Errorf("item is %+v, expected 200 characters, NOT NULL", item)
	}
	if amount := actual[1].Columns[3]; amount.Precision != 38 || amount.Scale != 2 || !amount.Nullable {
		t.Errorf("amount is %+v, expected DECIMAL(38,2) NULL", amount)
	}
	if n := actual[0].Columns[1]; n.MaxInt != 1<<63-1 || n.MinInt != -1<<63 {
		t.Errorf("n is %+v, expected a BIGINT", n)
	}
}
