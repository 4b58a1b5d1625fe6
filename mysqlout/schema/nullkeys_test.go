package schema

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// nullKeyTable is the table t, whose keys s, minute and code can be NULL, with the computed column twice.
func nullKeyTable(t *testing.T) row.Table {
	t.Helper()
	return sqltest.Plan(t, "json", "INSERT INTO t SELECT LEFT(s, 50) AS s, TUMBLE(ts, INTERVAL 1 MINUTE) AS minute, CAST(code AS SIGNED) AS code, COUNT(*) AS n, "+
		"CAST(code AS SIGNED) + COUNT(*) AS twice FROM events GROUP BY s, minute, code").Tables()[0]
}

const (
	sColumn     = "s VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin GENERATED ALWAYS AS (CASE WHEN s__null = 0 THEN s__key END) VIRTUAL"
	sKeyColumn  = "s__key VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL"
	codeColumn  = "code BIGINT GENERATED ALWAYS AS (CASE WHEN code__null = 0 THEN code__key END) VIRTUAL"
	twiceColumn = "twice DECIMAL(65,0) GENERATED ALWAYS AS (CAST(code AS DECIMAL(65,0)) + CAST(n AS DECIMAL(65,0))) VIRTUAL"
	nullKey     = "PRIMARY KEY (s__key, s__null, minute__key, minute__null, code__key, code__null)"
)

