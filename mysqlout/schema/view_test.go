package schema

import (
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/row"
)

// viewTable is the table hits__groups with the view hits.
func viewTable(t *testing.T) row.Table {
	t.Helper()
	return sqltest.Plan(t, "combined", "INSERT INTO hits SELECT LEFT(path, 200) AS page, COUNT(*) AS n FROM events GROUP BY page HAVING SUM(bytes) / COUNT(*) > 1000 AND n > 3").Tables()[0]
}

// A view that is created, or that the DDL creates, is accepted, and only one that shows the same.
func TestCheck_views(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	const condition = "TRUNCATE(CAST(having__1 AS DECIMAL(65,9)) / NULLIF(CAST(n AS DECIMAL(65,0)), 0), 9) > 1000 AND CAST(n AS DECIMAL(65,0)) > 3"
	for name, test := range map[string]struct{ create, want string }{
		"as created":          {"", ""},
		"written by hand":     {"CREATE VIEW hits AS SELECT page AS page, n FROM hits__groups WHERE " + condition, ""},
		"of its creator":      {"CREATE SQL SECURITY DEFINER VIEW hits AS SELECT g.page, g.n FROM hits__groups g WHERE " + condition, ""},
		"none":                {"DO 0", "there is no such table"},
		"a table":             {"CREATE TABLE hits (page INT)", "it is a table, must be a view of hits__groups"},
		"another limit":       {"CREATE VIEW hits AS SELECT page, n FROM hits__groups WHERE " + strings.Replace(condition, "> 3", "> 2", 1), "it is the view select"},
		"no condition":        {"CREATE VIEW hits AS SELECT page, n FROM hits__groups", "it is the view select"},
		"other columns":       {"CREATE VIEW hits AS SELECT n, page FROM hits__groups WHERE " + condition, "it is the view select"},
		"other names":         {"CREATE VIEW hits AS SELECT page, n AS m FROM hits__groups WHERE " + condition, "it is the view select"},
		"of another table":    {"CREATE TABLE other LIKE hits__groups; CREATE VIEW hits AS SELECT page, n FROM other WHERE " + condition, "it is the view select"},
		"of another database": {"CREATE DATABASE IF NOT EXISTS elsewhere; CREATE TABLE IF NOT EXISTS elsewhere.hits__groups LIKE hits__groups; CREATE VIEW hits AS SELECT page, n FROM elsewhere.hits__groups WHERE " + condition, "it is the view select"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := viewTable(t)
			f := open(t, server, table)
			if test.create != "" {
				f.Exec(t, append([]string{"DROP VIEW hits"}, strings.Split(test.create, "; ")...)...)
			}
			found := refusals(f.check(t, "hits", table))
			switch {
			case test.want == "" && found == nil:
			case test.want == "" || len(found) != 1 || found[0].Subject != "hits" || !strings.Contains(found[0].Seen, test.want):
				t.Fatalf("got findings %v, expected one with %q", found, test.want)
			case strings.HasPrefix(found[0].Do, "CREATE OR REPLACE"):
				f.Exec(t, found[0].Do)
			default:
				f.Exec(t, "DROP TABLE IF EXISTS hits")
				f.create(t, table)
			}
			if found := refusals(f.check(t, "hits", table)); found != nil {
				t.Errorf("after the advice: got findings %v, expected none", found)
			}
			f.create(t, table) // it exists already
			f.Exec(t, "INSERT INTO hits__groups (page, n, having__1) VALUES ('a', 4, 4001), ('b', 4, 4000), ('c', 3, 9000), ('d', 9, NULL)")
			if got := f.Text(t, "SELECT * FROM hits"); got != "a 4" {
				t.Errorf("got %q, expected only a 4", got)
			}
		})
	}
}

