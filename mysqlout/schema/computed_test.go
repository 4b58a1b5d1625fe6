package schema

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// computedTable is the table hits with the computed columns mean and pct, and the hidden columns mean__1 and pct__1.
func computedTable(t *testing.T) row.Table {
	t.Helper()
	return sqltest.Plan(t, "combined", `INSERT INTO hits SELECT LEFT(path, 200) AS page, COUNT(*) AS n, SUM(bytes) / COUNT(*) AS mean,
		ROUND(100 * COUNT(IF(status >= 500, 1, NULL)) / COUNT(*), 2) AS pct FROM events GROUP BY page`).Tables()[0]
}

const (
	meanColumn = "mean DECIMAL(65,4) GENERATED ALWAYS AS (ROUND(CAST(mean__1 AS DECIMAL(65,9)) / NULLIF(CAST(n AS DECIMAL(65,0)), 0), 4)) VIRTUAL"
	pctColumn  = "pct DECIMAL(65,2) GENERATED ALWAYS AS (ROUND(CAST(100 * CAST(pct__1 AS DECIMAL(65,0)) AS DECIMAL(65,9)) / NULLIF(CAST(n AS DECIMAL(65,0)), 0), 2)) VIRTUAL"
)

// computedDDL returns the DDL of computedTable with these columns in place of the usual ones; "name -" is a column that
// is left out.
func computedDDL(instead ...string) string {
	lines := []string{
		"page VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL PRIMARY KEY", "n BIGINT NOT NULL", meanColumn, pctColumn,
		"mean__1 DECIMAL(38,0) NULL", "pct__1 BIGINT NOT NULL DEFAULT 0",
	}
	for _, line := range instead {
		name, rest, _ := strings.Cut(line, " ")
		at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, name+" ") })
		if rest == "-" {
			lines = slices.Delete(lines, at, at+1)
		} else {
			lines[at] = line
		}
	}
	return "CREATE TABLE hits (" + strings.Join(lines, ", ") + ")"
}

// A table is accepted only if its computed columns have the values that the query defines, and the advice makes it so.
func TestCheck_computedColumns(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	for name, test := range map[string]struct{ ddl, want string }{
		"as it should be":        {computedDDL(), ""},
		"stored":                 {computedDDL(strings.Replace(meanColumn, "VIRTUAL", "STORED", 1)), ""},
		"more digits":            {computedDDL(strings.Replace(meanColumn, "DECIMAL(65,4) G", "DECIMAL(60,10) G", 1)), ""},
		"no column":              {computedDDL("mean -"), "which the server computes from others"},
		"no hidden column":       {computedDDL("mean -", "mean__1 -"), "there is no such column"},
		"neither":                {computedDDL("mean -", "mean__1 -", "pct -", "pct__1 -"), "there is no such column"},
		"an ordinary column":     {computedDDL("mean DOUBLE NOT NULL COMMENT 'old'"), "it is an ordinary column"},
		"in the key":             {strings.Replace(computedDDL("mean BIGINT NOT NULL"), "PRIMARY KEY", ", PRIMARY KEY (page, mean)", 1), "it is an ordinary column"},
		"another divisor":        {computedDDL(strings.Replace(meanColumn, "(n AS", "(pct__1 AS", 1)), "must be that of the query"},
		"another dividend":       {computedDDL(strings.Replace(meanColumn, "mean__1", "pct__1", 1)), "must be that of the query"},
		"another number":         {computedDDL(strings.Replace(pctColumn, "100", "10", 1)), "must be that of the query"},
		"a session's digits":     {computedDDL("mean DECIMAL(65,4) GENERATED ALWAYS AS (mean__1 / NULLIF(CAST(n AS DECIMAL(65,0)), 0)) VIRTUAL"), "must be that of the query"},
		"a constant":             {computedDDL("mean DECIMAL(65,4) GENERATED ALWAYS AS (7) VIRTUAL"), "must be that of the query"},
		"an index on it":         {strings.Replace(computedDDL(strings.Replace(meanColumn, "), 0)", "), 1)", 1)), ", mean__1", ", KEY (mean), mean__1", 1), "must be that of the query"},
		"fewer digits after":     {computedDDL(strings.Replace(meanColumn, "DECIMAL(65,4) G", "DECIMAL(65,2) G", 1)), "would round to 2 digits"},
		"fewer digits before":    {computedDDL(strings.Replace(meanColumn, "DECIMAL(65,4) G", "DECIMAL(10,4) G", 1)), "must have 35 digits before the point"},
		"DOUBLE":                 {computedDDL(strings.Replace(meanColumn, "DECIMAL(65,4) G", "DOUBLE G", 1)), "must be DECIMAL(65,4)"},
		"text":                   {computedDDL(strings.Replace(meanColumn, "DECIMAL(65,4) G", "VARCHAR(99) G", 1)), "must be DECIMAL(65,4)"},
		"UNSIGNED":               {computedDDL(strings.Replace(meanColumn, "DECIMAL(65,4) G", "DECIMAL(65,4) UNSIGNED G", 1)), "must be DECIMAL(65,4)"},
		"a generated hidden one": {computedDDL("pct -", "pct__1 BIGINT GENERATED ALWAYS AS (n) VIRTUAL"), "cannot be written"},
		"a small hidden one":     {computedDDL("pct__1 INT NOT NULL DEFAULT 0 INVISIBLE"), "would outgrow"},
		"a hidden one NOT NULL":  {computedDDL("mean__1 DECIMAL(38,0) NOT NULL DEFAULT 0"), "the column is NOT NULL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := computedTable(t)
			f := open(t, server)
			f.Exec(t, test.ddl)
			findings := func() []Finding { return refusals(f.check(t, "hits", table)) }
			found := findings()
			wantFinding(t, found, test.want)
			if name == "a generated hidden one" {
				return // its advice is about the query
			}
			f.follow(t, findings)
			f.Exec(t, "INSERT INTO hits (page, n, mean__1, pct__1) VALUES ('a', 3, 20, 1), ('b', 0, NULL, 0)")
			if got := f.Text(t, "SELECT page, ROUND(mean, 4), pct FROM hits ORDER BY page"); got != "a 6.6667 33.33\nb NULL NULL" {
				t.Errorf("got the values %q, expected 6.6667 and 33.33, and NULLs", got)
			}
		})
	}
}

