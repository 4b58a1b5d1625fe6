package schema

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/row"
)

// hitsQuery has a column of each kind that the query has for itself: a nullable key, a computed column with its hidden one,
// and a sketch with its state.
const hitsQuery = "INSERT INTO hits SELECT LEFT(path, 50) AS page, LEFT(NULLIF(user, '-'), 20) AS u, COUNT(*) AS n, SUM(bytes) AS bytes, AVG(bytes) AS mean, " +
	"APPROX_COUNT_DISTINCT(host) AS hosts, MAX(ts) AS last FROM events GROUP BY page, u"

// hitsDDL declares what a reader of the query must know of its table, with these lines in place of the usual ones; "name -"
// is one that is left out.
func hitsDDL(instead ...string) string {
	lines := []string{
		"page VARCHAR(50) NOT NULL COMMENT 'path, without (the) query'", "n INT8 UNSIGNED NOT NULL", "bytes DECIMAL(30) NULL",
		"kb DECIMAL(30,3) GENERATED ALWAYS AS (bytes / 1024) VIRTUAL", "hosts BIGINT NOT NULL DEFAULT 0", "last DATETIME NULL",
		"note ENUM('a', 'B''c')", "KEY (last) -- the newest )",
	}
	for _, line := range instead {
		name, rest, _ := strings.Cut(line, " ")
		at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, name+" ") })
		switch {
		case at < 0:
			lines = slices.Insert(lines, len(lines)-1, line)
		case rest == "-":
			lines = slices.Delete(lines, at, at+1)
		default:
			lines[at] = line
		}
	}
	return "CREATE TABLE hits (\n  " + strings.Join(lines, ",\n  ") + "\n) COLLATE=utf8mb4_nopad_bin"
}

// declaredTargets compiles a query, and checks its declarations.
func declaredTargets(t *testing.T, text string) ([]row.Table, *query.Plan, error) {
	t.Helper()
	p := sqltest.Plan(t, "combined", text)
	return p.Tables(), p, p.Locate(CheckDeclared(p.Tables()))
}

// A declared table is created with what the query needs beside, in one statement, is accepted, and takes rows.
func TestCreate_declared(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	for name, text := range map[string]string{
		"additions":        hitsDDL() + "; " + hitsQuery,
		"all columns":      hitsDDL(sKey("u"), "u__null TINYINT NOT NULL", "u VARCHAR(20) GENERATED ALWAYS AS (CASE WHEN u__null = 0 THEN u__key END) VIRTUAL", "PRIMARY KEY (page, u__key, u__null)") + "; " + hitsQuery,
		"a key in two":     "CREATE TABLE IF NOT EXISTS hits (page VARCHAR(50) COLLATE utf8mb4_nopad_bin NOT NULL, n BIGINT NOT NULL, UNIQUE KEY (page)); INSERT INTO hits SELECT COALESCE(LEFT(path, 50), '') AS page, COUNT(*) AS n FROM events GROUP BY page",
		"one row":          "CREATE TABLE hits (n BIGINT NOT NULL # count\n\n); INSERT INTO hits SELECT COUNT(*) AS n FROM events",
		"the last record":  "CREATE TABLE hits (page VARCHAR(50) COLLATE utf8mb4_nopad_bin PRIMARY KEY, host TEXT CHARACTER SET utf8mb4); REPLACE INTO hits SELECT COALESCE(LEFT(path, 50), '') AS page, host FROM events GROUP BY page",
		"partitions":       "CREATE TABLE hits (minute DATETIME NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (minute)) PARTITION BY RANGE COLUMNS (minute) (PARTITION a VALUES LESS THAN ('2026-01-01'), PARTITION b VALUES LESS THAN (MAXVALUE)); INSERT INTO hits SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS minute, COUNT(*) AS n FROM events GROUP BY minute",
		"types":            "CREATE TABLE hits (status INTEGER(5) PRIMARY KEY, a NUMERIC(20,2), b DOUBLE PRECISION, c CHARACTER VARYING(30), d JSON, e BOOL, f BINARY, g SET('x'), h TIMESTAMP DEFAULT CURRENT_TIMESTAMP, i DEC, j TEXT CHARACTER SET utf8, k TIMESTAMP(3) NULL, l BIT(3), m YEAR, n BIGINT NOT NULL, o INT4, p TINYTEXT, q VARBINARY(7)); INSERT INTO hits SELECT status, COUNT(*) AS n FROM events GROUP BY status",
		"a generated date": "CREATE TABLE hits (minute DATETIME NOT NULL, day DATE AS (CAST(minute AS DATE)), n BIGINT NOT NULL, PRIMARY KEY (minute)); INSERT INTO hits SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS minute, COUNT(*) AS n FROM events GROUP BY minute",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(sqltest.Open(t, server))
			want, _, err := declaredTargets(t, text)
			if err != nil {
				t.Fatal(err)
			}
			f.create(t, want...)
			f.create(t, want...) // nothing more
			f.accepted(t, want...)
			if found := f.check(t, "hits", want...); len(found) > 0 {
				t.Errorf("got findings %v, expected none", found)
			}
			if got, err := f.checker.Missing(t.Context(), want); err != nil || got != nil {
				t.Errorf("got the missing statements %q and %v, expected none", got, err)
			}
			columns := f.Text(t, "SELECT GROUP_CONCAT(column_name) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'hits' AND column_comment = 'path, without (the) query'")
			if strings.Contains(text, "COMMENT") && columns != "page" {
				t.Errorf("got a comment at %q, expected it at page", columns)
			}
			dry := Created(want)
			if c := dry[0].Column("n"); strings.Contains(text, "n INT8 UNSIGNED") && !c.Unsigned {
				t.Errorf("a dry run has the column %+v, expected an UNSIGNED one", c)
			}
		})
	}
}