// The DDL creates views, and its privileges are enough to check them and to read them.
func TestDDL_views(t *testing.T) {
	t.Parallel()
	table := viewTable(t)
	f := newFixture(sqltest.Open(t, mariadbtest.Start(t)))
	f.check(t, "", table) // learns which server it is
	ddl := f.checker.DDL([]row.Table{table})
	for statement := range strings.SplitSeq(ddl, ";\n") {
		if strings.HasPrefix(strings.TrimSpace(statement), "CREATE") {
			f.Exec(t, statement)
		}
	}
	f.checker = New(Options{Job: "job"}, f.Limited(t, ddl, true), nil)
	if found := refusals(f.check(t, "", table)); found != nil {
		t.Errorf("got findings %v, expected none", found)
	}
	if !strings.Contains(ddl, "-- GRANT CREATE, CREATE VIEW ON *") {
		t.Errorf("the DDL does not have the privilege to create views:\n%s", ddl)
	}
}

// The name of a view is that of no other target, also where the server ignores case.
func TestCheck_viewsAndTablesOfOneName(t *testing.T) {
	t.Parallel()
	f := newFixture(sqltest.Open(t, mariadbtest.Start(t, mariadbtest.Args("--lower-case-table-names=1"))))
	other := sqltest.CountsTable()
	other.Name = "HITS"
	found := refusals(f.check(t, "hits", viewTable(t), other))
	if len(found) == 0 || !strings.Contains(found[0].Seen, "the same table as HITS") {
		t.Errorf("got findings %v, expected one that names HITS", found)
	}
}

// The embedded database is not compared with views, so a start is refused.
func TestCheck_embeddedViews(t *testing.T) {
	t.Parallel()
	f := newFixture(sqltest.Embedded(t))
	f.create(t, viewTable(t))
	found := refusals(f.check(t, "hits", viewTable(t)))
	if len(found) == 0 || !strings.Contains(found[len(found)-1].Seen, "the embedded database") {
		t.Errorf("got findings %v, expected one that names the embedded database", found)
	}
}

// sessionTable is the table visits__groups with the view visits of sessions.
func sessionTable(t *testing.T, gap string) row.Table {
	t.Helper()
	o := query.DefaultOptions()
	o.Format = "apache"
	o.FormatString = "%h %{usec}t"
	p, err := query.Compile("INSERT INTO visits SELECT SESSION(_timestamp, INTERVAL "+gap+") AS visit, LEFT(host, 50) AS host, COUNT(*) AS n FROM events WHERE _timestamp IS NOT NULL GROUP BY visit, host", o)
	if err != nil {
		t.Fatal(err)
	}
	return p.Tables()[0]
}