// If the table holds rows, a new column would hold a part of their records, so no advice adds it.
func TestCheck_computedColumnsOfCountedRows(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t))
	f.Exec(t, computedDDL("mean -", "mean__1 -"), "INSERT INTO hits (page, n) VALUES ('a', 5)")
	found := refusals(f.check(t, "hits.mean__1", computedTable(t)))
	if len(found) != 1 || !strings.Contains(found[0].Seen, "the table holds rows") || !strings.HasPrefix(found[0].Do, "empty the table") {
		t.Errorf("got findings %v, expected one that does not add the column", found)
	}
	// A column that the server computes from what is there is added at any time.
	f.Exec(t, "ALTER TABLE hits ADD COLUMN mean__1 DECIMAL(38,0) NULL")
	f.follow(t, func() []Finding { return refusals(f.check(t, "hits.", computedTable(t))) })
}

// The tables that are created have hidden columns that SELECT * leaves out, and are accepted. The DDL for a server that
// is not known is that of MySQL, and a comment for releases without invisible columns.
func TestCreate_computedColumns(t *testing.T) {
	t.Parallel()
	f := newFixture(sqltest.Open(t, mariadbtest.Start(t)))
	table := computedTable(t)
	f.create(t, table)
	f.accepted(t, table)
	f.Exec(t, "INSERT INTO hits (page, n, mean__1, pct__1) VALUES ('a', 3, 20, 1)")
	if got := f.Text(t, "SELECT * FROM hits"); got != "a 3 6.6667 33.33" {
		t.Errorf("SELECT * returns %q, expected the columns page, n, mean and pct", got)
	}
	const want = "CREATE TABLE IF NOT EXISTS `hits` (\n" +
		"  `page` VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,\n" +
		"  `n` BIGINT NOT NULL,\n" +
		"  `mean` DECIMAL(65,4) GENERATED ALWAYS AS (ROUND((CAST(`mean__1` AS DECIMAL(65,9)) / NULLIF(CAST(`n` AS DECIMAL(65,0)), 0)), 4)) VIRTUAL,\n" +
		"  `pct` DECIMAL(65,2) GENERATED ALWAYS AS (ROUND((CAST((100 * CAST(`pct__1` AS DECIMAL(65,0))) AS DECIMAL(65,9)) / NULLIF(CAST(`n` AS DECIMAL(65,0)), 0)), 2)) VIRTUAL,\n" +
		"  `mean__1` DECIMAL(38,0) /*!80023 INVISIBLE */,\n" +
		"  `pct__1` BIGINT NOT NULL DEFAULT 0 /*!80023 INVISIBLE */,\n" +
		"  PRIMARY KEY (`page`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
	if got := createTarget(pool.Server{}, &table); got != want {
		t.Errorf("got %s\nexpected %s", got, want)
	}
}