func sKey(name string) string { return name + "__key VARCHAR(20) NOT NULL" }

// The embedded database creates and accepts a declared table, too.
func TestCreate_declaredEmbedded(t *testing.T) {
	t.Parallel()
	f := newFixture(sqltest.Embedded(t))
	want, _, err := declaredTargets(t, "CREATE TABLE hits (page VARCHAR(50) COLLATE utf8mb4_0900_bin NOT NULL COMMENT 'path', n BIGINT NOT NULL, host TEXT, PRIMARY KEY (page) -- key\n); "+
		"REPLACE INTO hits SELECT COALESCE(LEFT(path, 50), '') AS page, COUNT(*) AS n, host FROM events GROUP BY page")
	if err != nil {
		t.Fatal(err)
	}
	f.create(t, want...)
	f.accepted(t, want...)
	f.Exec(t, "INSERT INTO hits (page, n, etl__last) VALUES ('a', 1, '')")
}

// Several processes that start at once create a table once, although its statement has no IF NOT EXISTS.
func TestCreate_declaredBySeveralProcesses(t *testing.T) {
	t.Parallel()
	f := newFixture(sqltest.Open(t, mariadbtest.Start(t)))
	want, _, err := declaredTargets(t, hitsDDL()+"; "+hitsQuery)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		var processes errgroup.Group
		for range 4 {
			processes.Go(func() error { return f.checker.Create(t.Context(), want) })
		}
		if err := processes.Wait(); err != nil {
			t.Fatal(err)
		}
		f.accepted(t, want...)
		f.Exec(t, "DROP TABLE hits")
	}
}

