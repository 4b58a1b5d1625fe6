package schema

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
)

// The grants that etl check --ddl prints are those that deletion needs; without DELETE a start is refused, with the GRANT.
func TestCheck_mayDeleteWindows(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	want := sqltest.Plan(t, "json", "INSERT INTO hits SELECT TUMBLE(ts, INTERVAL 1 HOUR) AS h, COUNT(*) AS n FROM events GROUP BY h").Tables()
	for name, c := range map[string]struct{ granted, finding string }{
		"with DELETE":    {"SELECT, INSERT, UPDATE, DELETE", ""},
		"without DELETE": {"SELECT, INSERT, UPDATE", "has no right to delete its old windows"},
	} {
		f := newFixture(sqltest.Open(t, server))
		f.checker = New(Options{Job: "job", Retain: map[string]time.Duration{"hits": time.Hour}}, f.Pool, nil)
		f.create(t, want...)
		ddl := strings.Replace(f.checker.DDL(want), "GRANT SELECT, INSERT, UPDATE, DELETE ON `hits`", "GRANT "+c.granted+" ON `hits`", 1)
		f.checker = New(f.checker.options, f.Limited(t, ddl, true), nil)
		found := f.check(t, "", want...)
		if c.finding == "" && refusals(found) != nil {
			t.Errorf("%s: got %v, expected no refusal", name, found)
		}
		if c.finding != "" {
			wantFinding(t, refusals(found), c.finding)
		}
	}
}

// Any index that begins with the window will do; one in which it comes later does not.
func TestCheck_indexOfTheWindow(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	for name, c := range map[string]struct {
		by, index string
		warned    bool
	}{
		"first of the key":               {"h, k", "", false},
		"second of the key":              {"k, h", "", true},
		"first of another":               {"k, h", "ALTER TABLE hits ADD INDEX (h, n)", false},
		"second of another":              {"k, h", "ALTER TABLE hits ADD INDEX (n, h)", true},
		"second of the key, can be NULL": {"k, m", "", true},
		"first of the key, can be NULL":  {"m, k", "", false},
	} {
		text := "INSERT INTO hits SELECT COALESCE(k, '') AS k, TUMBLE(_timestamp, INTERVAL 1 HOUR) AS h, COUNT(*) AS n FROM events GROUP BY " + c.by
		if strings.Contains(c.by, "m") {
			text = "INSERT INTO hits SELECT COALESCE(k, '') AS k, TUMBLE(ts, INTERVAL 1 HOUR) AS m, COUNT(*) AS n FROM events GROUP BY " + c.by
		}
		want := sqltest.Plan(t, "json", text).Tables()
		f := newFixture(sqltest.Open(t, server))
		f.checker = New(Options{Job: "job", Retain: map[string]time.Duration{"hits": time.Hour}}, f.Pool, nil)
		f.create(t, want...)
		if c.index != "" {
			f.Exec(t, c.index)
		}
		found := f.check(t, "hits", want...)
		warned := false
		for _, x := range found {
			if !strings.Contains(x.Seen, "no index begins with its window") {
				continue
			}
			warned = x.Warning
			f.Exec(t, x.Do)
			if again := f.check(t, "hits", want...); len(again) != len(found)-1 {
				t.Errorf("%s: after %s got %v", name, x.Do, again)
			}
		}
		if warned != c.warned {
			t.Errorf("%s: got %v, expected a warning: %v", name, found, c.warned)
		}
	}
}

// More rows than can be counted in a short time are not counted.
func TestCountExpired(t *testing.T) {
	t.Parallel()
	f := newFixture(sqltest.Open(t, mariadbtest.Start(t)))
	want := sqltest.Plan(t, "json", "INSERT INTO hits SELECT TUMBLE(_timestamp, INTERVAL 1 SECOND) AS s, COUNT(*) AS n FROM events GROUP BY s").Tables()
	f.create(t, want...)
	count := func() Expired {
		t.Helper()
		got, err := f.checker.CountExpired(t.Context(), &want[0], time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := count(); got != (Expired{}) {
		t.Errorf("an empty table: got %+v", got)
	}
	f.Exec(t, "INSERT INTO hits (s, n) SELECT '2015-05-01 00:00:00' + INTERVAL seq SECOND, 1 FROM seq_0_to_3610")
	if got, want := count(), (Expired{Before: time.Date(2015, 5, 1, 0, 0, 10, 0, time.UTC), Rows: 10}); got != want {
		t.Errorf("got %+v, expected %+v", got, want)
	}
	f.Exec(t, "INSERT INTO hits (s, n) SELECT '2015-05-01 01:00:11' + INTERVAL seq SECOND, 1 FROM seq_0_to_1003600")
	if got := count(); got.Rows != maxExpired || !got.More {
		t.Errorf("got %+v, expected more than %d rows", got, maxExpired)
	}
}

// The job's table of marks is no target.
func TestCheck_theTableOfMarksIsReserved(t *testing.T) {
	t.Parallel()
	want := sqltest.CountsTable()
	want.Name = "ETL_Retain"
	f := newFixture(sqltest.Open(t, mariadbtest.Start(t)))
	wantFinding(t, f.check(t, "ETL_Retain", want), "one of Sluice's own tables")
}
