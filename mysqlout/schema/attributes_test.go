package schema

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/row"
)

// Attributes of columns and tables that would make a stored row differ from what was written. After each advice that is
// SQL, the next check passes.
func TestCheck_attributesThatChangeRows(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	byTime := row.Table{Name: "hits", Grouped: true, Keys: 2, Columns: []row.Column{
		{Name: "minute", Kind: row.Datetime, Merge: row.Key}, {Name: "status", Kind: row.Int, Merge: row.Key},
		{Name: "n", Kind: row.Int, Merge: row.Add},
	}}
	for name, test := range map[string]struct{ ddl, want string }{
		"a key that advances": {"CREATE TABLE hits (minute TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, status BIGINT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (minute, status))",
			"ON UPDATE CURRENT_TIMESTAMP"},
		"system versioning": {"CREATE TABLE hits (minute DATETIME NOT NULL, status BIGINT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (minute, status)) WITH SYSTEM VERSIONING",
			"system-versioned"},
		"an AUTO_INCREMENT key column": {"CREATE TABLE hits (minute DATETIME NOT NULL, status BIGINT NOT NULL AUTO_INCREMENT, n BIGINT NOT NULL, PRIMARY KEY (minute, status), KEY (status))",
			"AUTO_INCREMENT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t, server)
			f.Exec(t, test.ddl)
			refused := refusals(f.check(t, "hits", byTime))
			if len(refused) != 1 || !strings.Contains(refused[0].Seen, test.want) {
				t.Fatalf("findings are %v, expected one refusal with %q", refused, test.want)
			}
			if !strings.HasPrefix(refused[0].Do, "ALTER TABLE") {
				return
			}
			f.Exec(t, refused[0].Do)
			for _, x := range refusals(f.check(t, "hits", byTime)) {
				t.Errorf("after %s: got %v, expected no refusal", refused[0].Do, x)
			}
		})
	}
}

// A table with a partition for every value has no warning.
func TestCheck_partitionForEveryValue(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	for _, by := range []string{
		"RANGE COLUMNS (item) (PARTITION a VALUES LESS THAN ('m'), PARTITION z VALUES LESS THAN (MAXVALUE))", "KEY (item) PARTITIONS 3",
	} {
		f := open(t, server)
		f.Exec(t, "CREATE TABLE counts (item VARCHAR(200) COLLATE utf8mb4_nopad_bin PRIMARY KEY, n BIGINT NOT NULL) CHARSET utf8mb4 PARTITION BY "+by)
		if warned := fmt.Sprint(f.check(t, "", sqltest.CountsTable())); strings.Contains(warned, "partitioned") {
			t.Errorf("%s: got findings %s, expected none about partitions", by, warned)
		}
	}
}

// A key whose columns have another order than GROUP BY is accepted, with a warning whose advice fixes it.
func TestCheck_keyColumnsInAnotherOrder(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t))
	f.Exec(t, "CREATE TABLE pairs (a BIGINT, b BIGINT, position BLOB NOT NULL, PRIMARY KEY (b, a))")
	table := row.Table{Name: "pairs", Grouped: true, Keys: 2, Columns: []row.Column{
		{Name: "a", Kind: row.Int, Merge: row.Key}, {Name: "b", Kind: row.Int, Merge: row.Key}, {Name: "position", Kind: row.Bytes, Merge: row.Latest},
	}}
	for _, want := range []int{1, 0} {
		warnings := 0
		for _, x := range f.check(t, "pairs", table) {
			if x.Warning && strings.Contains(x.Seen, "another order") {
				warnings++
				f.Exec(t, strings.Split(x.Do, "; ")...)
			}
		}
		if warnings != want {
			t.Errorf("%d warnings about the key's order, expected %d", warnings, want)
		}
	}
}