// What a dry run takes the table for has the computed columns, too.
func TestCreated_computedColumns(t *testing.T) {
	t.Parallel()
	table := computedTable(t)
	if got := Created([]row.Table{table})[0]; len(got.Computed) != 2 || len(got.Columns) != len(table.Columns) {
		t.Errorf("got %+v, expected the columns of %+v", got, table)
	}
}

// MySQL has generated columns that are NOT NULL. A division by zero would make each write of the row an error.
func TestCheck_computedNotNull(t *testing.T) {
	t.Parallel()
	table := computedTable(t)
	for _, nullable := range []bool{true, false} {
		j := tableChecker{want: &table, found: &found{kind: "BASE TABLE"}, server: pool.Server{Dialect: pool.MySQL, Version: "8.4.0"}}
		for _, c := range table.Computed {
			j.found.columns = append(j.found.columns, column{
				name: c.Name, dataType: "decimal", columnType: "decimal(65,4)", precision: 65, scale: 4, generated: true, generation: c.SQL, nullable: nullable,
			})
		}
		j.computed()
		if want := map[bool]int{true: 0, false: 2}[nullable]; len(j.findings) != want || want > 0 && !strings.Contains(j.findings[0].Seen, "it is NOT NULL") {
			t.Errorf("nullable %t: got %v, expected %d findings", nullable, j.findings, want)
		}
	}
}

// A computed column that the query no longer has would be computed from old aggregates and new ones. It is refused, and
// a user's own generated column that reads both is a warning.
func TestCheck_computedByAnEarlierQuery(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t))
	f.Exec(t, computedDDL(), "ALTER TABLE hits ADD COLUMN price INT, ADD COLUMN cost BIGINT AS (n * price) VIRTUAL, ADD COLUMN twice BIGINT AS (2 * n) VIRTUAL, "+
		"ADD COLUMN gross BIGINT AS (2 * price) VIRTUAL")
	p := sqltest.Plan(t, "combined", "INSERT INTO hits SELECT LEFT(path, 200) AS page, COUNT(*) AS n FROM events GROUP BY page")
	table := p.Tables()[0]
	var got []string
	for _, x := range f.check(t, "hits.", table) {
		got = append(got, fmt.Sprintf("%s %t", x.Subject, x.Warning))
	}
	if want := []string{"hits.mean false", "hits.pct false", "hits.cost true"}; !slices.Equal(got, want) {
		t.Errorf("got the findings %q, expected %q", got, want)
	}
	f.follow(t, func() []Finding { return refusals(f.check(t, "hits.", table)) })
}

// A variance is the small difference of large numbers, so the columns that it is computed from must not round.
func TestCheck_varianceOfRoundedValues(t *testing.T) {
	t.Parallel()
	p := sqltest.Plan(t, "json", "INSERT INTO sizes SELECT LEFT('a', 1) AS k, SUM(CAST(b AS DECIMAL(20,2))) AS total, VARIANCE(CAST(b AS DECIMAL(20,2))) AS v FROM events GROUP BY k")
	f := open(t, mariadbtest.Start(t))
	table := p.Tables()[0]
	f.Exec(t, createTarget(f.Version(t), &table))
	for column, digits := range map[string]int{"total": 1, "v__2": 3} {
		f.Exec(t, fmt.Sprintf("ALTER TABLE sizes MODIFY %s DECIMAL(38,%d) NULL", column, digits))
		findings := func() []Finding { return refusals(f.check(t, "sizes."+column, table)) }
		if found := findings(); len(found) != 1 || !strings.Contains(found[0].Seen, "which would round its values") {
			t.Fatalf("%s with %d digits: got findings %v, expected one", column, digits, found)
		}
		f.follow(t, findings)
	}
}

// The columns of BIT_AND, BIT_OR and BIT_XOR hold 64 bits.
func TestCheck_bits(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t))
	table := row.Table{Name: "bits", Grouped: true, Keys: 1, Columns: []row.Column{{Name: "k", Kind: row.Int, Merge: row.Key}, {Name: "v", Kind: row.Int, Merge: row.BitOr}}}
	f.Exec(t, createTarget(f.Version(t), &table))
	for _, typ := range []string{"BIGINT", "INT UNSIGNED", "DECIMAL(20,0)", "DOUBLE"} {
		f.Exec(t, "ALTER TABLE bits MODIFY v "+typ+" NOT NULL")
		findings := func() []Finding { return refusals(f.check(t, "bits.v", table)) }
		if found := findings(); len(found) != 1 || !strings.Contains(found[0].Seen, "must be BIGINT UNSIGNED") {
			t.Fatalf("%s: got findings %v, expected one", typ, found)
		}
		f.follow(t, findings)
	}
}