// nullKeyDDL returns the DDL of nullKeyTable with these lines in place of the usual ones; "name -" is one that is left
// out.
func nullKeyDDL(instead ...string) string {
	lines := []string{
		sColumn, "minute DATETIME GENERATED ALWAYS AS (CASE WHEN minute__null = 0 THEN minute__key END) VIRTUAL", codeColumn,
		"n BIGINT NOT NULL", twiceColumn, sKeyColumn, "s__null TINYINT NOT NULL", "minute__key DATETIME NOT NULL", "minute__null BOOLEAN NOT NULL",
		"code__key BIGINT NOT NULL", "code__null TINYINT NOT NULL", nullKey,
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
	return "CREATE TABLE t (" + strings.Join(lines, ", ") + ")"
}

// ordinaryKeyDDL creates a table for keys that are never NULL.
func ordinaryKeyDDL(s, key string) string {
	return "CREATE TABLE t (" + s + ", minute DATETIME NOT NULL, n BIGINT NOT NULL, code BIGINT NOT NULL, " + twiceColumn + ", " + key + ")"
}

// A table is accepted only if it stores a key that can be NULL, and the advice makes it so and keeps its rows.
func TestCheck_nullKeys(t *testing.T) {
	t.Parallel()
	const s = "s VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL"
	server := mariadbtest.Start(t)
	for name, test := range map[string]struct{ ddl, insert, want string }{
		"as it should be":          {ddl: nullKeyDDL()},
		"stored":                   {ddl: nullKeyDDL(strings.Replace(sColumn, "VIRTUAL", "STORED", 1))},
		"keys in another order":    {ddl: nullKeyDDL("PRIMARY KEY (code__null, code__key, s__key, s__null, minute__key, minute__null)")},
		"no generated column":      {ddl: nullKeyDDL("s -"), want: "in which clients read the key"},
		"no value":                 {ddl: nullKeyDDL("s -", "s__key -", strings.Replace(nullKey, "s__key, ", "", 1)), want: "which holds the values of the key column s"},
		"no flag":                  {ddl: nullKeyDDL("s -", "s__null -", strings.Replace(nullKey, "s__null, ", "", 1)), want: "which is 1 where the key column s is NULL"},
		"a flag outside the key":   {ddl: nullKeyDDL(strings.Replace(nullKey, "s__null, ", "", 1)), want: "is not the query's key"},
		"an inverted flag":         {ddl: nullKeyDDL(strings.Replace(sColumn, "= 0", "= 1", 1)), want: "it is a generated column of the expression"},
		"another flag":             {ddl: nullKeyDDL(strings.Replace(sColumn, "s__null", "code__null", 1)), want: "it is a generated column of the expression"},
		"an ELSE":                  {ddl: nullKeyDDL(strings.Replace(sColumn, "END", "ELSE 'x' END", 1)), want: "it is a generated column of the expression"},
		"a shorter text":           {ddl: nullKeyDDL(strings.Replace(sColumn, "50", "20", 1)), want: "the type of s__key"},
		"another collation":        {ddl: nullKeyDDL(strings.Replace(sColumn, "utf8mb4_nopad_bin", "utf8mb4_general_ci", 1)), want: "the type of s__key"},
		"a value's collation":      {ddl: nullKeyDDL(strings.Replace(sKeyColumn, "utf8mb4_nopad_bin", "utf8mb4_general_ci", 1)), want: "in which different values are equal"},
		"an ordinary column":       {ddl: nullKeyDDL("s VARCHAR(20) NULL"), want: "must be a generated one of the columns that store the key"},
		"a nullable flag":          {ddl: nullKeyDDL("s__null TINYINT NULL", "PRIMARY -") + "", want: "TINYINT(4) NULL, must be an integer NOT NULL"},
		"a text flag":              {ddl: nullKeyDDL("s__null CHAR(1) NOT NULL"), want: "CHAR(1), must be an integer NOT NULL"},
		"a table of ordinary keys": {ordinaryKeyDDL(s, "PRIMARY KEY (s, minute, code)"), "INSERT INTO t (s, minute, code, n) VALUES ('a', '2026-01-02', 7, 3)", "the query groups by a value that can be NULL"},
		"ordinary keys and ids": {
			ordinaryKeyDDL(s, "id BIGINT AUTO_INCREMENT PRIMARY KEY, UNIQUE KEY k (code, s, minute), KEY s (s)"),
			"INSERT INTO t (s, minute, code, n) VALUES ('a', '2026-01-02', 7, 3)", "the query groups by a value that can be NULL",
		},
		"ordinary keys that can be NULL": {
			ordinaryKeyDDL("s VARCHAR(50) COLLATE utf8mb4_general_ci NULL COMMENT 'x'", "UNIQUE KEY (s, minute, code)"),
			"INSERT INTO t (s, minute, code, n) VALUES ('a', '2026-01-02', 7, 3)", "change the rows in which it is NULL first",
		},
		"a key that fills the index": {
			ordinaryKeyDDL(strings.Replace(s, "50", "764", 1), "PRIMARY KEY (s, minute, code)"),
			"INSERT INTO t (s, minute, code, n) VALUES ('a', '2026-01-02', 7, 3)", "the query groups by a value that can be NULL",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := nullKeyTable(t)
			f := open(t, server)
			f.Exec(t, sqltest.Adapt(f.Version(t), test.ddl))
			if test.insert != "" {
				f.Exec(t, test.insert)
			}
			findings := func() []Finding { return refusals(f.check(t, "t", table)) }
			found := findings()
			wantFinding(t, found, test.want)
			f.follow(t, findings)
			f.Exec(t, "INSERT INTO t (s__key, s__null, minute__key, minute__null, code__key, code__null, n) VALUES ('', 1, '2000-01-01', 1, 0, 1, 5), ('', 0, '2000-01-01', 0, 0, 0, 6)")
			want := "NULL NULL NULL 5 NULL\n 2000-01-01T00:00:00Z 0 6 6"
			if test.insert != "" {
				want += "\na 2026-01-02T00:00:00Z 7 3 10"
			}
			if got := f.Text(t, "SELECT s, minute, code, n, twice FROM t ORDER BY minute"); got != want {
				t.Errorf("got\n%s\nexpected\n%s", got, want)
			}
			if bound := f.accepted(t, table)[0]; !bound.Columns[0].Nullable || bound.Columns[0].MaxChars == 0 {
				t.Errorf("got the column %+v, expected one that can be NULL, with its length", bound.Columns[0])
			}
		})
	}
}

// A query whose keys are never NULL takes a table whose keys can be.
func TestCheck_nullKeysOfAnotherQuery(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t))
	f.Exec(t, nullKeyDDL())
	table := nullKeyTable(t)
	for i := range table.Keys {
		table.Columns[i].Nullable = false
	}
	if bound := f.accepted(t, table)[0]; !bound.Columns[0].Nullable || !bound.Columns[1].Nullable || !bound.Columns[2].Nullable {
		t.Errorf("got the columns %+v, expected keys that can be NULL", bound.Columns[:3])
	}
	f.Exec(t, "CREATE TRIGGER lower_s BEFORE INSERT ON t FOR EACH ROW SET NEW.s__key = LOWER(NEW.s__key)")
	if found := refusals(f.check(t, "t", table)); len(found) != 1 || !strings.Contains(found[0].Seen, "sets NEW.s__key") {
		t.Errorf("got %v, expected a finding about the trigger", found)
	}
}

