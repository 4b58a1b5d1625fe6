package schema

import (
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// sketchTable is a table with the number of distinct agents, whose hidden column agents__state holds them.
func sketchTable(t *testing.T) row.Table {
	t.Helper()
	return sqltest.Plan(t, "combined", "INSERT INTO users SELECT LEFT(user, 50) AS u, COUNT(DISTINCT agent) AS agents, COUNT(*) AS n FROM events GROUP BY u").Tables()[0]
}

// A table is accepted only if it has the column of the sketch. To a table that holds rows it cannot be added, because the
// values that are counted already would be missing in it.
func TestCheck_sketch(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	const columns = "u VARCHAR(50) COLLATE utf8mb4_nopad_bin PRIMARY KEY, n BIGINT NOT NULL, "
	for name, test := range map[string]struct{ ddl, insert, want string }{
		"as it should be":        {"agents BIGINT NOT NULL, agents__state MEDIUMBLOB NOT NULL", "", ""},
		"UNSIGNED, small, shown": {"agents BIGINT UNSIGNED NOT NULL, agents__state BLOB NOT NULL DEFAULT ''", "", ""},
		"no sketch":              {"agents BIGINT NOT NULL", "", "there is no such column"},
		"a count of 32 bits":     {"agents INT NOT NULL, agents__state MEDIUMBLOB NOT NULL", "", "a total would outgrow"},
		"a text":                 {"agents BIGINT NOT NULL, agents__state MEDIUMTEXT NOT NULL", "", "takes only text"},
		"a short sketch":         {"agents BIGINT NOT NULL, agents__state VARBINARY(1000) NOT NULL", "", "too small for a state"},
		"rows without a sketch":  {"agents BIGINT NOT NULL", "(u, n, agents) VALUES ('a', 1, 1)", "their agents would be computed without"},
		"rows without a count":   {"agents__state MEDIUMBLOB NOT NULL", "(u, n, agents__state) VALUES ('a', 1, x'01')", "their agents would be computed without"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := sketchTable(t)
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

// The column of the sketch is created last and hidden.
func TestCreate_sketch(t *testing.T) {
	t.Parallel()
	f := newFixture(sqltest.Open(t, mariadbtest.Start(t)))
	table := sketchTable(t)
	f.create(t, table)
	f.accepted(t, table)
	f.Exec(t, "INSERT INTO users (u, agents, n) VALUES ('a', 2, 3)")
	if got := f.Text(t, "SELECT * FROM users"); got != "a 2 3" {
		t.Errorf("SELECT * returns %q, expected the columns u, agents and n", got)
	}
	const want = "  `agents` BIGINT NOT NULL,\n  `n` BIGINT NOT NULL,\n  `agents__state` MEDIUMBLOB NOT NULL /*!80023 INVISIBLE */,\n"
	if got := createTarget(pool.Server{Dialect: pool.MySQL}, &table); !strings.Contains(got, want) {
		t.Errorf("got %s\nexpected %s", got, want)
	}
}