// The view of sessions is accepted as it is created, and no other one is. Its table holds the times with all digits, in a
// type that means the same in each session, and no parts of another gap.
func TestCheck_sessions(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	const row1 = "INSERT INTO visits__groups (visit__1800s, host, n) VALUES ('2026-01-01 10:00:00', 'a', 1)"
	for name, test := range map[string]struct {
		change       []string
		gap          string // of the query afterwards
		subject      string
		seen, advice string
	}{
		"as created":           {nil, "30 MINUTE", "", "", ""},
		"another limit":        {[]string{"SET @v = (SELECT REPLACE(view_definition, '1800', '1801') FROM information_schema.views WHERE table_schema = DATABASE())", "EXECUTE IMMEDIATE CONCAT('ALTER VIEW visits AS ', @v)"}, "30 MINUTE", "visits", "it is the view select", "run this if the time and the key"},
		"a TIMESTAMP":          {[]string{"ALTER TABLE visits__groups MODIFY visit__last TIMESTAMP(3) NOT NULL DEFAULT '2000-01-01 00:00:00'"}, "30 MINUTE", "visits__groups.visit__last", "its type is timestamp(3), must be DATETIME with all digits", "ALTER TABLE"},
		"too few digits":       {[]string{"ALTER TABLE visits__groups MODIFY visit__first DATETIME(2) NOT NULL"}, "30 MINUTE", "visits__groups.visit__first", "its type is datetime(2), must be DATETIME with all digits", "ALTER TABLE"},
		"more digits":          {[]string{"ALTER TABLE visits__groups MODIFY visit__first DATETIME(6) NOT NULL"}, "30 MINUTE", "", "", ""},
		"a part as TIMESTAMP":  {[]string{"ALTER TABLE visits__groups MODIFY visit__1800s TIMESTAMP NOT NULL DEFAULT '2000-01-01 00:00:00'"}, "30 MINUTE", "", "", ""},
		"parts of another gap": {[]string{row1}, "1 HOUR", "visits__groups.visit__3600s", "there is no such column, and the table holds rows, which count", "empty the table"},
		"rows without a time":  {[]string{row1, "ALTER TABLE visits__groups DROP COLUMN visit__last"}, "30 MINUTE", "visits__groups.visit__last", "their values in visits would be computed without the records", "empty the table"},
		"no rows and no time":  {[]string{"DROP VIEW visits", "ALTER TABLE visits__groups DROP COLUMN visit__last"}, "30 MINUTE", "visits__groups.visit__last", "there is no such column", "ALTER TABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t, server, sessionTable(t, "30 MINUTE"))
			f.Exec(t, test.change...)
			found := refusals(f.check(t, "visits", sessionTable(t, test.gap)))
			if test.seen == "" {
				if found != nil {
					t.Errorf("got findings %v, expected none", found)
				}
				return
			}
			if len(found) == 0 || found[0].Subject != test.subject || !strings.Contains(found[0].Seen, test.seen) || !strings.HasPrefix(found[0].Do, test.advice) {
				t.Fatalf("got findings %v, expected one of %s with %q and the advice %q", found, test.subject, test.seen, test.advice)
			}
			if strings.HasPrefix(test.advice, "ALTER") {
				f.Exec(t, found[0].Do)
				if test.change[0] == "DROP VIEW visits" {
					f.create(t, sessionTable(t, test.gap))
				}
				if found = refusals(f.check(t, "visits", sessionTable(t, test.gap))); found != nil {
					t.Errorf("after the advice: got findings %v, expected none", found)
				}
			}
		})
	}
}

// A server that sorts by short prefixes would mix the sessions of longer keys.
func TestCheck_sessionsSorted(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t, mariadbtest.Args("--max-sort-length=1023")), sessionTable(t, "1 HOUR"), viewTable(t))
	found := refusals(f.check(t, "", sessionTable(t, "1 HOUR"), viewTable(t)))
	if len(found) != 1 || found[0].Subject != "visits" || !strings.HasPrefix(found[0].Seen, "max_sort_length is 1023") {
		t.Errorf("got findings %v, expected one of max_sort_length", found)
	}
}

// MySQL has window functions from 8.0, MariaDB in all versions that are used. A server of unknown version has them.
func TestLacksWindows(t *testing.T) {
	t.Parallel()
	sessions, plain := sessionTable(t, "1 HOUR"), viewTable(t)
	for _, c := range []struct {
		server pool.Server
		want   bool
	}{
		{pool.Server{Dialect: pool.MySQL, Version: "5.7.44-log", Major: 5, Minor: 7}, true},
		{pool.Server{Dialect: pool.MySQL, Version: "8.0.40", Major: 8}, false},
		{pool.Server{Dialect: pool.MySQL, Version: "9.1.0", Major: 9, Minor: 1}, false},
		{pool.Server{Dialect: pool.MariaDB, Version: "10.6.1-MariaDB", Major: 10, Minor: 6}, false},
		{pool.Server{}, false},
	} {
		if got := lacksWindows(c.server, &sessions); got != c.want || lacksWindows(c.server, &plain) {
			t.Errorf("%v: got %v, expected %v, and false for a view without sessions", c.server, got, c.want)
		}
	}
}