// The tables that are created have hidden columns that SELECT * leaves out, and are accepted.
func TestCreate_nullKeys(t *testing.T) {
	t.Parallel()
	f := newFixture(sqltest.Open(t, mariadbtest.Start(t)))
	table := nullKeyTable(t)
	f.create(t, table)
	f.accepted(t, table)
	f.Exec(t, "INSERT INTO t (s__null, n) VALUES (1, 3)")
	if got := f.Text(t, "SELECT * FROM t"); got != "NULL 2000-01-01T00:00:00Z 0 3 3" {
		t.Errorf("SELECT * returns %q, expected the columns s, minute, code, n and twice", got)
	}
	const want = "CREATE TABLE IF NOT EXISTS `t` (\n" +
		"  `s` VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin GENERATED ALWAYS AS (CASE WHEN `s__null` = 0 THEN `s__key` END) VIRTUAL,\n" +
		"  `minute` DATETIME GENERATED ALWAYS AS (CASE WHEN `minute__null` = 0 THEN `minute__key` END) VIRTUAL,\n" +
		"  `code` BIGINT GENERATED ALWAYS AS (CASE WHEN `code__null` = 0 THEN `code__key` END) VIRTUAL,\n" +
		"  `n` BIGINT NOT NULL,\n" +
		"  `twice` DECIMAL(65,0) GENERATED ALWAYS AS ((CAST(`code` AS DECIMAL(65,0)) + CAST(`n` AS DECIMAL(65,0)))) VIRTUAL,\n" +
		"  `s__key` VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL DEFAULT '' /*!80023 INVISIBLE */,\n" +
		"  `s__null` TINYINT NOT NULL DEFAULT 0 /*!80023 INVISIBLE */,\n" +
		"  `minute__key` DATETIME NOT NULL DEFAULT '2000-01-01 00:00:00' /*!80023 INVISIBLE */,\n" +
		"  `minute__null` TINYINT NOT NULL DEFAULT 0 /*!80023 INVISIBLE */,\n" +
		"  `code__key` BIGINT NOT NULL DEFAULT 0 /*!80023 INVISIBLE */,\n" +
		"  `code__null` TINYINT NOT NULL DEFAULT 0 /*!80023 INVISIBLE */,\n" +
		"  PRIMARY KEY (`s__key`, `s__null`, `minute__key`, `minute__null`, `code__key`, `code__null`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
	if got := createTarget(pool.Server{}, &table); got != want {
		t.Errorf("got %s\nexpected %s", got, want)
	}
}

// The forms in which servers show the generated column are recognized, and no other expression is. MySQL's is what its
// sources print; MariaDB's is compared with a real server elsewhere.
func TestIsNullKeySQL(t *testing.T) {
	t.Parallel()
	c := row.Column{Name: "a`(b) C"}
	for stored, want := range map[string]bool{
		nullKeySQL(&c): true,
		"case when `a``(b) C__null` = 0 then `a``(b) C__key` end":     true,
		"(case when (`a``(b) C__null` = 0) then `a``(b) C__key` end)": true,
		"(case when (`a``(b) C__null` = 1) then `a``(b) C__key` end)": false,
		"(case when (`a``(b) C__key` = 0) then `a``(b) C__null` end)": false,
		"if(`a``(b) C__null`,NULL,`a``(b) C__key`)":                   false,
		"": false,
	} {
		if got := isNullKeySQL(&c, stored); got != want {
			t.Errorf("%s: got %t, expected %t", stored, got, want)
		}
	}
}

// MySQL has generated columns that are NOT NULL. A NULL would make each write of its row an error.
func TestCheck_nullKeyNotNull(t *testing.T) {
	t.Parallel()
	table := row.Table{Name: "t", Keys: 1, Columns: []row.Column{{Name: "k", Kind: row.Int, Merge: row.Key, Nullable: true}}}
	for _, nullable := range []bool{true, false} {
		bigint := column{dataType: "bigint", columnType: "bigint", rawType: "bigint"}
		shown, held, flag := bigint, bigint, bigint
		shown.name, held.name, flag.name = "k", "k__key", "k__null"
		shown.generated, shown.generation, shown.nullable = true, "(case when (`k__null` = 0) then `k__key` end)", nullable
		j := tableChecker{want: &table, found: &found{kind: "BASE TABLE", columns: []column{shown, held, flag}}, server: pool.Server{Dialect: pool.MySQL, Version: "8.4.0"}}
		actual := table.Columns[0]
		j.column(&actual, 0)
		if want := map[bool]int{true: 0, false: 1}[nullable]; len(j.findings) != want || want > 0 && !strings.Contains(j.findings[0].Seen, "it is NOT NULL") {
			t.Errorf("nullable %t: got %v, expected %d findings", nullable, j.findings, want)
		}
	}
}
