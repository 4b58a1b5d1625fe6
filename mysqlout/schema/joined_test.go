package schema

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/fold/lookup"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/pool"
)

// joinedTable returns what a query needs of a table that it declares with these columns, and joins by the column k.
func joinedTable(t *testing.T, columns string) *lookup.Table {
	t.Helper()
	p := sqltest.Plan(t, "json", "CREATE TABLE j ("+columns+"); INSERT INTO t SELECT COUNT(*) AS n FROM events JOIN j ON j.k = x")
	return p.Joined()[0]
}

// A table is accepted if every value that its columns can hold is one of the declared type, and the key of the join is
// unique and compares bytes.
func TestCheckJoined(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	f := open(t, server)
	version := f.Version(t)
	old := version.Dialect == pool.MySQL && !version.AtLeast(8, 0)
	unsigned := "int(10) unsigned"
	if version.Dialect == pool.MySQL && !old {
		unsigned = "int unsigned"
	}
	for _, c := range []struct{ table, declared, want string }{
		{"k INT PRIMARY KEY, v TEXT", "k INT PRIMARY KEY, v TEXT", ""},
		{"k SMALLINT UNSIGNED NOT NULL UNIQUE, v VARCHAR(5), w JSON", "k INT UNIQUE, v VARCHAR(9)", ""},
		{"k INT NOT NULL, v INT, UNIQUE KEY (k)", "k BIGINT PRIMARY KEY", ""},
		{"k INT UNSIGNED PRIMARY KEY", "k INT PRIMARY KEY", "j.k: the query declares INT, but the column is " + unsigned + ": that can be larger"},
		{"k INT PRIMARY KEY", "k BIGINT UNSIGNED PRIMARY KEY", "that can be negative"},
		{"k BIGINT PRIMARY KEY", "k INT PRIMARY KEY", "that can be larger"},
		{"k VARCHAR(5) PRIMARY KEY", "k INT PRIMARY KEY", "that is no integer"},
		{"k DECIMAL(6,2) PRIMARY KEY", "k DECIMAL(7,3) PRIMARY KEY", ""},
		{"k DECIMAL(6,2) PRIMARY KEY", "k DECIMAL(6,1) PRIMARY KEY", "that has more digits after the point"},
		{"k DECIMAL(6,2) PRIMARY KEY", "k DECIMAL(6,3) PRIMARY KEY", "that has more digits in front of the point"},
		{"k DECIMAL(6,2) PRIMARY KEY", "k DECIMAL(6,2) UNSIGNED PRIMARY KEY", "that can be negative"},
		{"k INT PRIMARY KEY", "k DECIMAL(20,2) PRIMARY KEY", "that is no DECIMAL"},
		{"k INT PRIMARY KEY, v DOUBLE", "k INT PRIMARY KEY, v DOUBLE", ""},
		{"k INT PRIMARY KEY, v FLOAT", "k INT PRIMARY KEY, v DOUBLE", "that is no DOUBLE"},
		{"k INT PRIMARY KEY, v DATETIME(3)", "k INT PRIMARY KEY, v DATETIME(6)", ""},
		{"k INT PRIMARY KEY, v TIMESTAMP NULL", "k INT PRIMARY KEY, v DATETIME", ""},
		{"k INT PRIMARY KEY, v DATETIME(3)", "k INT PRIMARY KEY, v DATETIME", "that has more digits of the second's fraction"},
		{"k INT PRIMARY KEY, v DATE", "k INT PRIMARY KEY, v DATETIME", "that is no DATETIME"},
		{"k INT PRIMARY KEY, v VARCHAR(10)", "k INT PRIMARY KEY, v VARCHAR(9)", "that has more characters"},
		{"k INT PRIMARY KEY, v CHAR(9)", "k INT PRIMARY KEY, v CHAR(9)", ""},
		{"k INT PRIMARY KEY, v ENUM('a','bcd')", "k INT PRIMARY KEY, v VARCHAR(3)", ""},
		{"k INT PRIMARY KEY, v BLOB", "k INT PRIMARY KEY, v TEXT", "that is no text"},
		{"k INT PRIMARY KEY", "k INT PRIMARY KEY, v TEXT", "j.v: the query declares it, but there is no such column"},
		{"k INT PRIMARY KEY, v INT", "k INT PRIMARY KEY, v INT NOT NULL", "j.v: the query declares it NOT NULL, but the column can be NULL"},
		// Keys.
		{"k INT", "k INT UNIQUE", "no unique key consists of columns that the join compares (k)"},
		{"k INT, v INT, UNIQUE KEY (k, v)", "k INT UNIQUE", "no unique key consists of columns that the join compares (k)"},
		{"k " + binaryText(version, 50) + ", UNIQUE KEY (k(9))", "k VARCHAR(50) UNIQUE", "no unique key consists"},
		{"k " + binaryText(version, 9) + " PRIMARY KEY", "k VARCHAR(9) PRIMARY KEY", ""},
		{"k VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY", "k VARCHAR(9) PRIMARY KEY", "its collation utf8mb4_general_ci has different values that are equal"},
		{"k VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY", "k VARCHAR(9) PRIMARY KEY", "its collation utf8mb4_bin has different values that are equal"},
		{"k VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY", "k VARCHAR(9) COLLATE utf8mb4_bin PRIMARY KEY", ""},
		{"k INT PRIMARY KEY, v VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "k INT PRIMARY KEY, v VARCHAR(9)", ""},
	} {
		if old && strings.Contains(c.table, "VARBINARY") {
			t.Logf("NOT RUN: a joined table by a text whose bytes are compared: %s has no collation for it", version)
			continue
		}
		f.Exec(t, "DROP TABLE IF EXISTS j", "CREATE TABLE j ("+c.table+")")
		tx, err := f.Pool.Tx(t.Context(), pool.PriorityLow)
		if err != nil {
			t.Fatal(err)
		}
		found, err := CheckJoined(t.Context(), tx, joinedTable(t, c.declared))
		tx.Rollback(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case c.want == "" && len(found) > 0:
			t.Errorf("%s declared as %s: got %v, expected no finding", c.table, c.declared, found)
		case c.want != "" && !slices.ContainsFunc(found, func(x Finding) bool { return strings.Contains(x.String(), c.want) }):
			t.Errorf("%s declared as %s: got %v, expected %q", c.table, c.declared, found, c.want)
		}
	}
}

// The rights to read joined tables are among those that etl check --ddl prints.
func TestDDL_joined(t *testing.T) {
	t.Parallel()
	p := pool.New(pool.DefaultConfig(), nil, nil)
	defer func() { _ = p.Close() }()
	c := New(Options{Job: "job", Joined: []*lookup.Table{{Schema: "site", Name: "hosts"}}}, p, nil)
	if text := c.DDL(nil); !strings.Contains(text, "GRANT SELECT ON `site`.`hosts` TO 'etl'@'%';\n") {
		t.Errorf("got\n%s\nexpected the right to read site.hosts", text)
	}
}