// A declaration that does not fit the query is an error of the query, at the column. The text between « and » is its place.
func TestCheckDeclared(t *testing.T) {
	t.Parallel()
	const simple = "; INSERT INTO hits SELECT COALESCE(LEFT(path, 50), '') AS page, COUNT(*) AS n, MAX(CAST(NULLIF(user, '-') AS DATETIME)) AS last FROM events GROUP BY page"
	const page, key = "page VARCHAR(50) COLLATE utf8mb4_nopad_bin NOT NULL", ", PRIMARY KEY (page))"
	for text, want := range map[string]string{
		"CREATE TABLE «hits» (" + page + ", last DATETIME" + key:                                                         "CREATE TABLE hits.n: there is no such column (or leave it out of the query): add `n` BIGINT NOT NULL",
		"CREATE TABLE hits (" + page + ", «n INT NOT NULL», last DATETIME" + key:                                         "CREATE TABLE hits.n: its type is int, which a total would outgrow: write `n` BIGINT NOT NULL",
		"CREATE TABLE hits (" + page + ", «n FLOAT NOT NULL», last DATETIME" + key:                                       "must be BIGINT or DECIMAL (or CAST in the query): write `n` BIGINT NOT NULL",
		"CREATE TABLE hits (" + page + ", n BIGINT, «last DATETIME NOT NULL»" + key:                                      "the column is NOT NULL (or write COALESCE in the query): write `last` DATETIME NULL",
		"CREATE TABLE hits (" + page + ", n BIGINT, «last BIGINT»" + key:                                                 "its type is bigint, must be DATETIME (or CAST in the query): write `last` DATETIME",
		"CREATE TABLE hits («page VARCHAR(50)», n BIGINT, last DATETIME" + key:                                           "it has no COLLATE, and in most collations different values are equal, so they would become one: write `page` VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL (for MariaDB, COLLATE utf8mb4_nopad_bin)",
		"CREATE TABLE hits («page VARCHAR(50)», n BIGINT, last DATETIME, PRIMARY KEY (page)) COLLATE utf8mb4_general_ci": "its collation is utf8mb4_general_ci, in which",
		"CREATE TABLE «hits» (" + page + ", n BIGINT, last DATETIME)":                                                    "no unique key is exactly (page), so each batch would insert new rows: add PRIMARY KEY (`page`)",
		"CREATE TABLE «hits» (" + page + ", n BIGINT, last DATETIME, PRIMARY KEY (page, n))":                             "is not the query's key (page): rows of different groups would become one: leave it out",
		"CREATE TABLE «hits» (" + page + ", n BIGINT, last DATETIME, UNIQUE (last)" + key:                                "(last) is not the query's key (page)",
		"CREATE TABLE «hits» (" + page + ", n BIGINT, last DATETIME" + key + " ENGINE=MyISAM":                            "its engine is MyISAM, must be InnoDB: rows and checkpoint must commit together: write ENGINE=InnoDB",
		"CREATE TABLE hits (" + page + ", «n BIGINT AS (1)», last DATETIME" + key:                                        "it is a generated column, which cannot be written",
		"CREATE TABLE hits (" + page + ", n BIGINT, last DATETIME, «note INT NOT NULL»" + key:                            "the query does not write this column, which is NOT NULL and has no default",
	} {
		place := text
		text = strings.NewReplacer("«", "", "»", "").Replace(text) + simple
		_, _, err := declaredTargets(t, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, expected %q", text, err, want)
			continue
		}
		before, rest, _ := strings.Cut(place, "«")
		marked, _, _ := strings.Cut(rest, "»")
		if from, to, ok := query.Place(err); !ok || from != len(before) || text[from:to] != marked {
			t.Errorf("%s: got the place %d to %d, %v, expected %q", text, from, to, ok, marked)
		}
	}
	for ddl, want := range map[string]string{
		hitsDDL("mean DOUBLE"):                    "CREATE TABLE hits.mean: it is an ordinary column, must be a generated one, because the query computes it from others (or give it another alias in the query): leave the column out",
		hitsDDL("mean DECIMAL(65,4) AS (n)"):      "must be that of the query",
		hitsDDL("u VARCHAR(20)"):                  "must be a generated column of u__key and u__null (or write COALESCE or WHERE … IS NOT NULL in the query); change the rows in which it is NULL first: leave the column out",
		hitsDDL("u__null TINYINT NOT NULL"):       "there is no such column, which holds the values of the key column u",
		hitsDDL("hosts -"):                        "hits.hosts: there is no such column",
		hitsDDL("hosts__state BLOB"):              "",
		hitsDDL("PRIMARY KEY (page)"):             "is not the query's key (page, u__key, u__null)",
		hitsDDL("bytes DECIMAL(30) NOT NULL"):     "the query's value can be NULL, the column is NOT NULL",
		hitsDDL("mean__1 INT NOT NULL DEFAULT 0"): "hits.mean__1: its type is int, which a total would outgrow",
	} {
		if _, _, err := declaredTargets(t, ddl+"; "+hitsQuery); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, expected %q", ddl, err, want)
		}
	}
}

