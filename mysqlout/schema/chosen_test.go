package schema

import (
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// chosenTable is a table with the last agent of each user, whose hidden column agent__max holds the order of the record
// that it is of, and with the path of the smallest answer, chosen by path__min, which is NULL if no answer has a size.
func chosenTable(t *testing.T) row.Table {
	t.Helper()
	return sqltest.Plan(t, "combined", "INSERT INTO users SELECT LEFT(user, 50) AS u, LAST(agent) AS agent, MIN_BY(path, bytes) AS path FROM events GROUP BY u").Tables()[0]
}

// A table is accepted only if it has the columns of both orders, of which each byte counts. To a table that holds rows
// neither an order nor a value can be added, because no stored value would be the one of the stored order.
func TestCheck_chosen(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	const columns = "u VARCHAR(50) COLLATE utf8mb4_nopad_bin PRIMARY KEY, "
	for name, test := range map[string]struct{ ddl, insert, want string }{
		"as it should be":       {"agent TEXT NOT NULL, path TEXT, agent__max BLOB NOT NULL, path__min BLOB", "", ""},
		"wider, NULL, shown":    {"agent VARCHAR(9000), path VARBINARY(200), agent__max LONGBLOB, path__min MEDIUMBLOB", "", ""},
		"no order":              {"agent TEXT NOT NULL, path TEXT, path__min BLOB", "", "there is no such column"},
		"an order without NULL": {"agent TEXT NOT NULL, path TEXT, agent__max BLOB NOT NULL, path__min BLOB NOT NULL", "", "can be NULL"},
		"a path without NULL":   {"agent TEXT NOT NULL, path TEXT NOT NULL, agent__max BLOB NOT NULL, path__min BLOB", "", "can be NULL"},
		"a text":                {"agent TEXT NOT NULL, path TEXT, agent__max TEXT NOT NULL, path__min BLOB", "", "takes only text"},
		"a short order":         {"agent TEXT NOT NULL, path TEXT, agent__max VARBINARY(1000) NOT NULL, path__min BLOB", "", "too small for an order"},
		"a padded order":        {"agent TEXT NOT NULL, path TEXT, agent__max BINARY(255) NOT NULL, path__min BLOB", "", "too small for an order"},
		"rows without an order": {"agent TEXT NOT NULL, path TEXT, path__min BLOB", "(u, agent) VALUES ('a', 'x')", "their agent would be computed without"},
		"rows without a value":  {"path TEXT, agent__max BLOB NOT NULL, path__min BLOB", "(u, agent__max) VALUES ('a', 'x')", "their agent would be computed without"},
		"rows without either":   {"agent TEXT NOT NULL, agent__max BLOB NOT NULL", "(u, agent, agent__max) VALUES ('a', 'x', 'y')", "their path would be computed without"},
		"rows of MIN_BY":        {"agent TEXT NOT NULL, path TEXT, agent__min BLOB NOT NULL, path__min BLOB", "(u, agent, agent__min) VALUES ('a', 'x', 'y')", "their agent would be computed without"},
		"rows with both":        {"agent TEXT NOT NULL, path TEXT, agent__max BLOB NOT NULL, path__min BLOB", "(u, agent, agent__max) VALUES ('a', 'x', 'y')", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := chosenTable(t)
			f := open(t, server)
			f.Exec(t, "CREATE TABLE users ("+columns+test.ddl+") CHARSET utf8mb4")
			if test.insert != "" {
				f.Exec(t, "INSERT INTO users "+test.insert)
			}
			findings := func() []Finding { return refusals(f.check(t, "users.", table)) }
			found := findings()
			wantFinding(t, found, test.want)
			if test.insert == "" {
				f.follow(t, findings)
			}
		})
	}
}

// The columns of orders are created last and hidden, and those of values take any value of a record.
func TestCreate_chosen(t *testing.T) {
	t.Parallel()
	f := newFixture(sqltest.Open(t, mariadbtest.Start(t)))
	table := chosenTable(t)
	f.create(t, table)
	f.accepted(t, table)
	f.Exec(t, "INSERT INTO users (u, agent, path) VALUES ('a', 'x', NULL)")
	if got := f.Text(t, "SELECT * FROM users"); got != "a x NULL" {
		t.Errorf("SELECT * returns %q, expected the columns u, agent and path", got)
	}
	const want = "  `agent` MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,\n" +
		"  `path` MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin,\n" +
		"  `agent__max` BLOB NOT NULL /*!80023 INVISIBLE */,\n  `path__min` BLOB /*!80023 INVISIBLE */,\n"
	if got := createTarget(pool.Server{Dialect: pool.MySQL}, &table); !strings.Contains(got, want) {
		t.Errorf("got %s\nexpected %s", got, want)
	}
}
