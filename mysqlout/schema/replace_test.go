package schema

import (
	"testing"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// replaceTable is the table users, whose hidden column etl__last holds the position of each user's last record.
func replaceTable(t *testing.T) row.Table {
	t.Helper()
	return sqltest.Plan(t, "combined", "REPLACE INTO users SELECT LEFT(user, 50) AS u, agent, bytes, COUNT(*) AS n FROM events GROUP BY u").Tables()[0]
}

const usersColumns = "u VARCHAR(50) COLLATE utf8mb4_nopad_bin PRIMARY KEY, bytes BIGINT, n BIGINT NOT NULL, "

// A table is accepted only if it has a column for the state, and the advice makes it so, also if the table holds rows.
func TestCheck_stateColumn(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	for name, test := range map[string]struct{ ddl, want string }{
		"as it should be": {"agent TEXT NOT NULL, etl__last BLOB NOT NULL DEFAULT ''", ""},
		"NULL":            {"agent TEXT NOT NULL, etl__last LONGBLOB", ""},
		"an agent NULL":   {"agent TEXT, etl__last MEDIUMBLOB", ""},
		"no state":        {"agent TEXT NOT NULL", "there is no such column"},
		"a small state":   {"agent TEXT NOT NULL, etl__last VARBINARY(200) NOT NULL DEFAULT '' INVISIBLE", "too small for a state"},
		"a tiny blob":     {"agent TEXT NOT NULL, etl__last TINYBLOB NOT NULL DEFAULT '' COMMENT 'ours' INVISIBLE", "too small for a state"},
		"a text":          {"agent TEXT NOT NULL, etl__last TEXT NOT NULL DEFAULT ''", "takes only text"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := replaceTable(t)
			f := open(t, server)
			f.Exec(t, "CREATE TABLE users ("+usersColumns+test.ddl+") CHARSET utf8mb4", "INSERT INTO users (u, n, agent) VALUES ('a', 1, 'x')")
			findings := func() []Finding { return refusals(f.check(t, "users.", table)) }
			found := findings()
			wantFinding(t, found, test.want)
			f.follow(t, findings)
			if got := f.Text(t, "SELECT u, LENGTH(COALESCE(etl__last, '')) FROM users"); got != "a 0" {
				t.Errorf("got the state %s, expected an empty one", got)
			}
		})
	}
}

// The column of the state is created last and hidden, and has no default on MySQL, which rejects one.
func TestCreate_stateColumn(t *testing.T) {
	t.Parallel()
	f := newFixture(sqltest.Open(t, mariadbtest.Start(t)))
	table := replaceTable(t)
	f.create(t, table)
	f.accepted(t, table)
	f.Exec(t, "INSERT INTO users (u, agent, n) VALUES ('a', 'x', 3)")
	if got := f.Text(t, "SELECT * FROM users"); got != "a x NULL 3" {
		t.Errorf("SELECT * returns %q, expected the columns u, agent, bytes and n", got)
	}
	const want = "CREATE TABLE IF NOT EXISTS `users` (\n" +
		"  `u` VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,\n" +
		"  `agent` MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,\n" +
		"  `bytes` BIGINT,\n" +
		"  `n` BIGINT NOT NULL,\n" +
		"  `etl__last` MEDIUMBLOB NOT NULL /*!80023 INVISIBLE */,\n" +
		"  PRIMARY KEY (`u`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
	if got := createTarget(pool.Server{Dialect: pool.MySQL}, &table); got != want {
		t.Errorf("got %s\nexpected %s", got, want)
	}
}