// A table that differs from its declaration is refused, with both sides, and the advice makes it as declared.
func TestCheck_declared(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	for name, test := range map[string]struct {
		alter, subject, want string
		warning              bool
	}{
		"another type":       {"MODIFY n DECIMAL(20,0) NOT NULL", "hits.n", "its type is decimal(20,0), CREATE TABLE of the query declares bigint unsigned (or", false},
		"signed":             {"MODIFY n BIGINT NOT NULL", "hits.n", "its type is bigint(20), CREATE TABLE of the query declares bigint unsigned", false},
		"other digits":       {"MODIFY bytes DECIMAL(31) NULL", "hits.bytes", "declares decimal(30,0)", false},
		"a shorter text":     {"MODIFY page VARCHAR(40) NOT NULL", "hits.page", "its type is varchar(40), CREATE TABLE of the query declares varchar(50)", false},
		"a fraction":         {"MODIFY last DATETIME(3) NULL", "hits.last", "its type is datetime(3), CREATE TABLE of the query declares datetime", false},
		"NULL":               {"MODIFY hosts BIGINT NULL DEFAULT 0", "hits.hosts", "it is NULL, CREATE TABLE of the query declares NOT NULL", false},
		"other values":       {"MODIFY note ENUM('a')", "hits.note", "declares enum('a','b''c')", false},
		"case of values":     {"MODIFY note ENUM('a', 'b''c')", "hits.note", "declares enum('a','b''c')", false},
		"a column less":      {"DROP COLUMN note", "hits.note", "there is no such column, which CREATE TABLE of the query declares as `note` ENUM('a','B''c') NULL", false},
		"a written one less": {"DROP COLUMN n", "hits.n", "there is no such column (or leave it out of the query)", false},
		"not generated":      {"DROP COLUMN kb, ADD COLUMN kb DECIMAL(30,3)", "hits.kb", "its definition is DECIMAL(30,3) NULL, CREATE TABLE of the query declares DECIMAL(30,3) GENERATED ALWAYS AS ((bytes / 1024))", false},
		"another expression": {"MODIFY kb DECIMAL(30,3) AS (bytes / 1000)", "hits.kb", "it is a generated column of the expression `bytes` / 1000, CREATE TABLE of the query declares (bytes / 1024)", true},
		"a key less":         {"DROP KEY last", "hits", "there is no key (last), which CREATE TABLE of the query declares", true},
		"a column more":      {"ADD COLUMN more INT", "hits.more", "CREATE TABLE of the query does not declare it, and the query does not write it", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(sqltest.Open(t, server))
			want, _, err := declaredTargets(t, hitsDDL()+"; "+hitsQuery)
			if err != nil {
				t.Fatal(err)
			}
			f.create(t, want...)
			f.Exec(t, "ALTER TABLE hits "+test.alter)
			findings := func() []Finding { return f.check(t, "hits", want...) }
			found := findings()
			if len(found) != 1 || found[0].Warning != test.warning || found[0].Subject != test.subject || !strings.Contains(found[0].Seen, test.want) {
				t.Fatalf("got findings %v, expected one of %s with %q", found, test.subject, test.want)
			}
			if strings.HasPrefix(found[0].Do, "ALTER") {
				f.follow(t, findings)
			}
		})
	}
	t.Run("a unique key", func(t *testing.T) {
		t.Parallel()
		f := newFixture(sqltest.Open(t, server))
		const text = "CREATE TABLE hits (page VARCHAR(50) COLLATE utf8mb4_nopad_bin NOT NULL, n BIGINT NOT NULL, id BIGINT UNSIGNED AUTO_INCREMENT, UNIQUE KEY (page), UNIQUE KEY (id)); " +
			"INSERT INTO hits SELECT COALESCE(LEFT(path, 50), '') AS page, COUNT(*) AS n FROM events GROUP BY page"
		want, _, err := declaredTargets(t, text)
		if err != nil {
			t.Fatal(err)
		}
		f.create(t, want...)
		f.accepted(t, want...)
		f.Exec(t, "ALTER TABLE hits MODIFY id BIGINT UNSIGNED, DROP KEY id")
		found := refusals(f.check(t, "hits", want...))
		if !slices.ContainsFunc(found, func(x Finding) bool { return strings.Contains(x.Seen, "there is no unique key (id), which") }) {
			t.Errorf("got findings %v, expected the missing key", found)
		}
	})
	t.Run("a collation", func(t *testing.T) {
		t.Parallel()
		f := newFixture(sqltest.Open(t, server))
		want, _, err := declaredTargets(t, "CREATE TABLE hits (status INT PRIMARY KEY, note TEXT COLLATE utf8mb4_unicode_ci, mark TEXT CHARACTER SET ascii, n BIGINT NOT NULL); INSERT INTO hits SELECT status, COUNT(*) AS n FROM events GROUP BY status")
		if err != nil {
			t.Fatal(err)
		}
		f.create(t, want...)
		f.Exec(t, "ALTER TABLE hits MODIFY note TEXT COLLATE utf8mb4_bin, MODIFY mark TEXT CHARACTER SET latin1")
		findings := func() []Finding { return f.check(t, "hits", want...) }
		if found := findings(); len(found) != 2 || !strings.Contains(found[0].Seen, "its collation is utf8mb4_bin, CREATE TABLE of the query declares utf8mb4_unicode_ci") ||
			!strings.Contains(found[1].Seen, "its character set is latin1, CREATE TABLE of the query declares ascii") {
			t.Fatalf("got findings %v, expected the collation and the character set", found)
		}
		f.follow(t, findings)
	})
}
